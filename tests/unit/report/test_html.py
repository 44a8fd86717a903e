"""natfix/report/html.py: what a check found, as a page."""

import re
from dataclasses import replace

import pytest

from natfix.report.gathered import PICTURED
from natfix.report.html import html_text
from natfix.report.model import CheckResult
from tests.unit.report.page import Page
from tests.unit.report.results import NESTED, TEXT, crowd, dropped, fleet, looked_at, result, shielded, simple, suppressed

RESULTS = {
    "a file": looked_at(TEXT),
    "chains in chains": looked_at(NESTED),
    "many": crowd(5),
    "a host": result(live=True),
    "dropped": dropped(),
    "shielded": shielded(),
    "a fleet": fleet(24),
    "a fleet without a fault": replace(crowd(0), empty=tuple(map(str, range(12)))),
    "a fleet with decisions": replace(suppressed(), empty=tuple(map(str, range(12))), notes=("look <twice>",)),
    "nothing": CheckResult(()),
}


@pytest.mark.parametrize("name", RESULTS)
def test_the_page_is_well_formed_and_its_ids_and_links_hold_together(name: str) -> None:
    page = Page(html_text(RESULTS[name]))
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    targets = [word for value in page.values("aria-labelledby") for word in value.split()]
    targets += [link[1:] for link in page.values("href") if link.startswith("#")]
    assert set(targets) <= set(ids)
    assert page.elements[0] == ("html", {"lang": "en"})
    assert page.count("main") == page.count("h1") == 1


@pytest.mark.parametrize("name", RESULTS)
def test_the_page_needs_nothing_from_anywhere(name: str) -> None:
    page = Page(html_text(RESULTS[name]))
    assert page.values("src") == []
    assert {tag for tag, attributes in page.elements if "href" in attributes} <= {"a", "link"}
    assert [attributes["href"] for tag, attributes in page.elements if tag == "link"] == ["data:,"]
    assert page.count("script") == 0
    assert "default-src 'none'" in html_text(RESULTS[name])


def test_a_finding_is_told_with_its_packet_before_and_after() -> None:
    page = Page(html_text(looked_at(simple())))
    assert page.count("svg") == 2
    for words in (
        "1 finding: 1 high",
        "dump.save, line 3 (nat POSTROUTING, rule 1)",
        "-A POSTROUTING -s 172.7.21.0/24 ! -o docker0 -j MASQUERADE",
        "172.7.21.2 becomes the address of eth0",
        "As it is: table nat",
        "After natfix apply",
        "cluster 172.7.0.0/16 (from --cluster-cidr)",
    ):
        assert words in page.words


def test_what_a_rule_says_is_words_and_no_markup() -> None:
    text = html_text(
        looked_at(simple('-s 172.7.21.0/24 -m comment --comment "<script>alert(1)</script>\x1b&\udcff" -j MASQUERADE'))
    )
    page = Page(text)
    assert page.count("script") == 0
    assert "<script>alert(1)</script>\ufffd&\ufffd" in page.words
    assert "\x1b" not in text


def test_a_thousand_findings_have_few_pictures_and_are_all_named() -> None:
    page = Page(html_text(crowd(PICTURED + 2)))
    assert page.count("article") == PICTURED
    assert page.count("svg") == 2 * PICTURED
    assert "2 more findings of this kind" in page.words
    assert "h5.save, line 3" in page.words


def test_what_could_not_be_read_is_told_with_its_place() -> None:
    words = Page(html_text(crowd(1))).words
    assert "Could not be read" in words
    assert "broken,1.save, line 3, column" in words


def test_kinds_are_listed_when_there_are_several() -> None:
    assert "Kinds of findings" in Page(html_text(looked_at(TEXT))).words
    assert "Kinds of findings" not in Page(html_text(looked_at(simple()))).words


def test_what_a_finding_depends_on_stands_behind_and_may_be_is_told() -> None:
    words = Page(html_text(looked_at(TEXT))).words
    for told in ("(possible)", "depends on", '-m set --match-set "', "behind", "which comes first"):
        assert told in words
    assert "dropped" in Page(html_text(dropped())).words


def test_a_page_without_charts_has_no_pictures() -> None:
    assert Page(html_text(result())).count("svg") == 0


def test_references_that_are_addresses_are_links() -> None:
    group = looked_at(simple()).groups[0]
    kind = replace(group.kind, references=("https://example.org/a?b&c", "a book, page 3"))
    (table,) = looked_at(simple()).tables
    changed = CheckResult((replace(table, findings=(replace(table.findings[0], kind=kind),)),))
    page = Page(html_text(changed))
    assert "https://example.org/a?b&c" in page.values("href")
    assert "a book, page 3" in page.words
    bare = replace(kind, references=())
    assert Page(html_text(CheckResult((replace(table, findings=(replace(table.findings[0], kind=bare),)),)))).count("ul") == 0


def test_the_same_result_gives_the_same_bytes_and_no_date() -> None:
    assert html_text(looked_at(TEXT)) == html_text(looked_at(TEXT))
    assert not re.search(r"20\d\d-\d\d", html_text(looked_at(simple())))


def test_a_suppressed_finding_is_listed_with_its_reason() -> None:
    page = Page(html_text(suppressed()))
    assert page.count("svg") == 0
    for words in ("1 suppressed finding", "the <old> host | goes", "2027-03-31", "dump.save, line 3"):
        assert words in page.words

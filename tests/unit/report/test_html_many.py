"""natfix/report/html_many.py: a page about a thousand hosts."""

from dataclasses import replace

from natfix.report.gathered import PICTURED, pictured
from natfix.report.html import html_text
from natfix.report.html_many import sources_counted
from natfix.report.model import CheckResult, ClusterOrigin
from natfix.ruleset import parse_network
from tests.unit.report.page import Page
from tests.unit.report.results import crowd, fleet, looked_at, simple, suppressed, unread


def test_what_is_alike_is_told_once_with_one_picture_and_all_hosts() -> None:
    held = fleet(48)
    text = html_text(held)
    page = Page(text)
    assert page.count("article") == 2
    assert page.count("svg") == 2 * len(pictured(held)) == 4
    assert page.words.count("host001.example.net.natfix") >= 2
    assert "24 sources, 24 findings" in page.words
    assert "-A POSTROUTING -s <network> ! -o docker0 -j MASQUERADE" in page.words
    assert text.index(">24 sources with it<") < text.index(">8 sources with it<")


def test_every_host_leads_to_its_findings_and_back() -> None:
    text = html_text(fleet(48))
    for number in range(1, 49):
        assert text.count(f">host{number:03}.example.net.natfix<") >= 1 + bool(number % 3)
    assert '<a href="#s1">host001.example.net.natfix</a>' in text
    assert '<span id="s1">host001.example.net.natfix</span>' in text
    assert text.count('<a href="#NAT001-1">NAT001</a>') == 1 + 24


def test_hosts_are_counted_and_none_is_forgotten() -> None:
    held = fleet(48)
    assert sources_counted(held) == "50 sources: 32 with findings, 17 without, 1 that could not be read"
    page = Page(html_text(held))
    assert "bare.natfix" in page.words
    assert page.words.index("1 source: ") < page.words.index("Findings by what they have in common")
    assert "broken,1.save, line 3, column" in page.words


def test_what_could_not_be_read_is_told_by_what_is_wrong_with_it() -> None:
    gone = [replace(unread(), source=f"gone{number}.natfix", problem="no such <file>") for number in range(2)]
    page = Page(html_text(replace(fleet(12), unread=(unread(), *gone))))
    assert page.words.index("2 sources: no such <file>") < page.words.index("1 source: ")


def test_more_forms_of_a_kind_than_have_pictures_are_told_all_the_same() -> None:
    rules = [f"-s 172.7.{number}.0/24 ! -o bridge{'x' * number} -j MASQUERADE" for number in range(1, PICTURED + 3)]
    held = CheckResult(tuple(looked_at(simple(rule), f"{rule}.save").tables[0] for rule in rules), empty=tuple("abcdefgh"))
    page = Page(html_text(held))
    assert page.count("article") == PICTURED + 2
    assert page.count("svg") == 2 * PICTURED


def test_decisions_and_notes_are_folded() -> None:
    held = replace(suppressed(), empty=tuple(map(str, range(12))), notes=("look <twice>",))
    page = Page(html_text(held))
    for words in ("1 suppressed finding", "the <old> host | goes", "2027-03-31", "1 note", "look <twice>"):
        assert words in page.words


def test_a_few_clusters_are_shown_and_the_others_folded() -> None:
    tables = crowd(12).tables
    networks = [ClusterOrigin((parse_network(f"10.{number}.0.0/16"),), "<said>", number == 1) for number in range(13)]
    held = CheckResult(tuple(replace(table, cluster=each) for table, each in zip(tables, networks, strict=True)))
    words = Page(html_text(held)).words
    assert "cluster 10.1.0.0/16 (from <said>; a guess)" in words
    assert words.index("10.2.0.0/16") < words.index("10 more clusters") < words.index("10.3.0.0/16")


def test_five_thousand_hosts_fit_into_a_file_that_a_browser_opens() -> None:
    one = fleet(12).tables
    tables = [
        replace(table, source=f"web{number:04}.example.net.natfix: iptables-nft", file=f"web{number:04}.example.net.natfix")
        for number, table in ((number, one[number % len(one)]) for number in range(5000))
    ]
    assert len(html_text(CheckResult(tuple(tables)))) < 3_000_000

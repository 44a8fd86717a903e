"""natfix/report/html_finding.py: a finding on a page."""

from natfix.report.html_finding import article, explained, facts, pictures
from tests.unit.report.page import Page
from tests.unit.report.results import MARKED, TEXT, dropped, first, looked_at, result, shielded, simple


def test_an_article_has_the_rule_the_packet_the_cure_and_two_pictures() -> None:
    (place,) = looked_at(simple()).places
    page = Page("\n".join(article(place, "f1")))
    assert page.values("aria-labelledby")[0] == "f1"
    assert page.count("svg") == 2
    for words in ("-A POSTROUTING -s 172.7.21.0/24", "tcp 172.7.21.2:40000", "natfix apply excludes the cluster from it"):
        assert words in page.words


def test_facts_say_what_a_finding_depends_on_and_what_stands_before_it() -> None:
    words = " ".join(Page("\n".join(facts(place.finding))).words for place in looked_at(TEXT).places)
    assert "depends on" in words
    assert "which comes first" in words
    assert (
        "behindrule 1 of POSTROUTING in table ip mine, which comes first" in Page("\n".join(facts(first().findings[0]))).words
    )
    marked = Page("\n".join(facts(looked_at(MARKED).findings[0]))).words
    assert "marked byrule 1 of PREROUTING in mangle (dump.save): -A PREROUTING -i docker0" in marked
    assert "dropped, and nobody is told" in Page("\n".join(facts(dropped().findings[0]))).words


def test_what_does_no_harm_now_would_do_it() -> None:
    assert "172.7.21.2 would become the address of eth0" in Page("\n".join(facts(shielded().findings[0]))).words


def test_a_finding_without_a_chart_has_no_pictures() -> None:
    assert list(pictures(result().places[0], "x")) == []


def test_why_it_matters_is_folded() -> None:
    text = "\n".join(explained(looked_at(simple()).groups[0].kind))
    assert text.startswith("<details>")
    assert Page(text).count("li") >= 1

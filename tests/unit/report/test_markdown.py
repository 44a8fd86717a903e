"""natfix/report/markdown.py: what a check found, as Markdown."""

import re
from dataclasses import replace

from natfix.report.markdown import DETAILED, markdown_text
from natfix.report.model import CheckResult
from tests.unit.report.results import (
    MARKED,
    TEXT,
    crowd,
    dropped,
    first,
    fleet,
    looked_at,
    result,
    shielded,
    simple,
    suppressed,
)


def test_a_finding_is_told_with_its_rule_packet_way_and_cure() -> None:
    text = markdown_text(looked_at(simple()))
    for part in (
        "**1 finding: 1 high**",
        "Cluster `172.7.0.0/16` (from --cluster-cidr).",
        "| NAT001 | high | MASQUERADE for a container subnet also hides its addresses inside the cluster | 1 | 1 |",
        "```text\n-A POSTROUTING -s 172.7.21.0/24 ! -o docker0 -j MASQUERADE\n```",
        "- packet `tcp 172.7.21.2:40000 -> 172.7.22.2:80 out eth0`; its source becomes `the address of eth0`",
        "- way `POSTROUTING rule 1`",
        "- cure: natfix apply excludes the cluster from it",
    ):
        assert part in text


def test_many_findings_of_a_kind_are_listed_after_the_first() -> None:
    text = markdown_text(crowd(DETAILED + 2))
    assert text.count("```text\n-A") == DETAILED
    assert "<summary>2 more findings</summary>" in text
    assert "- h5.save, line 3 (nat POSTROUTING, rule 1): `-A POSTROUTING -s 172.7.5.0/24" in text
    assert text.count("<details>") == text.count("</details>")


def test_what_could_not_be_read_is_told_with_its_place() -> None:
    text = markdown_text(crowd(1))
    assert "### Could not be read\n\n```text\nbroken,1.save, line 3, column" in text


def test_what_is_only_possible_and_what_is_dropped_are_told() -> None:
    text = markdown_text(looked_at(TEXT))
    assert " (possible)\n" in text
    assert '- depends on `-m set --match-set "' in text
    assert "; it is dropped" in markdown_text(dropped())
    assert "(from routes to peer subnets; a guess)" in markdown_text(result())
    assert "- note: look twice" in markdown_text(result())


def test_what_other_tables_do_before_is_told() -> None:
    assert "\n- marked by rule 1 of PREROUTING in mangle (dump.save): `-A PREROUTING -i docker0" in markdown_text(
        looked_at(MARKED)
    )
    assert "\n- behind rule 1 of POSTROUTING in table ip mine, which comes first\n" in markdown_text(first())


def test_what_does_no_harm_now_would_do_it() -> None:
    assert "; its source would become `the address of eth0`" in markdown_text(shielded())


def test_nothing_found_is_one_line() -> None:
    text = markdown_text(CheckResult(()))
    assert "**no rule hides a container address inside the cluster**" in text
    assert "|" not in text


def test_names_mean_themselves() -> None:
    held = looked_at(simple(), "a|b*c*<i>#1 @all https://example.org/`x`_.save")
    text = markdown_text(held)
    assert r"a\|b\*c\*&lt;i&gt;\#1 \@all https:&#47;/example.org/\`x\`\_.save, line 3" in text
    assert "``a|b*c*<i>#1 @all https://example.org/`x`_.save``" in text


def test_a_fence_is_longer_than_what_it_holds() -> None:
    spec = '-s 172.7.21.0/24 -m comment --comment "```" -j MASQUERADE'
    assert f"````text\n-A POSTROUTING {spec}\n````" in markdown_text(looked_at(simple(spec)))
    (table,) = looked_at(simple()).tables
    unknown = replace(table.findings[0], unknown=("`x",), certain=False)
    text = markdown_text(CheckResult((replace(table, findings=(unknown,)),)))
    assert "- depends on `` `x ``" in text


def test_nothing_that_a_terminal_acts_on_is_left() -> None:
    assert not re.search(r"[\x00-\x09\x0b-\x1f\udc80-\udcff]", markdown_text(looked_at(TEXT)))


def test_a_suppressed_finding_is_named_with_its_reason() -> None:
    told = r"- suppressed until 2027-03-31: NAT001 dump.save, line 3 (nat POSTROUTING, rule 1): the &lt;old&gt; host \| goes"
    assert told in markdown_text(suppressed())


def test_hosts_with_one_fault_are_named_together_after_one_example() -> None:
    text = markdown_text(fleet(24))
    assert text.count("```text\n-A") == 2
    assert "12 sources with `-A POSTROUTING -s <network> ! -o docker0 -j MASQUERADE`, for example:" in text
    assert "`host001.example.net.natfix`, `host002.example.net.natfix`, `host005.example.net.natfix`" in text
    assert "Nothing was found in 9 sources: `host003.example.net.natfix`, " in text
    assert "- 1 source: " in text
    assert text.count("<details>") == text.count("</details>") == 3
    (table,) = suppressed().tables
    held = CheckResult((table, *crowd(1).tables), ("look twice",), empty=tuple("abcdefghij"))
    assert "- suppressed until 2027-03-31: NAT001 dump.save" in markdown_text(held)
    assert "- note: look twice" in markdown_text(held)
    alone = CheckResult(crowd(1).tables[:1], empty=tuple("abcdefghij"))
    assert markdown_text(alone).count("<details>") == 1
    nothing_fine = CheckResult(crowd(11).tables[:11])
    assert "Nothing was found" not in markdown_text(nothing_fine)


def test_a_thousand_hosts_fit_into_a_comment() -> None:
    assert len(markdown_text(fleet(250))) * 4 < 65_536

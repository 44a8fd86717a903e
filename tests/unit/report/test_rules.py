"""natfix/report/rules.py: audit rules, explained and listed."""

import json
from dataclasses import replace
from pathlib import Path

from jsonschema import Draft202012Validator

from natfix.audit import Severity
from natfix.audit.example import Example
from natfix.report.lines import plain
from natfix.report.rules import chosen, explain_lines, list_lines, markdown, markdown_table, rules_document
from tests.unit.audit.subjects import BROAD, CORRECTED, kind, networks

SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "schemas" / "rules-1.json").read_text(encoding="utf-8"))
HEAD = "*nat\n:POSTROUTING ACCEPT [0:0]\n"
FOUND = Example(
    "a rule",
    networks(["172.7.0.0/16"]),
    f"\n{HEAD}-A POSTROUTING {BROAD}\nCOMMIT\n",
    (BROAD,),
    fixed=f"\n{HEAD}-A POSTROUTING {CORRECTED}\nCOMMIT\n",
)
POSSIBLE = replace(FOUND, title="perhaps", certain=False, fixed=None)
SILENT = replace(FOUND, title="silent: none", finds=(), fixed=None, cluster=())
RULE = replace(
    kind(fix="exclude-cluster", targets=["SNAT", "MASQUERADE"]),
    area="docker",
    actors=frozenset({"docker"}),
    false_positives="Nowhere.",
    references=("iptables(8)", "moby#1"),
    examples=(FOUND, POSSIBLE, SILENT),
)
OTHER = replace(kind(), id="T002", severity=Severity.INFO)


def test_rules_are_chosen_by_area_and_severity() -> None:
    assert chosen([RULE, OTHER], [], Severity.INFO) == (RULE, OTHER)
    assert chosen([RULE, OTHER], ["docker", "nat"], Severity.INFO) == (RULE,)
    assert chosen([RULE, OTHER], [], Severity.LOW) == (RULE,)


def test_a_list_has_a_line_for_each_rule() -> None:
    assert plain(list_lines([RULE, OTHER])) == (
        "T001    high    docker  A test.\n"
        "T002    info    site    A test.\n"
        "\n"
        "2 audit rules; natfix explain ID tells all of one\n"
    )
    assert plain(list_lines([])).endswith("0 audit rules; natfix explain ID tells all of one\n")


def test_an_explanation_tells_all_and_points_at_what_is_found() -> None:
    told = plain(explain_lines(RULE))
    assert told.startswith(
        "T001 test (high, docker)\n  A test.\n\nWhy it matters\n  Why.\n\nWhat to do\n  Do this.\n  Then that.\n"
    )
    assert "What natfix apply does\n  Excludes the cluster from the rule.\n\nWhere it errs\n  Nowhere.\n" in told
    assert "Where this is known from\n  - iptables(8)\n  - moby#1\n" in told
    assert f"example: a rule (cluster 172.7.0.0/16)\n  *nat\n  :POSTROUTING ACCEPT [0:0]\n> -A POSTROUTING {BROAD}\n" in told
    assert f"  becomes\n  *nat\n  :POSTROUTING ACCEPT [0:0]\n  -A POSTROUTING {CORRECTED}\n" in told
    assert "example: silent: none (cluster unknown)\n" in told
    assert "Where it errs" not in plain(explain_lines(OTHER))


def test_a_setting_that_is_found_is_pointed_at_where_the_text_holds_it() -> None:
    said = replace(FOUND, text="# Warning: two\n*nat\n", finds=("# Warning: two",), fixed=None)
    assert "> # Warning: two\n" in plain(explain_lines(replace(RULE, examples=(said,))))


def test_a_page_is_markdown() -> None:
    page = markdown(RULE)
    assert page.startswith("# T001 · test\n\nA test..\n\n| | |\n|---|---|\n| severity | high |\n| area | docker |\n")
    assert "| targets | `MASQUERADE`, `SNAT` |\n| rules written by | docker |\n" in page
    assert (
        f"### A rule\n\nCluster 172.7.0.0/16:\n\n```text\n{HEAD}-A POSTROUTING {BROAD}\nCOMMIT\n```\n\nFound:\n\n- `{BROAD}`\n"
        in page
    )
    assert f"`natfix apply` makes of it:\n\n```text\n{HEAD}-A POSTROUTING {CORRECTED}\nCOMMIT\n```\n" in page
    assert "Found (possible):" in page
    assert page.endswith("```\n\nNothing is found.\n")
    assert "## Examples" not in markdown(OTHER)
    assert "rules written by" not in markdown(OTHER)


def test_a_list_on_a_page_stands_by_itself() -> None:
    listed = replace(RULE, remediation="Ways out:\n- one,\n  of two lines\n- another\nor none.")
    assert "\nWays out:\n\n- one,\n  of two lines\n- another\nor none.\n" in markdown(listed)


def test_a_table_leads_to_the_pages() -> None:
    assert markdown_table([RULE, OTHER]).splitlines()[2:] == [
        "| [T001](rules/T001.md) | high | docker | A test. | excludes the cluster from the rule |",
        "| [T002](rules/T002.md) | info | site | A test. | nothing |",
    ]


def test_the_document_is_what_its_schema_says() -> None:
    whole, short = rules_document([RULE], examples=True), rules_document([RULE, OTHER])
    for document in (whole, short):
        Draft202012Validator(SCHEMA).validate(document)
    assert [each["title"] for each in whole["rules"][0]["examples"]] == ["a rule", "perhaps", "silent: none"]
    assert "examples" not in short["rules"][0]
    assert whole["rules"][0]["families"] == ["ipv4", "ipv6"]

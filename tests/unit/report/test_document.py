"""natfix/report/document.py: what a check found, as JSON that its schema describes."""

from dataclasses import replace
from typing import Any

import pytest

from natfix._version import __version__
from natfix.audit.hit import Statement
from natfix.errors import BusyError
from natfix.report.document import check_document, finding_document, readable
from natfix.report.gathered import Unread
from natfix.report.model import CheckResult
from natfix.report.packets import packets_document
from tests.unit.report.results import (
    CATALOGUE,
    MARKED,
    crowd,
    dropped,
    findings,
    first,
    fleet,
    looked_at,
    problems,
    result,
    shielded,
    simple,
    suppressed,
)


@pytest.mark.parametrize("live", [False, True])
def test_the_document_of_a_check_is_what_its_schema_says_for_files_and_hosts_alike(live: bool) -> None:  # noqa: FBT001
    assert problems(check_document(result(live=live)), "check-1.json") == []
    assert problems(check_document(CheckResult(())), "check-1.json") == []


def test_a_file_and_a_host_differ_in_facts_and_not_in_form() -> None:
    assert _form(check_document(result(live=True))["tables"][0]) == _form(check_document(result(live=False))["tables"][0])


def _form(value: Any) -> Any:  # noqa: ANN401  (JSON)
    if isinstance(value, dict):
        return {name: _form(each) for name, each in value.items() if each is not None}
    return {str(_form(each)) for each in value[:1]} if isinstance(value, list) else type(value)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"more": 1}, "Additional properties are not allowed ('more' was unexpected)"),
        ({"schema": 2}, "1 was expected"),
        ({"notes": None}, "None is not of type 'array'"),
    ],
)
def test_the_schema_refuses_what_is_not_in_it(change: dict[str, Any], problem: str) -> None:
    assert problems(check_document(result()) | change, "check-1.json") == [problem]


def test_a_shielded_finding_says_by_what() -> None:
    held = check_document(shielded())
    assert problems(held, "check-1.json") == []
    assert held["summary"] == {"info": 1}
    assert held["tables"][0]["findings"][0]["shielded_by"] == "nft table ip natfix"


def test_what_other_tables_do_before_is_said_with_their_rules() -> None:
    held = check_document(looked_at(MARKED))
    assert problems(held, "check-1.json") == []
    ((marked,),) = [each["marked"] for each in held["tables"][0]["findings"]]
    assert (marked["table"], marked["origin"], marked["rule"]["line"]) == ("mangle", "dump.save", 7)
    held = check_document(first())
    assert problems(held, "check-1.json") == []
    told = held["tables"][0]["findings"][0]["first"]
    assert (told["table"], told["origin"], told["rule"]["chain"]) == (None, "table ip mine", "POSTROUTING")


def test_the_document_says_all_of_a_finding() -> None:
    held = finding_document(findings()["NAT002 1"])
    assert held == {
        "id": "NAT002",
        "name": "over-broad-snat",
        "severity": "high",
        "certain": True,
        "message": "hides the addresses of 172.7.21.0/24 from the rest of the cluster; only these packets: icmp",
        "table": "nat",
        "rule": {"text": "-A CNI-1 -j SNAT --to-source 10.4.7.21", "chain": "CNI-1", "number": 1, "line": 10, "counters": None},
        "packet": {
            "text": "icmp 172.7.21.2 -> 172.7.22.2 out eth0",
            "source": "172.7.21.2",
            "destination": "172.7.22.2",
            "in_interface": None,
            "out_interface": "eth0",
            "protocol": "icmp",
            "source_port": None,
            "destination_port": None,
            "mark": 0,
        },
        "packets": [packets_document(each) for each in findings()["NAT002 1"].packets],
        "partial": True,
        "path": [
            {
                "text": "-A POSTROUTING -s 172.7.21.0/24 -p icmp -g CNI-1",
                "chain": "POSTROUTING",
                "number": 2,
                "line": 5,
                "counters": None,
            },
            held["rule"],
        ],
        "becomes": "10.4.7.21",
        "unknown": [],
        "behind": finding_document(findings()["NAT001 1"])["rule"],
        "shielded_by": None,
        "marked": [],
        "first": None,
        "correctable": True,
        "remediation": next(kind.remediation for kind in CATALOGUE if kind.id == "NAT002"),
    }
    (icmp,) = held["packets"]
    assert (icmp["source"], icmp["protocol"]) == (["172.7.21.0/24"], [[1, 1]])
    assert held["behind"]["counters"] == {"packets": 3, "bytes": 180}


def test_a_packet_that_is_dropped_before_it_is_routed_leaves_by_no_device() -> None:
    document = check_document(dropped())
    assert problems(document, "check-1.json") == []
    (held,) = document["tables"][0]["findings"]
    assert (held["table"], held["becomes"], held["correctable"]) == ("raw", None, False)
    assert (held["packet"]["in_interface"], held["packet"]["out_interface"]) == ("eth0", None)


def test_a_finding_about_words_has_no_packet() -> None:
    held = finding_document(findings()["NAT005 6"])
    assert (held["packet"], held["path"], held["becomes"], held["behind"]) == (None, [], None, None)


def test_a_document_begins_with_its_versions_and_counts_what_it_found() -> None:
    held = check_document(result())
    assert list(held)[:2] == ["schema", "natfix"]
    assert (held["schema"], held["natfix"]) == (1, __version__)
    assert held["summary"] == {"high": 4, "medium": 1}
    assert [(table["source"], table["live"], table["family"]) for table in held["tables"]] == [
        ("dump.save", False, "ipv4"),
        ("ip6tables-nft", False, "ipv6"),
    ]
    assert held["clusters"][1] == {
        "networks": ["fd00:7::/32", "fd00:9::/32"],
        "origin": "routes to peer subnets",
        "guessed": True,
    }


def test_kinds_are_summed_up_and_what_could_not_be_read_is_named() -> None:
    held = check_document(crowd(3))
    assert problems(held, "check-1.json") == []
    alike = {
        "rule": "-A POSTROUTING -s <network> ! -o docker0 -j MASQUERADE",
        "findings": 3,
        "sources": ["h1.save", "h2.save", "h3.save"],
    }
    assert held["kinds"] == [
        {
            "id": "NAT001",
            "name": "over-broad-masquerade",
            "severity": "high",
            "findings": 3,
            "sources": 3,
            "cases": [alike],
        }
    ]
    (broken,) = held["unread"]
    assert (broken["source"], broken["line"], broken["column"] > 1) == ("broken,1.save", 3, True)


def test_a_source_without_a_place_has_none() -> None:
    held = check_document(CheckResult((), (), (Unread.of("x", BusyError("taken")),)))
    assert problems(held, "check-1.json") == []
    assert held["unread"] == [{"source": "x", "problem": "taken", "line": None, "column": None, "hint": None}]


def test_bytes_that_were_no_text_are_shown_as_such() -> None:
    assert readable("a\udcffb") == "a\ufffdb"
    assert "\ufffd" in finding_document(findings()["NAT006 3"])["unknown"][0]


def test_a_suppressed_finding_is_told_with_its_decision() -> None:
    held = check_document(suppressed())
    assert problems(held, "check-1.json") == []
    (table,) = held["tables"]
    assert (table["findings"], table["known"]) == ([], 2)
    (decided,) = table["suppressed"]
    assert decided["finding"]["id"] == "NAT001"
    assert (decided["reason"], decided["until"]) == ("the <old> host | goes", "2027-03-31")
    assert decided["place"] == "natfix.toml: suppress 1"


def test_what_is_no_rule_is_told_as_the_schema_says() -> None:
    (table,) = looked_at(simple()).tables
    setting = replace(table.findings[0], rule=Statement("", "net.ipv4.ip_forward = 0"), table="sysctl", path=())
    held = check_document(CheckResult((replace(table, findings=(setting,)),)))
    assert problems(held, "check-1.json") == []
    (finding,) = held["tables"][0]["findings"]
    assert finding["rule"]["text"] == "net.ipv4.ip_forward = 0"


def test_a_host_that_a_file_tells_of_is_named_by_that_file() -> None:
    held = check_document(fleet(12))
    assert problems(held, "check-1.json") == []
    assert (held["tables"][0]["file"], held["tables"][0]["source"]) == (
        "host001.example.net.natfix",
        "host001.example.net.natfix: iptables-nft",
    )
    assert held["empty"] == ["bare.natfix"]
    assert "host004.example.net.natfix" in held["kinds"][0]["cases"][0]["sources"]
    assert check_document(looked_at(simple()))["tables"][0]["file"] is None

"""natfix/report/sarif.py: what a check found, as SARIF that the official schema describes."""

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from jsonschema import Draft4Validator

from natfix._version import __version__
from natfix.errors import BusyError
from natfix.report.gathered import Unread
from natfix.report.model import CheckResult
from natfix.report.sarif import sarif_document
from natfix.ruleset import Rule
from tests.unit.report.results import (
    MARKED,
    NESTED,
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

HELD = json.loads((Path(__file__).parents[2] / "data/sarif/sarif-2.1.0-rtm.5.json").read_text(encoding="utf-8"))
RESULTS = {
    "a file": looked_at(TEXT),
    "chains in chains": looked_at(NESTED),
    "many": crowd(3),
    "a host": result(live=True),
    "dropped": dropped(),
    "shielded": shielded(),
    "marked": looked_at(MARKED),
    "first": first(),
    "a fleet": fleet(24),
    "nothing": CheckResult(()),
}


def problems(document: dict[str, Any]) -> list[str]:
    """What the schema has against a log, after it was written and read."""
    return [error.message for error in Draft4Validator(HELD).iter_errors(json.loads(json.dumps(document)))]


@pytest.mark.parametrize("name", RESULTS)
def test_the_log_is_what_the_official_schema_says(name: str) -> None:
    assert problems(sarif_document(RESULTS[name])) == []


def test_the_official_schema_refuses_what_is_not_in_it() -> None:
    Draft4Validator.check_schema(HELD)
    log = sarif_document(looked_at(simple()))
    log["runs"][0]["results"][0]["level"] = "awful"
    assert problems(log) == ["'awful' is not one of ['none', 'note', 'warning', 'error']"]
    log = sarif_document(looked_at(simple()))
    log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"] = 0
    assert problems(log) == ["0 is less than the minimum of 1"]


def test_a_finding_has_its_rule_its_place_and_the_way_of_its_packet() -> None:
    (run,) = sarif_document(looked_at(NESTED))["runs"]
    driver, found = run["tool"]["driver"], run["results"]
    assert (driver["name"], driver["semanticVersion"]) == ("natfix", __version__)
    for each in found:
        assert driver["rules"][each["ruleIndex"]]["id"] == each["ruleId"]
    behind = next(each for each in found if "relatedLocations" in each)
    (location,) = behind["locations"]
    region = location["physicalLocation"]["region"]
    assert NESTED.splitlines()[region["startLine"] - 1] == region["snippet"]["text"]
    assert location["logicalLocations"][0]["fullyQualifiedName"] == "nat/POSTROUTING/4"
    assert behind["relatedLocations"][0]["physicalLocation"]["region"]["snippet"]["text"].startswith("-A INNER -j SNAT")
    inner = next(each for each in found if each is not behind)
    steps = inner["codeFlows"][0]["threadFlows"][0]["locations"]
    assert [step["location"]["logicalLocations"][0]["fullyQualifiedName"] for step in steps] == [
        "nat/POSTROUTING/3",
        "nat/CNI-1/2",
        "nat/INNER/1",
    ]


def test_rules_of_other_tables_are_related_to_a_result() -> None:
    (result,) = sarif_document(looked_at(MARKED))["runs"][0]["results"]
    (marking,) = result["relatedLocations"]
    assert marking["physicalLocation"]["region"]["startLine"] == 7
    assert marking["message"]["text"] == "marks these packets before"
    (result,) = sarif_document(first())["runs"][0]["results"]
    (location,) = result["relatedLocations"]
    assert location["logicalLocations"][0]["fullyQualifiedName"] == "table ip mine/POSTROUTING/1"
    assert location["message"]["text"] == "decides before as things stand"


def test_severities_become_levels_and_doubt_is_told() -> None:
    (run,) = sarif_document(looked_at(TEXT))["runs"]
    levels = {each["properties"]["severity"]: each["level"] for each in run["results"]}
    assert levels == {"high": "error", "medium": "warning"}
    assert [each["level"] for each in sarif_document(shielded())["runs"][0]["results"]] == ["note"]
    doubtful = [each["message"]["text"] for each in run["results"] if not each["properties"]["certain"]]
    assert all(text.startswith("possibly: ") for text in doubtful)
    assert "\udcff" not in "".join(doubtful)


def test_a_rule_of_a_host_has_no_file() -> None:
    found = sarif_document(result(live=True))["runs"][0]["results"]
    assert all("physicalLocation" not in each["locations"][0] for each in found)
    assert found[0]["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] == "iptables-nft/nat/POSTROUTING/1"


@pytest.mark.parametrize(
    ("source", "uri"),
    [
        ("dumps/a b#.save", "dumps/a%20b%23.save"),
        ("/srv/dump.save", "file:///srv/dump.save"),
        ("c:d\udcff", "c%3Ad%FF"),
    ],
)
def test_a_file_is_named_by_a_uri_that_cannot_be_misread(source: str, uri: str) -> None:
    found = sarif_document(looked_at(simple(), source))["runs"][0]["results"]
    held = found[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert held == uri
    assert not urlsplit(held).fragment


def test_a_finding_is_the_same_when_lines_come_before_it() -> None:
    more = simple().replace("-A POSTROUTING", "-A POSTROUTING -s 10.0.0.1/32 -j ACCEPT\n-A POSTROUTING", 1)
    one, other = (sarif_document(looked_at(text))["runs"][0]["results"][0] for text in (simple(), more))
    assert one["partialFingerprints"] == other["partialFingerprints"]
    assert one["locations"] != other["locations"]
    elsewhere = sarif_document(looked_at(simple(), "other.save"))["runs"][0]["results"][0]
    assert elsewhere["partialFingerprints"] != one["partialFingerprints"]


def test_a_source_that_could_not_be_read_makes_the_run_unsuccessful() -> None:
    (invocation,) = sarif_document(crowd(1))["runs"][0]["invocations"]
    assert not invocation["executionSuccessful"]
    first = invocation["toolExecutionNotifications"][0]
    assert first["level"] == "error"
    place = first["locations"][0]["physicalLocation"]
    assert (place["artifactLocation"]["uri"], place["region"]["startLine"]) == ("broken%2C1.save", 3)
    assert place["region"]["startColumn"] > 1
    (fine,) = sarif_document(result())["runs"][0]["invocations"]
    assert fine["executionSuccessful"]
    assert [each["message"]["text"] for each in fine["toolExecutionNotifications"]] == ["look twice"]


def test_what_is_no_rule_and_a_source_without_a_place_have_no_line() -> None:
    (table,) = looked_at(simple()).tables
    setting = replace(table.findings[0], rule=Rule("", "net.ipv4.ip_forward = 0"), table="sysctl", path=())
    held = sarif_document(CheckResult((replace(table, findings=(setting,)),), (), (Unread.of("x", BusyError("taken")),)))
    assert problems(held) == []
    (run,) = held["runs"]
    (location,) = run["results"][0]["locations"]
    assert location["physicalLocation"] == {"artifactLocation": {"uri": "dump.save"}}
    assert location["logicalLocations"][0]["fullyQualifiedName"] == "sysctl"
    notification = run["invocations"][0]["toolExecutionNotifications"][0]
    assert notification["locations"] == [{"physicalLocation": {"artifactLocation": {"uri": "x"}}}]


def test_a_rule_with_an_address_links_to_it() -> None:
    rules = sarif_document(looked_at(TEXT))["runs"][0]["tool"]["driver"]["rules"]
    for rule in rules:
        address = next((word for word in rule["help"].get("markdown", "").splitlines() if word.startswith("- https://")), None)
        assert rule.get("helpUri") == (address.removeprefix("- ") if address else None)


def test_a_suppressed_finding_is_a_result_with_that_decision() -> None:
    held = sarif_document(suppressed())
    assert problems(held) == []
    (found,) = held["runs"][0]["results"]
    assert held["runs"][0]["tool"]["driver"]["rules"][found["ruleIndex"]]["id"] == found["ruleId"] == "NAT001"
    (decision,) = found["suppressions"]
    assert decision["justification"] == "the <old> host | goes (until 2027-03-31; NAT001 (natfix.toml: suppress 1))"
    assert (decision["kind"], decision["status"]) == ("external", "accepted")


def test_hosts_with_one_fault_stand_together_and_name_what_they_have_in_common() -> None:
    (run,) = sarif_document(fleet(24))["runs"]
    cases = [each["properties"]["case"] for each in run["results"]]
    assert [case["sources"] for case in cases] == [4] * 4 + [12] * 12
    assert cases[0]["rule"] == "-A POSTROUTING -s <network> ! -o br-<id> -j MASQUERADE"
    assert len({case["id"] for case in cases}) == 2
    # A case is called alike in every check: what all hosts of one check share has no part in its name.
    (other,) = sarif_document(fleet(48))["runs"]
    assert other["results"][0]["properties"]["case"]["id"] == cases[0]["id"]
    assert len({each["partialFingerprints"]["natfixRule/v1"] for each in run["results"]}) == 16
    (few,) = sarif_document(looked_at(simple()))["runs"]
    assert "case" not in few["results"][0]["properties"]


def test_a_host_that_a_file_tells_of_is_that_file_and_has_the_line_that_code_scanning_wants() -> None:
    (run,) = sarif_document(fleet(24))["runs"]
    for each in run["results"]:
        (location,) = each["locations"]
        name = location["physicalLocation"]["artifactLocation"]["uri"]
        assert location["physicalLocation"]["region"] == {"startLine": 1}
        assert location["logicalLocations"][0]["fullyQualifiedName"] == f"{name}: iptables-nft/nat/POSTROUTING/1"


def test_a_thousand_hosts_stay_within_the_limits_of_code_scanning() -> None:
    (run,) = sarif_document(fleet(250))["runs"]
    # Of github's documentation, "SARIF results exceed one or more limits", for each run and for each result.
    assert len(run["results"]) * 4 < 25_000
    assert len(run["tool"]["driver"]["rules"]) < 25_000
    for each in run["results"]:
        assert len(each["locations"]) == 1
        assert sum(len(flow["locations"]) for flows in each["codeFlows"] for flow in flows["threadFlows"]) < 1000
    assert all(len(rule["properties"]["tags"]) <= 10 for rule in run["tool"]["driver"]["rules"])
    assert len(gzip.compress(json.dumps(run).encode())) * 4 < 10 * 1024 * 1024

"""natfix/report/guard.py: the guard for people and for programs."""

import json
from pathlib import Path

import jsonschema
import pytest

from natfix.report.changes import Change
from natfix.report.guard import Condition, GuardReport, GuardTable, guard_document, guard_lines, meaning
from natfix.report.lines import plain
from natfix.report.model import ClusterOrigin
from natfix.ruleset import Family
from tests.unit.audit.guards import guard
from tests.unit.audit.subjects import networks

SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "schemas" / "guard-1.json").read_text())
CLUSTER = ClusterOrigin(networks(["172.7.0.0/16"]), "--cluster-cidr")
CHANGE = Change("nft table ip natfix", ("--- /dev/null", "+++ nft table ip natfix", "+table ip natfix {"), "script")
ON = GuardTable(Family.IPV4, "on", guard({"docker0": ["172.7.21.0/24"], "": ["172.7.9.0/24"]}, kept=1))
OFF = GuardTable(Family.IPV6, "off")


def test_status_tells_what_each_table_keeps() -> None:
    report = GuardReport("status", done=False, tables=(ON, OFF), wanted=True, clusters=(CLUSTER,))
    assert plain(guard_lines(report)).splitlines() == [
        "cluster 172.7.0.0/16 (from --cluster-cidr)",
        "nft table ip natfix: on",
        "    packets from 172.7.9.0/24 keep their address",
        "    packets from 172.7.21.0/24 keep their address, unless they leave by docker0",
        "    on their way to 172.7.0.0/16",
        "    1 connection kept so far",
        "nft table ip6 natfix: off",
    ]


@pytest.mark.parametrize("condition", ["missing", "incomplete", "altered"])
def test_a_table_that_is_not_right_says_what_to_do(condition: Condition) -> None:
    report = GuardReport("status", done=False, tables=(GuardTable(Family.IPV4, condition),), wanted=True)
    assert not report.right
    assert "natfix guard on" in meaning(condition)
    assert meaning(condition) in plain(guard_lines(report))


def test_a_plan_shows_the_change_and_that_nothing_was_done() -> None:
    report = GuardReport("on", done=False, tables=(ON,), wanted=True, changes=(CHANGE,), notes=("something",))
    assert plain(guard_lines(report)).splitlines() == [
        *CHANGE.diff, "", "note: something", "natfix guard on would change nft table ip natfix",
    ]  # fmt: skip


def test_nothing_to_do_is_said() -> None:
    report = GuardReport("off", done=False, tables=(OFF,), wanted=False)
    assert plain(guard_lines(report)) == "nothing to do: the guard is off\n"


def test_what_was_done_can_be_undone_by_its_name() -> None:
    report = GuardReport("on", done=True, tables=(ON,), wanted=True, changes=(CHANGE,), id="x-1", connections=2)
    assert plain(guard_lines(report)).splitlines()[-3:] == [
        "the guard is on: nft table ip natfix",
        "dropped 2 tracked connections that still carried the old rewrite",
        "undo with: natfix undo x-1",
    ]


def test_turning_off_what_has_gone_already_is_remembered_all_the_same() -> None:
    report = GuardReport("off", done=True, tables=(OFF,), wanted=False, id="x-1")
    assert plain(guard_lines(report)).splitlines() == ["the guard is off: no table changed", "undo with: natfix undo x-1"]


@pytest.mark.parametrize(
    "report",
    [
        GuardReport("status", done=False, tables=(ON, OFF), wanted=True, clusters=(CLUSTER,), notes=("something",)),
        GuardReport("on", done=True, tables=(ON,), wanted=True, changes=(CHANGE,), id="x-1", connections=2),
    ],
    ids=["status", "on"],
)
def test_the_document_is_as_its_schema_says(report: GuardReport) -> None:
    document = guard_document(report)
    jsonschema.validate(document, SCHEMA)
    assert json.loads(json.dumps(document)) == document


def test_the_document_tells_bridges_and_where_there_is_none() -> None:
    document = guard_document(GuardReport("status", done=False, tables=(ON, OFF), wanted=True))
    assert document["tables"][0]["subnets"] == [
        {"networks": ["172.7.9.0/24"], "bridge": None},
        {"networks": ["172.7.21.0/24"], "bridge": "docker0"},
    ]
    assert document["tables"][1] == {
        "table": "ip6 natfix", "family": "ipv6", "condition": "off", "cluster": [], "subnets": [], "kept": 0,
    }  # fmt: skip

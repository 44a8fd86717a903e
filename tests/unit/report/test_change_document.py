"""natfix/report/change_document.py: what was changed, and what holds, as JSON that its schemas describe."""

from dataclasses import replace

import pytest

from natfix.report.change_document import change_document, history_document, status_document
from natfix.report.changes import Change, ChangeResult, LeftAlone, PastChange, PlaceStatus, Status, Watcher
from tests.unit.report.results import CLUSTER, GUESS, checked, problems

CHANGE = Change("iptables-nft", ("--- a", "+\udcff"), '-A X -m comment --comment "\udcff"\n')
PAST = PastChange("20261123T000000Z-1", "2026-11-23T00:00:00Z", "0.1", "apply", "done", ("iptables-nft", "/etc/x"))
DONE = ChangeResult(
    "apply",
    done=True,
    changes=(CHANGE, Change("/etc/x", ("--- b",))),
    id=PAST.id,
    connections=3,
    clusters=(CLUSTER, GUESS),
    remaining=checked(live=True).findings,
    confirm_within=60.5,
    notes=("look twice",),
)
STATUS = Status(
    places=(PlaceStatus("iptables-nft", 2, right=False), PlaceStatus("/etc/x", None, right=True)),
    clusters=(CLUSTER,),
    last=PAST,
    waiting=(replace(PAST, state="waiting"),),
    notes=("look twice",),
    watcher=Watcher(
        42,
        alive=True,
        since=PAST.at,
        corrections=1,
        last="a rule",
        fights={"\udcff": "bash", "b": ""},
        refused="x",
        unrecorded="full",
        findings=2,
        unguarded="no bridge",
    ),
    left=(LeftAlone("iptables-nft", "-A P \udcff", PAST.id, PAST.at), LeftAlone("/etc/x", "", PAST.id, PAST.at)),
)


@pytest.mark.parametrize("result", [DONE, ChangeResult("undo", done=False)])
def test_the_document_of_a_change_is_what_its_schema_says(result: ChangeResult) -> None:
    assert problems(change_document(result), "change-1.json") == []


def test_the_document_of_a_change_says_all_of_it() -> None:
    held = change_document(DONE)
    assert held["changes"] == [
        {"place": "iptables-nft", "diff": ["--- a", "+\ufffd"], "script": '-A X -m comment --comment "\ufffd"\n'},
        {"place": "/etc/x", "diff": ["--- b"], "script": None},
    ]
    assert (held["verb"], held["done"], held["id"]) == ("apply", True, PAST.id)
    assert (held["connections"], held["confirm_within"], held["notes"]) == (3, 60.5, ["look twice"])
    assert len(held["remaining"]) == len(DONE.remaining)


def test_what_is_not_so_is_null() -> None:
    held = change_document(ChangeResult("undo", done=False))
    assert (held["id"], held["confirm_within"]) == (None, None)


@pytest.mark.parametrize("state", ["started", "waiting", "done", "undone", "rolled back"])
def test_the_document_of_a_history_is_what_its_schema_says(state: str) -> None:
    held = history_document([replace(PAST, state=state)])
    assert problems(held, "history-1.json") == []
    assert held["changes"] == [
        {
            "id": PAST.id,
            "at": PAST.at,
            "version": "0.1",
            "verb": "apply",
            "state": state,
            "places": ["iptables-nft", "/etc/x"],
        }
    ]


@pytest.mark.parametrize("status", [STATUS, Status(())])
def test_the_document_of_a_status_is_what_its_schema_says(status: Status) -> None:
    assert problems(status_document(status), "status-1.json") == []


def test_the_document_of_a_status_says_all_of_it() -> None:
    held = status_document(STATUS)
    assert held["places"][0] == {"place": "iptables-nft", "findings": 2, "right": False}
    assert (held["right"], held["last"]["id"], held["waiting"][0]["state"]) == (False, PAST.id, "waiting")
    assert status_document(Status(()))["last"] is None
    assert status_document(Status(()))["watcher"] is None
    assert held["watcher"] == {
        "pid": 42,
        "alive": True,
        "since": PAST.at,
        "corrections": 1,
        "last": "a rule",
        "fights": [{"rule": "\ufffd", "writer": "bash"}, {"rule": "b", "writer": None}],
        "refused": "x",
        "unsaved": None,
        "unrecorded": "full",
        "findings": 2,
        "unguarded": "no bridge",
    }
    assert held["left"] == [
        {"place": "iptables-nft", "rule": "-A P \ufffd", "change": PAST.id, "since": PAST.at},
        {"place": "/etc/x", "rule": None, "change": PAST.id, "since": PAST.at},
    ]


@pytest.mark.parametrize("schema", ["change-1.json", "history-1.json", "status-1.json"])
def test_a_schema_refuses_another_document(schema: str) -> None:
    assert problems({"schema": 1, "natfix": "0.1", "more": 1}, schema) != []

"""natfix/app/testimony.py: what the watcher says, believed where it says that all is right."""

import json
from typing import Any, NoReturn

import pytest

from natfix.app.testimony import ask_watcher
from natfix.app.watch_state import STATE_PATH
from natfix.host.memory.files import MemoryFiles
from natfix.report.changes import PlaceStatus, Status

RIGHT: dict[str, Any] = {
    "pid": 42, "started": "777", "since": "2026-11-23T00:00:00Z", "corrections": 1, "last": "", "fights": {}, "refused": "",
    "unsaved": "", "unrecorded": "", "findings": 0, "unguarded": "",
}  # fmt: skip


def files(started: str = "777", **told: object) -> MemoryFiles:
    state = json.dumps(RIGHT | told).encode()
    return MemoryFiles({STATE_PATH: state, "/proc/42/stat": b"42 (python3) S 1 " + b"0 " * 17 + started.encode() + b" 0"})


def nobody() -> NoReturn:
    raise AssertionError("nobody shall look")


def test_a_watcher_that_says_all_is_right_is_believed_and_nobody_looks() -> None:
    status = ask_watcher(files(), nobody)
    assert status.right
    assert status.places == (PlaceStatus("natfix watch", None, right=True, condition="says that all is right"),)
    assert status.watcher is not None
    assert status.watcher.pid == 42


@pytest.mark.parametrize(
    ("told", "condition"),
    [
        ({"refused": "no rights"}, "no rights"),
        ({"unguarded": "no bridge yet"}, "no bridge yet"),
        ({"unsaved": "disk full"}, "disk full"),
        ({"fights": {"a rule": "fight.sh"}, "findings": 1}, "cannot win: somebody keeps putting a rule back"),
    ],
)
def test_what_the_watcher_lacks_is_not_right_and_nobody_looks(told: dict[str, object], condition: str) -> None:
    status = ask_watcher(files("777", **told), nobody)
    assert not status.right
    assert status.places[0].condition == condition


def test_a_watcher_that_was_killed_is_not_believed() -> None:
    status = ask_watcher(files("778"), nobody)
    assert (status.right, status.places[0].condition) == (False, "has ended without a word")


def test_without_a_watcher_it_is_not_right() -> None:
    status = ask_watcher(MemoryFiles(), nobody)
    assert (status.right, status.places[0].condition, status.watcher) == (False, "does not run", None)


@pytest.mark.parametrize("right", [True, False])
def test_findings_that_the_watcher_left_are_looked_at_for_the_guard_may_make_them_harmless(*, right: bool) -> None:
    seen = Status((PlaceStatus("iptables-nft", 0 if right else 1, right),))
    assert ask_watcher(files(findings=1), lambda: seen) is seen


def test_what_a_watcher_of_before_wrote_is_read() -> None:
    older = {key: value for key, value in RIGHT.items() if key not in {"findings", "unguarded"}}
    known = files()
    known.contents[STATE_PATH] = json.dumps(older).encode()
    assert ask_watcher(known, nobody).right

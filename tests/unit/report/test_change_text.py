"""natfix/report/change_text.py: what was changed, and what holds, for people."""

from dataclasses import replace

import pytest

from natfix.report.change_text import change_lines, history_lines, status_lines
from natfix.report.changes import Change, ChangeResult, LeftAlone, PastChange, PlaceStatus, Status, Watcher
from natfix.report.lines import plain
from tests.unit.report.results import CLUSTER, findings

KERNEL = Change("iptables-nft", ("--- a", "-old", "+new"), "*nat\n")
FILE = Change("/etc/iptables/rules.v4", ("--- b",))
DONE = ChangeResult("apply", done=True, changes=(KERNEL, FILE), id="20261123T000000Z-1", clusters=(CLUSTER,))
PAST = PastChange("20261123T000000Z-1", "2026-11-23T00:00:00Z", "0.1", "apply", "done", ("iptables-nft", "/etc/x"))


def text(result: ChangeResult) -> str:
    return plain(change_lines(result))


def test_a_change_that_was_made_shows_its_diff_and_how_to_undo_it() -> None:
    assert text(DONE) == (
        "cluster 172.7.0.0/16 (from --cluster-cidr)\n"
        "--- a\n-old\n+new\n--- b\n\n"
        "corrected: iptables-nft, /etc/iptables/rules.v4\n"
        "undo with: natfix undo 20261123T000000Z-1\n"
    )


def test_dropped_connections_and_the_time_to_confirm_are_told() -> None:
    told = text(replace(DONE, connections=2, confirm_within=60.0, notes=("look twice",)))
    assert "\nnote: look twice\ncorrected: " in told
    assert "\ndropped 2 tracked connections that still carried the old rewrite\n" in told
    assert told.endswith("\nundone in 60 s unless a new login says: natfix confirm\n")


@pytest.mark.parametrize(("verb", "word"), [("persist", "saved"), ("undo", "undone")])
def test_each_command_has_its_word_and_a_change_without_id_no_undo(verb: str, word: str) -> None:
    assert text(replace(DONE, verb=verb, id="")).endswith(f"\n{word}: iptables-nft, /etc/iptables/rules.v4\n")


def test_a_plan_says_what_would_change() -> None:
    assert text(replace(DONE, done=False)).endswith("\n\nnatfix apply would change iptables-nft, /etc/iptables/rules.v4\n")


def test_nothing_to_do_says_so() -> None:
    assert text(ChangeResult("apply", done=True)) == "nothing to do: no rule that natfix corrects hides a container address\n"
    assert text(ChangeResult("undo", done=False)) == "nothing to do\n"


def test_what_remains_is_shown_as_findings() -> None:
    told = text(ChangeResult("apply", done=True, remaining=(findings()["NAT005 6"],)))
    assert "\n\nNAT005 medium (possible) wrong-exclusion: nat POSTROUTING, rule 6\n" in told


def test_the_history_has_a_line_for_each_change() -> None:
    lines = list(history_lines([PAST, replace(PAST, state="waiting")]))
    assert lines[0].text == "20261123T000000Z-1  2026-11-23T00:00:00Z  apply    done         iptables-nft, /etc/x"
    assert [line.style for line in lines] == ["", "warn"]


def test_a_history_without_changes_says_so() -> None:
    assert plain(history_lines([])) == "natfix has changed nothing on this host\n"


def test_the_status_says_of_each_place_what_is_wrong_and_where_to_look() -> None:
    places = (
        PlaceStatus("iptables-nft", 0, right=True),
        PlaceStatus("iptables-legacy", 2, right=False),
        PlaceStatus("/etc/x", None, right=False),
        PlaceStatus("nft table ip natfix", None, right=False, condition="gone"),
    )
    assert plain(status_lines(Status(places, (CLUSTER,), PAST, notes=("look twice",)))) == (
        "cluster 172.7.0.0/16 (from --cluster-cidr)\n"
        "iptables-nft: right\n"
        "iptables-legacy: 2 findings; see: natfix check\n"
        "/etc/x: lacks a correction; see: natfix diff\n"
        "nft table ip natfix: gone\n"
        "note: look twice\n"
        "last change: 20261123T000000Z-1 apply by natfix 0.1, done\n"
    )


def test_what_is_left_alone_is_told_with_the_way_out() -> None:
    left = (LeftAlone("iptables-nft", "-A POSTROUTING -j MASQUERADE", "1", PAST.at), LeftAlone("/etc/x", "", "1", PAST.at))
    assert plain(status_lines(Status((), left=left))) == (
        "no nat rules and no saved ruleset: nothing on this host rewrites addresses with iptables\n"
        f"left alone since {PAST.at}, when 1 was undone: iptables-nft: -A POSTROUTING -j MASQUERADE\n"
        f"left alone since {PAST.at}, when 1 was undone: /etc/x\n"
        "neither natfix watch nor natfix restore corrects that again; you can, with: natfix apply\n"
    )


def test_beside_what_is_left_alone_nothing_claims_that_all_is_right() -> None:
    result = ChangeResult("apply", done=False, notes=("left alone",), left=True)
    assert plain(change_lines(result)) == "note: left alone\nnothing to do\n"


def test_what_waits_says_for_what() -> None:
    waiting = (replace(PAST, state="waiting"), replace(PAST, id="2", state="started"))
    assert plain(status_lines(Status((), waiting=waiting))) == (
        "no nat rules and no saved ruleset: nothing on this host rewrites addresses with iptables\n"
        "20261123T000000Z-1 waits for: natfix confirm\n"
        "2 was not finished; take it back with: natfix undo 2\n"
    )


def test_the_status_shows_the_watcher_and_what_hinders_it() -> None:
    watcher = Watcher(
        42,
        alive=True,
        since="2026-11-23T00:00:00Z",
        corrections=3,
        last="2026-11-23T00:01:00Z a rule",
        fights={"a rule": "bash fight.sh"},
        refused="x",
        unsaved="y",
        unrecorded="z",
        unguarded="no bridge",
    )
    assert plain(status_lines(Status((), watcher=watcher))).splitlines()[1:] == [
        "watched by pid 42 since 2026-11-23T00:00:00Z, 3 corrections",
        "last correction: 2026-11-23T00:01:00Z a rule",
        "bash fight.sh keeps putting this rule back: a rule",
        "the watcher cannot do its work: x",
        "the guard is not on: no bridge",
        "corrected, but natfix undo does not know of it yet: z",
        "not saved for the next boot: y",
    ]


def test_the_status_of_a_quiet_watcher_is_one_line_and_a_writer_nobody_saw_is_somebody() -> None:
    watcher = Watcher(42, alive=True, since="2026-11-23T00:00:00Z", corrections=1, fights={"a rule": ""})
    assert plain(status_lines(Status((), watcher=watcher))).splitlines()[1:] == [
        "watched by pid 42 since 2026-11-23T00:00:00Z, 1 correction",
        "somebody keeps putting this rule back: a rule",
    ]


def test_a_watcher_that_ended_without_a_word_is_told() -> None:
    assert "pid 42" in plain(status_lines(Status((), watcher=Watcher(42, alive=False, since="2026-11-23T00:00:00Z"))))
    assert "has ended without a word" in plain(
        status_lines(Status((), watcher=Watcher(42, alive=False, since="2026-11-23T00:00:00Z")))
    )

"""Installing and uninstalling units, on the twin of systemd."""

import json
from pathlib import Path

import jsonschema
import pytest

from natfix.app.install import install, uninstall
from natfix.app.unit_files import Mode, UnitSet, units_of
from natfix.errors import HostError
from natfix.host.memory.units import MemoryUnits
from natfix.report.change_document import change_document

SCHEMA = json.loads((Path(__file__).parents[3] / "docs/schemas/change-1.json").read_text(encoding="utf-8"))
TEXTS = {
    name: f"[Unit]\nDescription={name}\n".encode()
    for name in (
        "docker.service.d/natfix.conf",
        "natfix-notice.path",
        "natfix-notice.service",
        "natfix-reapply.path",
        "natfix-reapply.service",
        "natfix-follow.service",
        "natfix-reload.service",
        "natfix-restore.service",
        "natfix-settle.service",
        "natfix-watch.service",
    )
}
WATCH, PATH, DROP_IN = (units_of([mode]) for mode in (Mode.WATCH, Mode.PATH, Mode.DROP_IN))
FOLLOW, RESTORE, DAEMON, CONF = (
    "natfix-follow.service",
    "natfix-restore.service",
    "natfix-watch.service",
    "docker.service.d/natfix.conf",
)


def test_a_dry_run_shows_every_file_and_changes_nothing() -> None:
    units = MemoryUnits()
    result = install(units, WATCH, TEXTS, dry_run=True)
    assert [change.place for change in result.changes] == [units.path(FOLLOW), units.path(RESTORE), units.path(DAEMON)]
    assert "+Description=natfix-watch.service" in result.changes[2].diff
    assert (result.done, units.files, units.calls, units.recall()) == (False, {}, [], None)


def test_an_install_puts_the_files_in_place_and_starts_them() -> None:
    units = MemoryUnits()
    assert install(units, WATCH, TEXTS).done
    assert units.files == {name: TEXTS[name] for name in WATCH.files}
    assert units.loaded == units.files
    assert units.enabled == {FOLLOW, RESTORE, DAEMON}


def test_a_second_install_changes_no_file_and_starts_anew_what_runs() -> None:
    units = MemoryUnits()
    install(units, WATCH, TEXTS)
    remembered, units.calls = units.recall(), []
    result = install(units, WATCH, TEXTS)
    assert (result.done, result.changes, units.recall()) == (True, (), remembered)
    assert units.calls == ["reload", f"enable {RESTORE}", f"enable {FOLLOW}", f"enable {DAEMON}"]


def test_another_mode_takes_the_place_of_the_first() -> None:
    units = MemoryUnits()
    install(units, WATCH, TEXTS)
    install(units, PATH, TEXTS)
    assert set(units.files) == set(PATH.files)
    assert units.enabled == set(PATH.enabled)
    assert units.state(DAEMON) == "inactive"


def test_an_uninstall_leaves_nothing() -> None:
    units = MemoryUnits()
    install(units, WATCH, TEXTS)
    result = uninstall(units)
    assert [change.place for change in result.changes] == [units.path(FOLLOW), units.path(RESTORE), units.path(DAEMON)]
    assert (units.files, units.loaded, units.enabled, units.recall()) == ({}, {}, set(), None)


def test_an_uninstall_gives_back_what_the_user_had_before() -> None:
    units = MemoryUnits({CONF: b"[Service]\nEnvironment=MINE=1\n"})
    install(units, DROP_IN, TEXTS)
    install(units, DROP_IN, {**TEXTS, CONF: b"of a newer natfix\n"})
    assert units.files[CONF] == b"of a newer natfix\n"
    uninstall(units)
    assert units.files == {CONF: b"[Service]\nEnvironment=MINE=1\n"}


def test_an_uninstall_keeps_what_the_user_changed_since_and_says_so() -> None:
    units = MemoryUnits()
    install(units, WATCH, TEXTS)
    units.files[DAEMON] += b"# mine\n"
    result = uninstall(units)
    assert units.files == {DAEMON: TEXTS[DAEMON] + b"# mine\n"}
    assert result.notes == (f"{units.path(DAEMON)} was changed since natfix put it there: it stays as it is",)
    assert units.enabled == set()


def test_an_install_keeps_what_the_user_changed_since_and_says_so() -> None:
    units = MemoryUnits()
    install(units, WATCH, TEXTS)
    units.files[DAEMON] += b"# mine\n"
    for _ in range(2):
        result = install(units, WATCH, {**TEXTS, DAEMON: b"of a newer natfix\n"})
        assert units.files[DAEMON] == TEXTS[DAEMON] + b"# mine\n"
        assert result.notes
    assert uninstall(units).notes


def test_a_file_that_the_user_removed_is_put_back_by_install_and_missed_by_no_uninstall() -> None:
    units = MemoryUnits()
    install(units, WATCH, TEXTS)
    del units.files[DAEMON]
    install(units, WATCH, TEXTS)
    assert DAEMON in units.files
    del units.files[DAEMON]
    uninstall(units)
    assert units.files == {}


def test_files_of_natfix_without_its_memory_are_not_taken_for_the_users() -> None:
    units = MemoryUnits({name: TEXTS[name] for name in WATCH.files})
    install(units, WATCH, TEXTS)
    uninstall(units)
    assert units.files == {}


@pytest.mark.parametrize(("wanted", "told"), [(PATH, [True]), (DROP_IN, [True]), (WATCH, []), (WATCH | PATH, [])])
def test_where_firewalld_runs_an_install_without_the_watcher_says_what_it_does_not_hear(
    wanted: UnitSet, told: list[bool]
) -> None:
    units = MemoryUnits()
    units.states["firewalld.service"] = "active"
    notes = install(units, wanted, TEXTS, dry_run=True).notes
    assert ["firewall-cmd --reload" in note for note in notes] == told


def test_of_firewalld_nothing_is_said_where_it_does_not_run_or_does_no_harm() -> None:
    units = MemoryUnits()
    assert install(units, PATH, TEXTS).notes == ()
    units.states["firewalld.service"] = "active"
    assert install(units, PATH, TEXTS, guard=True).notes == ()
    units.asked = False
    assert install(units, PATH, TEXTS).notes == ()


def test_an_uninstall_of_nothing_does_nothing() -> None:
    units = MemoryUnits()
    result = uninstall(units)
    assert (result.done, result.changes, units.calls) == (False, (), [])


def test_an_uninstall_can_be_previewed() -> None:
    units = MemoryUnits()
    install(units, WATCH, TEXTS)
    units.calls = []
    result = uninstall(units, dry_run=True)
    assert (result.done, len(result.changes), units.calls) == (False, 3, [])


@pytest.mark.parametrize("refused", [RESTORE, DAEMON])
def test_a_refusal_half_way_leaves_everything_as_it_was(refused: str) -> None:
    units = MemoryUnits()
    units.refusals[refused] = HostError("no space left on device")
    with pytest.raises(HostError, match="no space left"):
        install(units, WATCH, TEXTS)
    assert units.enabled == set()
    assert set(units.files) <= {FOLLOW, RESTORE} - {refused}


def test_a_daemon_that_does_not_stay_is_a_failure_and_everything_is_as_it_was() -> None:
    units = MemoryUnits(states={DAEMON: "activating"})
    with pytest.raises(HostError, match=r"natfix-watch.service is activating") as caught:
        install(units, WATCH, TEXTS)
    assert caught.value.hint == "See why: journalctl -u natfix-watch.service"
    assert (units.files, units.loaded, units.enabled, units.recall()) == ({}, {}, set(), None)


def test_a_service_that_is_done_has_not_failed() -> None:
    install(MemoryUnits(states={RESTORE: "inactive"}), DROP_IN, TEXTS)
    with pytest.raises(HostError, match=r"natfix-restore.service is failed"):
        install(MemoryUnits(states={RESTORE: "failed"}), DROP_IN, TEXTS)


def test_a_failed_change_of_mode_keeps_the_old_one_running() -> None:
    units = MemoryUnits(states={"natfix-reapply.path": "failed"})
    install(units, WATCH, TEXTS)
    remembered = units.recall()
    with pytest.raises(HostError, match=r"natfix-reapply.path is failed"):
        install(units, PATH, TEXTS)
    assert set(units.files) == set(WATCH.files)
    assert units.enabled == set(WATCH.enabled)
    assert units.state(DAEMON) == "active"
    assert units.recall() == remembered


def test_a_system_that_does_not_run_is_not_asked_how_it_is() -> None:
    units = MemoryUnits(states={DAEMON: "inactive"})
    units.asked = False
    assert install(units, WATCH, TEXTS).done


def test_that_the_guard_was_turned_on_is_remembered_until_the_uninstall() -> None:
    units = MemoryUnits()
    install(units, WATCH, TEXTS, guard=True)
    install(units, PATH, TEXTS)
    assert b'"guard": true' in (units.recall() or b"")


@pytest.mark.parametrize("damaged", [b"", b"[]", b"[" * 100_000, b'{"format": 1}', b'{"format": 2, "version": "9"}'])
def test_a_damaged_memory_is_an_error_that_says_what_to_do(damaged: bytes) -> None:
    units = MemoryUnits()
    units.remember(damaged)
    with pytest.raises(HostError) as caught:
        uninstall(units)
    assert caught.value.hint


def test_what_is_told_as_json_follows_its_schema() -> None:
    units = MemoryUnits()
    for result in (install(units, WATCH, TEXTS), uninstall(units)):
        jsonschema.Draft202012Validator(SCHEMA).validate(change_document(result))

from datetime import UTC, datetime, timedelta, timezone

import pytest

from natfix import __version__
from natfix.app.change_ports import Record
from natfix.app.ports import Backend
from natfix.app.record import UNDOABLE, FileChange, Journey, TableChange, find, journeys, new_id
from natfix.errors import HostError, UsageError
from natfix.host.memory.files import MemoryHistory
from natfix.plan import Edit, Plan
from natfix.ruleset import Family, Rule

PLAN = Plan(
    (Edit(Rule("POSTROUTING", "-s 172.7.21.0/24 -j MASQUERADE", number=3), Rule("POSTROUTING", "-j NATFIX-1")),),
    {"NATFIX-1": ("-d 172.7.0.0/16 -j RETURN", "-j MASQUERADE")},
    {"NATFIX-1": ("-j MASQUERADE",)},
)
CHANGE = Journey(
    id="20261122T233000Z-1",
    verb="apply",
    at=datetime(2026, 11, 23, 1, 30, tzinfo=timezone(timedelta(hours=2))),
    tables=(TableChange(Backend(Family.IPV6, "legacy"), PLAN), TableChange(Backend(Family.IPV6, "legacy"), PLAN)),
    files=(
        FileChange("/etc/iptables/rules.v6", Family.IPV6, b"\xff\x00", b"after\r\n"),
        FileChange("/etc/sysconfig/ip6tables", Family.IPV6, None, b""),
    ),
    session="login 1",
)


def test_a_change_comes_back_as_it_was_written_down() -> None:
    history = MemoryHistory()
    history.save(CHANGE.record())
    (read,) = journeys(history)
    assert read == CHANGE


def test_people_are_told_the_time_in_utc_and_each_place_once() -> None:
    past = CHANGE.past()
    assert (past.at, past.version, past.state) == ("2026-11-22T23:30:00Z", __version__, "started")
    assert past.places == ("ip6tables-legacy", "/etc/iptables/rules.v6", "/etc/sysconfig/ip6tables")


@pytest.mark.parametrize("missing", ["verb", "at", "state", "version", "session", "tables", "files"])
def test_a_record_of_something_else_is_refused_by_name(missing: str) -> None:
    data = {key: value for key, value in CHANGE.record().data.items() if key != missing}
    with pytest.raises(HostError, match=rf"the record {CHANGE.id} of the history cannot be read: KeyError\('{missing}'\)"):
        Journey.read(Record(CHANGE.id, data))


@pytest.mark.parametrize("wrong", [{"at": "yesterday"}, {"files": [3]}, {"tables": [{"family": 5, "variant": "nft"}]}])
def test_a_damaged_record_is_refused_by_name(wrong: dict[str, object]) -> None:
    with pytest.raises(HostError, match=CHANGE.id):
        Journey.read(Record(CHANGE.id, {**CHANGE.record().data, **wrong}))


def test_a_new_name_tells_the_time_and_is_not_taken() -> None:
    history = MemoryHistory()
    now = CHANGE.at
    assert new_id(history, now) == "20261122T233000Z-1"
    history.save(CHANGE.record())
    assert new_id(history, now) == "20261122T233000Z-2"
    assert new_id(history, now.astimezone(UTC) + timedelta(seconds=1)) == "20261122T233001Z-1"


def test_the_newest_in_a_wanted_state_is_found_or_the_one_that_is_named() -> None:
    undone, done = CHANGE.in_state("undone"), Journey("2", "apply", CHANGE.at, "done")
    assert find([undone, done, undone], None, UNDOABLE) == done
    assert find([undone], None, UNDOABLE) is None
    assert find([undone, done], "2", UNDOABLE) == done
    with pytest.raises(UsageError, match="is undone"):
        find([undone, done], undone.id, UNDOABLE)
    with pytest.raises(UsageError, match="there is no change 3"):
        find([undone, done], "3", UNDOABLE)

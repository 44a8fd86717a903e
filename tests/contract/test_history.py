import os
import time
from pathlib import Path

import pytest

from natfix.app.change_ports import History, Record
from natfix.errors import HostError
from natfix.host.files import HostFiles
from natfix.host.history import HostHistory
from natfix.host.memory.files import MemoryHistory

FIRST = Record("20261122T233000Z-1", {"state": "applied", "rules": ["-A POSTROUTING -j MASQUERADE"], "files": {}})
SECOND = Record("20261122T233000Z-2", {"state": "pending"})


@pytest.fixture(params=["memory", "host"])
def history(request: pytest.FixtureRequest, tmp_path: Path) -> History:
    return MemoryHistory() if request.param == "memory" else HostHistory(HostFiles(), str(tmp_path / "natfix/history"))


def test_a_host_without_changes_has_no_records(history: History) -> None:
    assert list(history.records()) == []


def test_records_come_back_sorted_by_id(history: History) -> None:
    history.save(SECOND)
    history.save(FIRST)
    assert list(history.records()) == [FIRST, SECOND]


def test_a_record_saved_again_is_replaced(history: History) -> None:
    history.save(SECOND)
    history.save(Record(SECOND.id, {"state": "confirmed"}))
    assert list(history.records()) == [Record(SECOND.id, {"state": "confirmed"})]


def test_a_record_that_is_given_up_is_gone_and_the_others_stay(history: History) -> None:
    history.save(FIRST)
    history.save(SECOND)
    history.remove(FIRST.id)
    history.remove(FIRST.id)
    assert list(history.records()) == [SECOND]


def test_the_stamp_is_another_one_after_each_change_and_the_same_after_a_look(history: History) -> None:
    stamps = [settled_stamp(history)]
    for number in range(3):
        if number < 2:
            history.save(FIRST)
        else:
            history.remove(FIRST.id)
        history.records()
        stamps.append(settled_stamp(history))
    assert len(set(stamps)) == len(stamps)
    assert settled_stamp(history) == stamps[-1]


def settled_stamp(history: History) -> object:
    """Wait until the history is sure of its stamp."""
    end = time.monotonic() + 30
    while (stamp := history.stamp()) is None:
        assert time.monotonic() < end
        time.sleep(0.01)
    return stamp


def test_right_after_a_change_the_stamp_is_unsure_since_another_one_could_have_the_same_time(tmp_path: Path) -> None:
    history = HostHistory(HostFiles(), str(tmp_path))
    history.save(FIRST)
    os.utime(tmp_path, (time.time(), time.time() + 3600))
    assert history.stamp() is None


def test_what_is_no_utf8_in_a_rule_comes_back(history: History) -> None:
    strange = b'--comment "caf\xe9 \xe2\x82\xac"'.decode("utf-8", "surrogateescape")
    history.save(Record("1", {"rule": strange}))
    assert history.records()[0].data["rule"].encode("utf-8", "surrogateescape") == b'--comment "caf\xe9 \xe2\x82\xac"'


@pytest.mark.parametrize("id_", ["", "../../etc/passwd", ".hidden", "a/b", "a b", "a\n"])
def test_an_id_that_is_no_file_name_is_refused(history: History, id_: str) -> None:
    with pytest.raises(HostError, match="is no id of a change"):
        history.save(Record(id_))
    with pytest.raises(HostError, match="is no id of a change"):
        history.remove(id_)


def test_the_folder_and_the_records_are_their_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        HostHistory(HostFiles(), str(tmp_path / "natfix/history")).save(FIRST)
    finally:
        os.umask(before)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("natfix", "natfix/history")] == [0o700, 0o700]
    assert (tmp_path / f"natfix/history/{FIRST.id}.json").stat().st_mode & 0o777 == 0o600


def test_a_stored_record_is_the_same_bytes_each_time_and_tells_its_version(tmp_path: Path) -> None:
    HostHistory(HostFiles(), str(tmp_path)).save(Record("1", {"b": 1, "a": None}))
    stored = (tmp_path / "1.json").read_bytes()
    assert stored == b'{\n  "data": {\n    "a": null,\n    "b": 1\n  },\n  "id": "1",\n  "version": 1\n}\n'


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"[" * 100_000,
        b"7",
        b'{"version": 1}',
        b'{"version": 1, "id": "2", "data": {}}',
        b'{"version": 1, "id": "1", "data": []}',
    ],
)
def test_a_damaged_record_is_named_with_what_to_do(tmp_path: Path, damaged: bytes) -> None:
    (tmp_path / "1.json").write_bytes(damaged)
    with pytest.raises(HostError, match=rf"{tmp_path}/1\.json: it holds .*\n  Move the file away"):
        HostHistory(HostFiles(), str(tmp_path)).records()


def test_a_record_of_a_later_natfix_is_not_guessed_at(tmp_path: Path) -> None:
    (tmp_path / "1.json").write_bytes(b'{"version": 2, "id": "1", "data": {}}')
    with pytest.raises(HostError, match=r"1\.json: the record has version 2, and this natfix knows version 1"):
        HostHistory(HostFiles(), str(tmp_path)).records()


def test_other_files_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    history = HostHistory(HostFiles(), str(tmp_path))
    history.save(FIRST)
    (tmp_path / "notes.txt").write_bytes(b"mine")
    (tmp_path / ".1.json.natfix-01234567").write_bytes(b"half")
    (tmp_path / ".hidden.json").write_bytes(b"half")
    assert list(history.records()) == [FIRST]


def test_a_file_where_the_folder_should_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "history").write_bytes(b"")
    history = HostHistory(HostFiles(), str(tmp_path / "history"))
    with pytest.raises(HostError, match=f"cannot read {tmp_path}/history"):
        history.records()
    with pytest.raises(HostError, match=f"{tmp_path}/history"):
        history.save(FIRST)
    below = HostHistory(HostFiles(), str(tmp_path / "history" / "below"))
    with pytest.raises(HostError, match=f"cannot read {tmp_path}/history/below"):
        below.stamp()


def test_what_a_killed_natfix_left_of_a_record_goes_with_the_next_record(tmp_path: Path) -> None:
    history = HostHistory(HostFiles(), str(tmp_path))
    for name in (".0.json.natfix-01234567", ".1.json.natfix-89abcdef", ".note.natfix-mine"):
        (tmp_path / name).write_bytes(b"half")
    history.save(Record("2", {}))
    assert {one.name for one in tmp_path.iterdir()} == {"2.json", ".note.natfix-mine"}

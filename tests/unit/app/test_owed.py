"""natfix/app/owed.py: what a full disk refuses is written when it can be, and nobody's newer word is overwritten."""

import pytest

from natfix.app.change_ports import Record
from natfix.app.owed import OwedHistory
from natfix.errors import BusyError, HostError
from natfix.host.memory.clock import MemoryTurnstile
from natfix.host.memory.files import MemoryHistory

ID = "20260101T000000Z-1"
FULL = HostError("no space left on device")


class Disk(MemoryHistory):
    """A history on a disk that can be full."""

    full = False

    def save(self, record: Record) -> None:
        if self.full:
            raise FULL
        super().save(record)


def record(state: str, *, at: str = "now", left: tuple[str, ...] = (), id_: str = ID) -> Record:
    return Record(id_, {"at": at, "state": state, "left": list(left)})


def refused(history: OwedHistory) -> bool:
    return history.refusal is not None


@pytest.fixture
def disk() -> Disk:
    return Disk()


def test_a_disk_that_takes_it_has_it_at_once(disk: Disk) -> None:
    owed = OwedHistory(disk)
    owed.save(record("done"))
    assert (list(disk.records()), owed.refusal) == ([record("done")], None)


def test_what_is_owed_is_shown_and_written_when_it_can_be(disk: Disk) -> None:
    owed = OwedHistory(disk)
    disk.full = True
    owed.save(record("started"))
    owed.save(record("done"))
    assert (list(owed.records()), list(disk.records()), owed.refusal) == ([record("done")], [], FULL)
    with pytest.raises(HostError, match="no space"):
        owed.settle(MemoryTurnstile())
    assert owed.refusal is FULL
    disk.full = False
    owed.settle(MemoryTurnstile())
    assert list(disk.records()) == [record("done")]
    assert not refused(owed)


def test_a_record_that_was_begun_on_the_disk_is_finished_there(disk: Disk) -> None:
    owed = OwedHistory(disk)
    owed.save(record("started"))
    disk.full = True
    owed.save(record("done"))
    disk.full = False
    assert list(owed.records()) == [record("done")]
    owed.settle(MemoryTurnstile())
    assert list(disk.records()) == [record("done")]


@pytest.mark.parametrize("theirs", [record("undone"), record("started", left=("iptables-nft",))])
def test_what_others_did_with_it_meanwhile_stands(disk: Disk, theirs: Record) -> None:
    owed = OwedHistory(disk)
    owed.save(record("started"))
    disk.full = True
    owed.save(record("done"))
    disk.full = False
    disk.save(theirs)
    assert list(owed.records()) == [theirs]
    owed.settle(MemoryTurnstile())
    assert list(disk.records()) == [theirs]


def test_beside_another_change_of_the_same_name_it_gets_a_new_one(disk: Disk) -> None:
    owed = OwedHistory(disk)
    disk.full = True
    owed.save(record("done"))
    disk.full = False
    theirs = record("done", at="a moment later")
    disk.save(theirs)
    owed.settle(MemoryTurnstile())
    assert list(disk.records()) == [theirs, record("done", id_="20260101T000000Z-2")]


def test_another_natfix_at_work_is_not_disturbed(disk: Disk) -> None:
    owed = OwedHistory(disk)
    owed.settle(MemoryTurnstile("process 4711"))
    disk.full = True
    owed.save(record("done"))
    with pytest.raises(BusyError):
        owed.settle(MemoryTurnstile("process 4711"))


def test_what_is_given_up_is_owed_no_more(disk: Disk) -> None:
    owed = OwedHistory(disk)
    disk.full = True
    owed.save(record("done"))
    owed.remove(ID)
    disk.full = False
    owed.settle(MemoryTurnstile())
    assert (list(disk.records()), list(owed.records())) == ([], [])


def test_its_stamp_is_that_of_the_disk(disk: Disk) -> None:
    owed = OwedHistory(disk)
    before = owed.stamp()
    disk.save(record("done"))
    assert owed.stamp() == disk.stamp() != before

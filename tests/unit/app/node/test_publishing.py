"""natfix/app/node/publishing.py: soon, not after each change, and told once when it cannot be."""

from natfix.app.metrics import ERRORS
from natfix.app.node.publishing import Publishing
from natfix.app.node.voice import Voice
from natfix.errors import HostError
from natfix.host.memory.metrics import MemoryMeter
from natfix.host.memory.watch import MemoryChronicle, MemoryNotifier


class FullDisk(MemoryMeter):
    """A meter that cannot be published while the disk is full."""

    full = True

    def publish(self) -> None:
        super().publish()
        if self.full:
            raise HostError("the metrics cannot be written to /x.prom: No space left on device")


def test_what_changes_often_is_published_after_a_pause() -> None:
    meter = MemoryMeter()
    publishing = Publishing(Voice(MemoryChronicle(), MemoryNotifier(), meter))
    publishing.measured(100.0)
    assert (meter.published, publishing.sleep(100.0)) == (1, 3600.0)
    publishing.measured(101.0)
    publishing.measured(102.0)
    assert (meter.published, publishing.sleep(102.0)) == (1, 3.0)
    publishing.measured(105.0)
    assert (meter.published, publishing.sleep(105.0)) == (2, 3600.0)


def test_a_full_disk_is_told_once_each_time_it_is_full() -> None:
    meter, chronicle = FullDisk(), MemoryChronicle()
    publishing = Publishing(Voice(chronicle, MemoryNotifier(), meter))
    for now in (10, 20, 30):
        publishing.measured(now)
    meter.full = False
    publishing.measured(40)
    meter.full = True
    publishing.measured(50)
    assert len(chronicle.told("node-remark")) == 2
    assert meter.value(ERRORS, "HostError") == 2

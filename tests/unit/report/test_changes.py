"""natfix/report/changes.py: when all is as it should be."""

from natfix.report.changes import PastChange, PlaceStatus, Status

RIGHT = PlaceStatus("iptables-nft", 0, right=True)
WRONG = PlaceStatus("/etc/sysconfig/iptables", None, right=False)
WAITING = PastChange("1", "2026-11-23T00:00:00Z", "0.1", "apply", "waiting", ("iptables-nft",))


def test_a_host_is_right_when_every_place_is_and_nothing_waits() -> None:
    assert Status(()).right
    assert Status((RIGHT, RIGHT), last=WAITING).right
    assert not Status((RIGHT, WRONG)).right
    assert not Status((RIGHT,), waiting=(WAITING,)).right

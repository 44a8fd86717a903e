"""What the agent tells the monitoring, whatever happens to store, kernel and lease."""

from natfix.app.metrics import ERRORS
from natfix.app.node import metrics
from natfix.app.node.tenancy import LEASE_SECONDS
from natfix.host.memory.leases import MemoryLeaseStore
from natfix.routing.state import Operation
from tests.unit.app.node.stage import HOST_GW, OWN, VXLAN, Stage, direct_route, play, vxlan


def entries(stage: Stage) -> list[float | None]:
    """Wanted, present, refused, obstructed."""
    which = (metrics.WANTED, metrics.PRESENT, metrics.REFUSED, metrics.OBSTRUCTED)
    return [stage.meter.value(one) for one in which]


def test_the_lease_is_told_with_how_peers_reach_this_host_and_until_when_it_holds() -> None:
    stage = Stage()
    play(stage)
    assert stage.meter.values(metrics.LEASE) == {(str(OWN), "10.4.7.21", "host-gw", "eth0"): 1}
    (lease,) = stage.store.snapshot(expiry=True).leases
    assert stage.meter.value(metrics.LEASE_EXPIRY) == lease.expires
    assert [stage.meter.value(one) for one in (metrics.READY, metrics.RENEWED, metrics.CONFIG_CHANGED)] == [1, 1, 0]


def test_a_renewed_lease_ends_later() -> None:
    stage = Stage()
    player = play(stage)
    first = stage.meter.value(metrics.LEASE_EXPIRY)
    assert first is not None
    player.play(LEASE_SECONDS - 3000)
    assert (stage.meter.value(metrics.LEASE_EXPIRY) or 0) > first
    assert stage.meter.value(metrics.RENEWALS, "renewed") == 1


def test_a_lease_that_cannot_be_renewed_is_told() -> None:
    stage = Stage()
    player = play(stage)
    stage.store.go_away("no answer")
    player.play(LEASE_SECONDS - 3000)
    assert [stage.meter.value(one) for one in (metrics.RENEWED, metrics.STORE_UP, metrics.STORE_OUTAGES)] == [0, 0, 1]
    assert (stage.meter.value(ERRORS, "HostError") or 0) >= 2


def test_every_entry_is_wanted_and_present() -> None:
    stage = Stage()
    for number in (22, 23, 24):
        stage.join(number)
    player = play(stage)
    assert entries(stage) == [3, 3, 0, 0]
    stage.join(25)
    player.play()
    assert entries(stage) == [4, 4, 0, 0]
    assert stage.meter.stamped[metrics.LAST_LOOK] >= 1


def test_a_peer_of_a_tunnel_wants_more_than_a_route() -> None:
    stage = Stage(store=MemoryLeaseStore(VXLAN))
    stage.join(22, vxlan(22))
    play(stage)
    wanted, present, *others = entries(stage)
    assert wanted == present
    assert (wanted or 0) > 3
    assert others == [0, 0]


def test_what_the_kernel_refuses_is_not_present() -> None:
    stage = Stage()
    stage.plane.refuse = lambda one: 101 if one.put and one.entry == direct_route(22) else 0
    player = play(stage)
    stage.join(22)
    stage.join(23)
    player.play(10)
    assert entries(stage) == [2, 1, 1, 0]
    stage.plane.refuse = lambda _: 0
    player.play(60)
    assert entries(stage) == [2, 2, 0, 0]


def test_a_repair_is_counted_and_timed() -> None:
    stage = Stage()
    stage.join(22)
    player = play(stage)
    stage.plane.somebody_does(Operation(put=False, entry=direct_route(22)))
    player.play(2)
    assert stage.meter.value(metrics.REPAIRS) == 1
    assert [labels for labels, _ in stage.meter.durations[metrics.REPAIR_SECONDS]] == [()]
    assert stage.meter.value(metrics.FIGHTING) == 0


def test_a_network_that_is_configured_anew_is_told_until_it_is_as_it_was() -> None:
    stage = Stage()
    player = play(stage)
    stage.store.configure(VXLAN, expected=HOST_GW)
    stage.store.break_watches()
    player.play(1)
    assert stage.meter.value(metrics.CONFIG_CHANGED) == 1
    stage.store.configure(HOST_GW, expected=VXLAN)
    stage.store.break_watches()
    player.play(1)
    assert stage.meter.value(metrics.CONFIG_CHANGED) == 0

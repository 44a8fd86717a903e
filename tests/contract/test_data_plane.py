"""The data plane: once on its twin, once on the kernel, in a namespace with one device to the world.

Somebody else is another object with a socket of its own, so that the kernel cannot tell it from another program.
"""

import errno
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_interface, ip_network
from queue import Queue

import pytest

from natfix.app.node.ports import DataPlane, DataPlaneWatch, Disturbance, Failure
from natfix.host.dataplane.plane import HostDataPlane
from natfix.host.memory.data_plane import MemoryDataPlane
from natfix.routing.links import Link, Links, Way
from natfix.routing.state import Entry, FdbEntry, LinkAddress, Neighbour, NetState, Operation, Route, VxlanDevice
from tests.netns import command

HOST = Links(
    (
        Link("lo", 65536, (ip_interface("127.0.0.1/8"),)),
        Link("eth0", 1500, (ip_interface("10.4.7.21/24"), ip_interface("fd00:4::21/64")), kind="veth"),
        Link("wire", 1500, kind="veth"),
    ),
    (
        Way(ip_network("0.0.0.0/0"), ip_address("10.4.7.254"), "eth0"),
        Way(ip_network("10.4.7.0/24"), None, "eth0"),
        Way(ip_network("172.9.0.0/16"), ip_address("10.4.7.9"), "eth0", 50),
        Way(ip_network("fd00:4::/64"), None, "eth0", 256),
    ),
)
BATCH = """
link add eth0 type veth peer name wire
link set eth0 addrgenmode none
link set wire addrgenmode none
address add 10.4.7.21/24 dev eth0
address add fd00:4::21/64 dev eth0 nodad
link set wire up
link set eth0 up
route add default via 10.4.7.254
route add 172.9.0.0/16 via 10.4.7.9 metric 50
"""
NETWORKS = (ip_network("172.7.0.0/16"), ip_network("fd00:7::/48"))
DEVICES = ("flannel.1", "flannel-v6.1")

DEVICE = VxlanDevice("flannel.1", 1, "eth0", ip_address("10.4.7.21"), 8472, 1450, "02:00:00:00:04:21")
DEVICE6 = VxlanDevice("flannel-v6.1", 1, "eth0", ip_address("fd00:4::21"), 8473, 1430, "02:00:00:00:06:21")
ADDRESS = LinkAddress("flannel.1", ip_interface("172.7.21.0/32"))
ADDRESS6 = LinkAddress("flannel-v6.1", ip_interface("fd00:7:0:21::/128"))
FDB = FdbEntry("flannel.1", "02:00:00:00:04:22", ip_address("10.4.7.22"))
FDB6 = FdbEntry("flannel-v6.1", "02:00:00:00:06:22", ip_address("fd00:4::22"))
NEIGHBOUR = Neighbour("flannel.1", ip_address("172.7.22.0"), "02:00:00:00:04:22")
NEIGHBOUR6 = Neighbour("flannel-v6.1", ip_address("fd00:7:0:22::"), "02:00:00:00:06:22")
THROUGH = Route(ip_network("172.7.22.0/24"), ip_address("172.7.22.0"), "flannel.1", onlink=True)
THROUGH6 = Route(ip_network("fd00:7:0:22::/64"), ip_address("fd00:7:0:22::"), "flannel-v6.1", onlink=True)
DIRECT = Route(ip_network("172.7.23.0/24"), ip_address("10.4.7.23"), "eth0")
DIRECT6 = Route(ip_network("fd00:7:0:23::/64"), ip_address("fd00:4::23"), "eth0")
FOREIGN = replace(DIRECT, gateway=ip_address("10.4.7.99"), protocol=4)
TUNNEL: tuple[Entry, ...] = (DEVICE, ADDRESS, FDB, NEIGHBOUR, THROUGH)
ALL: tuple[Entry, ...] = (*TUNNEL, DEVICE6, ADDRESS6, FDB6, NEIGHBOUR6, THROUGH6, DIRECT, DIRECT6)


def put(*entries: Entry) -> list[Operation]:
    return [Operation(put=True, entry=entry) for entry in entries]


def delete(*entries: Entry) -> list[Operation]:
    return [Operation(put=False, entry=entry) for entry in entries]


@dataclass
class Stage:
    """A data plane, and a way to be somebody else who changes it."""

    plane: DataPlane
    somebody_does: Callable[[Operation], object]

    def do(self, *operations: Operation) -> None:
        assert list(self.plane.carry_out(operations)) == []

    def state(self) -> NetState:
        """What is there, without what the kernel gives every device and every address by itself."""
        state = self.plane.read(NETWORKS, DEVICES)
        return replace(
            state,
            addresses=frozenset(one for one in state.addresses if not one.address.is_link_local),
            routes=frozenset(one for one in state.routes if one.protocol != 2),
        )

    def there(self) -> set[Entry]:
        state = self.state()
        return {*state.devices, *state.addresses, *state.routes, *state.neighbours, *state.fdb}


@pytest.fixture(params=["twin", pytest.param("kernel", marks=pytest.mark.kernel)])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    if request.param == "twin":
        twin = MemoryDataPlane(HOST)
        yield Stage(twin, twin.somebody_does)
        return
    request.getfixturevalue("netns")
    command("ip", "-batch", "-", data=BATCH)
    while command("ip", "-br", "link", "show", "up").count(" UP ") < 2:  # The kernel sees carriers in its own time.
        time.sleep(0.01)
    with closing(HostDataPlane()) as plane, closing(HostDataPlane()) as other:
        yield Stage(plane, lambda operation: _must(other, operation))


def _must(plane: DataPlane, operation: Operation) -> None:
    failures: Sequence[Failure] = plane.carry_out([operation])
    assert list(failures) == []


def test_everything_that_is_put_is_read_back(stage: Stage) -> None:
    stage.do(*put(*ALL))
    assert stage.there() == set(ALL)


def test_what_is_there_may_be_put_again_and_what_is_gone_deleted_again(stage: Stage) -> None:
    for _ in range(2):
        stage.do(*put(*ALL))
    assert stage.there() == set(ALL)
    for _ in range(2):
        stage.do(*delete(*reversed(ALL)))
    assert stage.there() == set()


def test_a_route_needs_no_gateway(stage: Stage) -> None:
    near, near6 = replace(DIRECT, gateway=None), replace(DIRECT6, gateway=None)
    stage.do(*put(near, near6))
    assert stage.there() == {near, near6}
    stage.do(*delete(near, near6))
    assert stage.there() == set()


def test_only_what_is_asked_for_is_read(stage: Stage) -> None:
    stage.do(*put(*ALL))
    four = stage.plane.read(NETWORKS[:1], ["flannel.1", "flannel.9"])
    assert four.routes == {THROUGH, DIRECT}
    assert (*four.devices, *four.fdb, *four.neighbours) == (DEVICE, FDB, NEIGHBOUR)
    assert stage.plane.read([ip_network("172.7.22.0/23")], []) == NetState(routes=frozenset((THROUGH, DIRECT)))
    assert stage.plane.read([ip_network("172.7.23.0/25")], []) == NetState()


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        (replace(DIRECT, link="eth9"), errno.ENODEV),
        (replace(DIRECT, gateway=ip_address("10.5.7.23")), errno.ENETUNREACH),
        (replace(DIRECT6, gateway=ip_address("fd00:5::23")), errno.EHOSTUNREACH),
        (replace(NEIGHBOUR, link="eth9"), errno.ENODEV),
        (replace(FDB, link="eth9"), errno.ENODEV),
        (replace(ADDRESS, link="eth9"), errno.ENODEV),
        (replace(DEVICE, name="flannel.2", device="eth9"), errno.ENODEV),
        (replace(DEVICE, name="flannel.2"), errno.EEXIST),
        (replace(DEVICE, name="eth0"), errno.EEXIST),
        (replace(DEVICE, vni=2), errno.EEXIST),
        (replace(DEVICE, gbp=True), errno.EEXIST),
        (replace(DEVICE, local=ip_address("10.4.7.20")), errno.EEXIST),
    ],
)
def test_what_is_refused_keeps_nothing_else_back(stage: Stage, entry: Entry, code: int) -> None:
    stage.do(*put(DEVICE))
    failures = stage.plane.carry_out(put(FDB, entry, THROUGH))
    assert [(failure.operation.entry, failure.code) for failure in failures] == [(entry, code)]
    assert failures[0].reason
    assert stage.there() == {DEVICE, FDB, THROUGH}


def test_many_are_put_and_exactly_those_that_are_refused_are_told(stage: Stage) -> None:
    bad = {7, 255, 256, 511, 999}
    routes = [
        replace(
            DIRECT,
            destination=ip_network((int(NETWORKS[0].network_address) + 16 * one, 28)),
            gateway=ip_address("10.5.7.9" if one in bad else "10.4.7.9"),
        )
        for one in range(1000)
    ]
    failures = stage.plane.carry_out(put(*routes))
    assert [routes.index(failure.operation.entry) for failure in failures if isinstance(failure.operation.entry, Route)] == [
        *sorted(bad)
    ]
    assert stage.state().routes == {route for place, route in enumerate(routes) if place not in bad}


def test_a_route_takes_the_place_of_the_one_it_names(stage: Stage) -> None:
    stage.do(*put(DIRECT))
    moved = replace(DIRECT, gateway=ip_address("10.4.7.24"))
    stage.do(Operation(put=True, entry=moved, replaces=DIRECT))
    assert stage.there() == {moved}


def test_flannel_s_route_is_taken_over_by_naming_it(stage: Stage) -> None:
    left = replace(DIRECT, protocol=3)
    stage.somebody_does(*put(left))
    stage.do(Operation(put=True, entry=DIRECT, replaces=left))
    assert stage.there() == {DIRECT}


@pytest.mark.parametrize("named", [None, DIRECT])
def test_a_foreign_route_is_never_replaced_even_if_another_was_named(stage: Stage, named: Route | None) -> None:
    stage.somebody_does(*put(FOREIGN))
    (failure,) = stage.plane.carry_out([Operation(put=True, entry=replace(DIRECT, onlink=True), replaces=named)])
    assert failure.code == errno.EEXIST
    assert stage.there() == {FOREIGN}


def test_a_route_that_names_one_that_is_gone_is_put(stage: Stage) -> None:
    stage.do(Operation(put=True, entry=DIRECT, replaces=FOREIGN))
    assert stage.there() == {DIRECT}


def test_many_routes_take_their_places_at_once(stage: Stage) -> None:
    old = [replace(DIRECT, destination=ip_network(f"172.7.{one}.0/24")) for one in range(100)]
    new = [replace(route, gateway=ip_address("10.4.7.24")) for route in old]
    stage.do(*put(*old))
    stage.do(*(Operation(put=True, entry=after, replaces=before) for before, after in zip(old, new, strict=True)))
    assert stage.state().routes == set(new)


@pytest.mark.parametrize("other", [FOREIGN, replace(DIRECT, protocol=4), replace(DIRECT, metric=5), replace(DIRECT6, metric=5)])
def test_a_foreign_route_is_not_deleted_in_place_of_ours(stage: Stage, other: Route) -> None:
    stage.somebody_does(*put(other))
    stage.do(*delete(replace(DIRECT, metric=9), DIRECT6))
    assert stage.there() == {other}


def test_routes_of_several_metrics_stand_side_by_side(stage: Stage) -> None:
    beside, beside6 = replace(DIRECT, metric=9), replace(DIRECT6, metric=9)
    stage.do(*put(DIRECT, beside, DIRECT6, beside6))
    assert stage.there() == {DIRECT, beside, DIRECT6, beside6}
    stage.do(*delete(beside, beside6))
    assert stage.there() == {DIRECT, DIRECT6}


def test_neighbours_and_forwarding_entries_are_replaced_by_their_key(stage: Stage) -> None:
    stage.do(*put(*TUNNEL))
    neighbour, entry = replace(NEIGHBOUR, mac="02:00:00:00:04:99"), replace(FDB, remote=ip_address("10.4.7.99"))
    stage.do(*put(neighbour, entry))
    assert stage.there() == {DEVICE, ADDRESS, THROUGH, neighbour, entry}
    stage.do(*delete(FDB))
    assert entry in stage.there()


def test_what_can_be_changed_of_a_device_leaves_what_is_on_it(stage: Stage) -> None:
    stage.do(*put(*TUNNEL))
    changed = replace(DEVICE, mtu=1400, learning=True)
    stage.do(*put(changed))
    assert stage.there() == {changed, *TUNNEL[1:]}


def test_a_new_mac_of_a_device_costs_its_neighbours(stage: Stage) -> None:
    stage.do(*put(*TUNNEL))
    changed = replace(DEVICE, mac="02:00:00:00:04:98")
    stage.do(*put(changed))
    assert stage.there() == {changed, ADDRESS, FDB, THROUGH}


def test_a_device_that_is_set_down_forwards_nothing_until_it_is_up_and_all_is_put_again(stage: Stage) -> None:
    stage.do(*put(*TUNNEL))
    down = replace(DEVICE, up=False)
    stage.somebody_does(*put(down))
    assert stage.there() == {down, ADDRESS, FDB}
    (failure,) = stage.plane.carry_out(put(THROUGH))
    assert failure.code == errno.ENETDOWN
    stage.do(*put(*TUNNEL))
    assert stage.there() == set(TUNNEL)


def test_a_device_takes_all_that_is_on_it_with_it(stage: Stage) -> None:
    stage.do(*put(*TUNNEL, DIRECT))
    stage.do(*delete(DEVICE))
    assert stage.there() == {DIRECT}
    stage.do(*put(DEVICE))
    assert stage.there() == {DEVICE, DIRECT}


def test_the_links_tell_who_is_near_and_leave_the_cluster_out(stage: Stage) -> None:
    stage.do(*put(DEVICE, ADDRESS, DIRECT))
    links = stage.plane.links(NETWORKS)
    eth0, tunnel = links.named("eth0"), links.named("flannel.1")
    assert eth0 == HOST.links[1]
    assert tunnel is not None
    assert (tunnel.kind, tunnel.mtu, tunnel.up, tunnel.point_to_point) == ("vxlan", 1450, True, False)
    assert ADDRESS.address in tunnel.addresses
    assert [way for way in links.ways if not way.destination.is_link_local] == list(HOST.ways)
    assert [way.link for way in stage.plane.links().ways if way.destination == ip_network("172.9.0.0/16")] == ["eth0"]


def test_ways_inside_the_networks_that_are_named_are_left_out(stage: Stage) -> None:
    ways = stage.plane.links([ip_network("172.0.0.0/8"), ip_network("fd00:4::/48")]).ways
    assert [str(way.destination) for way in ways if not way.destination.is_link_local] == ["0.0.0.0/0", "10.4.7.0/24"]


class Ears:
    """Hears on a thread of its own, as the agent does."""

    def __init__(self, watch: DataPlaneWatch) -> None:
        self._watch = watch
        self._heard: Queue[Disturbance] = Queue()
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        for disturbances in self._watch:
            for disturbance in disturbances:
                self._heard.put(disturbance)

    def next(self) -> Disturbance:
        return self._heard.get(timeout=60)

    def until(self, wanted: Disturbance) -> list[Disturbance]:
        """What is heard before *wanted*."""
        before = []
        while (heard := self.next()) != wanted:
            before.append(heard)
        return before

    def close(self) -> None:
        self._watch.close()
        self._thread.join(60)
        assert not self._thread.is_alive()


MARK = Route(ip_network("172.7.200.0/24"), ip_address("10.4.7.200"), "eth0", protocol=4)
MARKED = Disturbance("route", MARK.destination, "eth0")


@pytest.mark.parametrize(
    ("done", "told"),
    [
        (delete(DIRECT), Disturbance("route", DIRECT.destination, "eth0")),
        (delete(THROUGH6), Disturbance("route", THROUGH6.destination, "flannel-v6.1")),
        (
            [Operation(put=True, entry=replace(DIRECT, gateway=ip_address("10.4.7.9")), replaces=DIRECT)],
            Disturbance("route", DIRECT.destination, "eth0"),
        ),
        (delete(NEIGHBOUR), Disturbance("neighbour", None, "flannel.1")),
        (delete(NEIGHBOUR6), Disturbance("neighbour", None, "flannel-v6.1")),
        (put(replace(NEIGHBOUR, mac="02:00:00:00:04:99")), Disturbance("neighbour", None, "flannel.1")),
        (delete(FDB), Disturbance("fdb", None, "flannel.1")),
        (put(replace(FDB6, remote=ip_address("fd00:4::99"))), Disturbance("fdb", None, "flannel-v6.1")),
        (delete(ADDRESS), Disturbance("address", None, "flannel.1")),
        (put(LinkAddress("eth0", ip_interface("10.4.8.21/32"))), Disturbance("address", None, "eth0")),
        (put(replace(DEVICE, up=False)), Disturbance("link", None, "flannel.1")),
        (put(replace(DEVICE, mtu=1400)), Disturbance("link", None, "flannel.1")),
        (delete(DEVICE), Disturbance("link", None, "flannel.1")),
    ],
)
def test_what_somebody_else_does_is_told(stage: Stage, done: list[Operation], told: Disturbance) -> None:
    with closing(Ears(stage.plane.watch())) as ears:
        stage.do(*put(*ALL))
        for operation in done:
            stage.somebody_does(operation)
        ears.until(told)


def test_what_this_process_does_wakes_nobody(stage: Stage) -> None:
    with closing(Ears(stage.plane.watch())) as ears:
        stage.do(*put(*ALL))
        stage.do(*put(replace(DEVICE, mtu=1400)))
        stage.do(*delete(*reversed(ALL)))
        stage.do(*put(*ALL))
        stage.somebody_does(*put(MARK))
        assert ears.until(MARKED) == []


def test_nothing_is_told_of_what_came_before_the_watch(stage: Stage) -> None:
    stage.somebody_does(*put(DIRECT))
    with closing(Ears(stage.plane.watch())) as ears:
        stage.somebody_does(*put(MARK))
        assert ears.next() == MARKED


def test_a_watch_ends_when_it_is_closed_before_during_and_after(stage: Stage) -> None:
    watch = stage.plane.watch()
    watch.close()
    watch.close()
    assert list(watch) == []
    ears = Ears(stage.plane.watch())
    stage.somebody_does(*put(MARK))
    assert ears.next() == MARKED
    ears.close()
    ears.close()


def test_a_watch_may_be_left_and_taken_up_again(stage: Stage) -> None:
    with closing(stage.plane.watch()) as watch:
        stage.somebody_does(*put(MARK))
        assert next(iter(watch)) == (MARKED,)
        stage.somebody_does(*delete(MARK))
        assert next(iter(watch)) == (MARKED,)

"""The agent on twins: what the kernel has follows the leases, whatever happens to the kernel and its devices."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, ip_address, ip_interface

from natfix.app.node import metrics
from natfix.errors import HostError
from natfix.host.memory.data_plane import MemoryDataPlane
from natfix.host.memory.leases import MemoryLeaseStore
from natfix.routing.lease import Attributes
from natfix.routing.links import Link, Links, Way
from natfix.routing.state import (
    FLANNEL_PROTOCOL,
    Entry,
    FdbEntry,
    LinkAddress,
    Neighbour,
    NetState,
    Operation,
    Route,
    VxlanDevice,
)
from tests.unit.app.node.stage import (
    DIRECT,
    HOST,
    OWN,
    VXLAN,
    Stage,
    direct_route,
    host_gw,
    play,
    subnet,
    vxlan,
)


def test_what_was_left_behind_goes_after_the_grace_period_and_what_is_anothers_stays() -> None:
    stage = Stage()
    stage.join(22)
    kept = replace(direct_route(22), protocol=FLANNEL_PROTOCOL)
    stale = {replace(direct_route(40), protocol=FLANNEL_PROTOCOL), direct_route(41)}
    foreign = {replace(direct_route(50), protocol=4), replace(direct_route(51), protocol=FLANNEL_PROTOCOL, metric=7)}
    stage.plane.state = NetState(routes=frozenset({kept, *stale, *foreign}))
    player = play(stage)
    assert stage.routes() == {direct_route(22), *stale, *foreign}
    # A look for another reason meanwhile puts the end of the grace period off by nothing.
    stage.plane.somebody_does(Operation(put=False, entry=direct_route(22)))
    player.play(29)
    assert stale < stage.routes()
    player.play(2)
    assert stage.routes() == {direct_route(22), *foreign}
    assert not any(not one.put and one.entry == kept for batch in stage.plane.batches for one in batch)
    assert stage.told("node-removed") == ["2 entries that no lease wants were removed"]


def left_tunnel(vni: int) -> NetState:
    """What flannel with vxlan left on this host."""
    name = f"flannel.{vni}"
    mac = "0e:00:00:00:00:16"
    hop = ip_address("172.7.22.0")
    return NetState(
        frozenset([VxlanDevice(name, vni, "eth0", ip_address("10.4.7.21"), 8472, 1450, "0e:00:00:00:00:15")]),
        frozenset([LinkAddress(name, ip_interface("172.7.21.0/32"))]),
        frozenset([Route(IPv4Network("172.7.22.0/24"), hop, name, onlink=True, protocol=FLANNEL_PROTOCOL)]),
        frozenset([Neighbour(name, hop, mac)]),
        frozenset([FdbEntry(name, mac, ip_address("10.4.7.22"))]),
    )


def test_after_a_change_from_vxlan_to_host_gw_flannel_s_tunnel_gives_its_route_and_goes_after_the_grace_period() -> None:
    stage = Stage()
    stage.join(22)
    stage.plane.state = left_tunnel(1)
    player = play(stage)
    assert stage.routes() == {direct_route(22)}
    assert stage.plane.state.devices == left_tunnel(1).devices
    player.play(31)
    assert stage.plane.state == NetState(routes=frozenset({direct_route(22)}))


def test_after_a_change_of_the_vni_the_old_tunnel_goes_and_the_new_one_stays() -> None:
    stage = Stage(store=MemoryLeaseStore(VXLAN))
    stage.join(22, vxlan(22))
    stage.plane.state = left_tunnel(7)
    player = play(stage)
    assert {device.name for device in stage.plane.state.devices} == {"flannel.1", "flannel.7"}
    player.play(31)
    assert {device.name for device in stage.plane.state.devices} == {"flannel.1"}
    assert {route.link for route in stage.routes()} == {"flannel.1"}


def test_a_tunnel_that_somebody_leads_a_route_into_stays() -> None:
    stage = Stage()
    foreign = Route(IPv4Network("172.7.9.0/24"), ip_address("172.7.9.0"), "flannel.1", onlink=True, protocol=4)
    stage.plane.state = left_tunnel(1) | NetState(routes=frozenset({foreign}))
    play(stage).play(31)
    assert stage.routes() == {foreign}
    assert stage.plane.state == replace(left_tunnel(1), routes=frozenset({foreign}))


def test_a_foreign_route_in_the_way_stays_and_is_told_and_its_place_is_taken_when_it_goes() -> None:
    stage = Stage()
    stage.join(22)
    foreign = Route(IPv4Network("172.7.22.0/24"), IPv4Address("10.4.7.1"), "eth0", protocol=4)
    stage.plane.state = NetState(routes=frozenset({foreign}))
    player = play(stage)
    assert stage.routes() == {foreign}
    (told,) = stage.told("node-obstructed")
    assert "route 172.7.22.0/24 via 10.4.7.1 dev eth0" in told
    stage.plane.somebody_does(Operation(put=False, entry=foreign))
    player.play()
    assert stage.routes() == {direct_route(22)}


def test_a_deleted_route_is_put_back_at_once_without_a_look_at_the_others() -> None:
    stage = Stage()
    for number in range(22, 40):
        stage.join(number)
    player = play(stage)
    reads = stage.plane.reads
    stage.plane.somebody_does(Operation(put=False, entry=direct_route(22)))
    player.play()
    assert direct_route(22) in stage.routes()
    assert stage.plane.reads == reads
    player.play(2)
    assert stage.plane.reads == reads + 1
    assert stage.meter.value(metrics.REPAIRS) == 1
    assert len(stage.told("node-repaired")) == 1


def test_whoever_deletes_hundreds_of_routes_is_answered_with_one_look() -> None:
    stage = Stage(store=MemoryLeaseStore('{"Network": "100.64.0.0/10", "SubnetLen": 24, "Backend": {"Type": "host-gw"}}'))
    for number in range(300):
        network = replace(OWN, ipv4=IPv4Network((int(IPv4Address("100.80.0.0")) + 256 * number, 24)))
        stage.store.create(network, host_gw(100 + number % 100), seconds=100)
    player = play(stage)
    everything = stage.routes()
    reads = stage.plane.reads
    stage.plane.somebody_does(*(Operation(put=False, entry=route) for route in everything))
    player.play()
    assert stage.routes() == everything
    assert stage.plane.reads == reads + 1


def test_what_was_lost_without_a_word_is_found_within_a_minute() -> None:
    stage = Stage()
    stage.join(22)
    player = play(stage)
    stage.plane.state = NetState()
    player.play(60)
    assert stage.routes() == {direct_route(22)}


def test_whoever_keeps_deleting_a_route_is_told_of_and_slowed_down() -> None:
    stage = Stage()
    stage.join(22)
    player = play(stage)
    for _ in range(60):
        if direct_route(22) in stage.routes():
            stage.plane.somebody_does(Operation(put=False, entry=direct_route(22)))
        player.play(0.1)
    assert len(stage.told("node-fight")) == 1
    assert 25 < (stage.meter.value(metrics.REPAIRS) or 0) < 40
    player.play(2)
    assert stage.routes() == {direct_route(22)}


def test_one_peer_that_the_kernel_refuses_holds_up_no_other_and_is_tried_again() -> None:
    stage = Stage()
    stage.plane.refuse = lambda one: 101 if one.put and one.entry == direct_route(22) else 0
    player = play(stage)
    stage.join(22)
    stage.join(23)
    player.play()
    assert stage.routes() == {direct_route(23)}
    (told,) = stage.told("node-refused")
    assert told == "the kernel refused route 172.7.22.0/24 via 10.4.7.22 dev eth0: Network is unreachable"
    reads = stage.plane.reads
    player.play(100)
    assert reads + 5 < stage.plane.reads < reads + 12
    assert len(stage.told("node-refused")) == 1
    stage.plane.refuse = lambda _: 0
    player.play(60)
    assert stage.routes() == {direct_route(22), direct_route(23)}
    assert len(stage.told("node-accepted")) == 1


def test_a_peer_that_is_not_on_the_link_is_told_once() -> None:
    stage = Stage()
    stage.join(22, Attributes(IPv4Address("10.9.9.22"), backend_type="host-gw"))
    player = play(stage)
    player.play(200)
    (told,) = stage.told("node-unreachable")
    assert "10.9.9.22 is not on the link" in told
    assert stage.meter.value(metrics.UNREACHABLE) == 1
    stage.store.release(next(lease for lease in stage.store.snapshot().leases if lease.subnet == subnet(22)))
    player.play()
    assert stage.told("node-reachable") == ["every peer can be routed to"]


def test_an_interface_that_goes_down_and_up_has_its_routes_again() -> None:
    stage = Stage()
    stage.join(22)
    player = play(stage)
    down = Links((replace(HOST.links[0], up=False),), ())
    stage.plane.host_becomes(down)
    player.play(20)
    assert stage.routes() == set()
    stage.plane.host_becomes(HOST)
    player.play()
    assert stage.routes() == {direct_route(22)}
    assert stage.told("node-moved") == []


def test_a_tunnel_device_that_was_deleted_is_made_anew_with_all_its_entries_and_its_mac() -> None:
    stage = Stage(store=MemoryLeaseStore(VXLAN))
    for number in (22, 23):
        stage.join(number, vxlan(number))
    player = play(stage)
    before = stage.plane.state
    (device,) = before.devices
    assert (device.name, device.mtu) == ("flannel.1", 1450)
    assert len(before.fdb) == len(before.neighbours) == len(before.routes) == 2
    stage.plane.somebody_does(Operation(put=False, entry=device))
    player.play()
    assert stage.plane.state == before
    stage.plane.somebody_does(Operation(put=True, entry=replace(device, mac="0e:00:00:00:00:99")))
    player.play()
    assert stage.plane.state == before


def test_a_neighbour_or_a_forwarding_entry_that_was_deleted_comes_back() -> None:
    stage = Stage(store=MemoryLeaseStore(VXLAN))
    stage.join(22, vxlan(22))
    player = play(stage)
    before = stage.plane.state
    every: tuple[Entry, ...] = (*before.neighbours, *before.fdb, *before.addresses)
    for entry in every:
        stage.plane.somebody_does(Operation(put=False, entry=entry))
        player.play(1)
        assert stage.plane.state == before


def test_a_peer_that_comes_onto_the_link_is_reached_directly_and_its_connections_are_forgotten() -> None:
    stage = Stage(store=MemoryLeaseStore(DIRECT))
    stage.join(22, vxlan(22))
    stage.join(33, vxlan(33, network="10.5.0"))
    player = play(stage)
    through = {route.destination: route.link for route in stage.routes()}
    assert through == {IPv4Network("172.7.22.0/24"): "eth0", IPv4Network("172.7.33.0/24"): "flannel.1"}
    stage.plane.host_becomes(Links(HOST.links, (*HOST.ways, Way(IPv4Network("10.5.0.0/16"), None, "eth0"))))
    player.play()
    assert {route.link for route in stage.routes()} == {"eth0"}
    assert stage.plane.state.fdb == frozenset()
    assert stage.forgotten == [IPv4Network("172.7.33.0/24")]


def test_containers_that_come_and_go_cause_no_look() -> None:
    stage = Stage()
    stage.join(22)
    player = play(stage)
    reads = stage.plane.reads
    veth = Link("veth1234", 1500, (ip_interface("fe80::1/64"),))
    stage.plane.host_becomes(Links((*HOST.links, veth), HOST.ways))
    player.play()
    assert stage.plane.reads == reads


def test_a_kernel_that_cannot_be_read_is_told_and_read_again() -> None:
    class Dumb(MemoryDataPlane):
        dumb = True

        def read(self, networks: object, devices: object) -> NetState:
            if self.dumb and networks:
                raise HostError("no netlink")
            return NetState()

    plane = Dumb(HOST)
    stage = Stage(plane=plane)
    stage.join(22)
    player = play(stage)
    assert player.agent.health().missing == "routes are not programmed"
    plane.dumb = False
    player.play(2)
    assert player.agent.health().missing == ""
    assert stage.routes() == {direct_route(22)}

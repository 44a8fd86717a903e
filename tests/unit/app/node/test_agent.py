"""The agent on twins: what the kernel has follows the leases, whatever happens to store, kernel and host."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, ip_interface

import pytest

from natfix.app.node.news import Stop
from natfix.app.node.opening import open_node
from natfix.errors import ConflictError, HostError, UsageError
from natfix.host.memory.data_plane import MemoryDataPlane
from natfix.host.memory.leases import MemoryLeaseStore
from natfix.routing.lease import Attributes
from natfix.routing.links import Link, Links, Way
from natfix.routing.state import FLANNEL_PROTOCOL, Entry, NetState, Operation, Route
from tests.unit.app.node.stage import (
    DIRECT,
    HOST,
    HOST_GW,
    OWN,
    SEED,
    VXLAN,
    Stage,
    direct_route,
    host_gw,
    play,
    subnet,
    vxlan,
)


def test_it_takes_a_subnet_writes_it_down_and_routes_to_its_peers() -> None:
    stage = Stage()
    stage.join(22)
    stage.store.reserve(subnet(30))
    player = play(stage)
    assert stage.files.contents["/run/flannel/subnet.env"] == (
        b"FLANNEL_NETWORK=172.7.0.0/16\nFLANNEL_SUBNET=172.7.21.1/24\nFLANNEL_MTU=1500\nFLANNEL_IPMASQ=false\n"
    )
    assert stage.files.modes["/run/flannel/subnet.env"] == 0o644
    assert {lease.subnet: lease.attributes for lease in stage.store.snapshot().leases}[OWN] == host_gw(21)
    assert stage.routes() == {direct_route(22)}
    assert stage.settled == [OWN]
    assert stage.told("node-leased") == ["this host has 172.7.21.0/24 (address)"]
    assert stage.told("node-ready") == ["1 peers are routed to, 0.000 s after the start"]
    health = player.agent.health()
    assert (health.alive, health.missing) == (True, "")
    assert (health.numbers["peers"], health.numbers["leases"], health.numbers["store_up"]) == (1, 3, 1)


def test_a_pinned_subnet_is_taken_from_subnet_env() -> None:
    stage = Stage()
    stage.files.contents["/run/flannel/subnet.env"] = b"FLANNEL_SUBNET=172.7.77.1/24\n"
    assert play(stage).opened.lease.subnet == subnet(77)


def test_peers_that_come_change_and_go_cost_their_own_entries_alone() -> None:
    stage = Stage()
    for number in range(30, 90):
        stage.join(number)
    player = play(stage)
    reads = stage.plane.reads
    stage.plane.batches.clear()
    lease = stage.join(22)
    player.play()
    assert direct_route(22) in stage.routes()
    lease = stage.store.renew(lease, host_gw(99), seconds=100)
    player.play()
    assert direct_route(22, "10.4.7.99") in stage.routes()
    assert stage.forgotten == [IPv4Network("172.7.22.0/24")]
    stage.store.release(lease)
    player.play()
    assert not any(route.destination == IPv4Network("172.7.22.0/24") for route in stage.routes())
    assert [len(batch) for batch in stage.plane.batches] == [1, 1, 1]
    assert stage.plane.reads == reads


def test_renewals_of_others_change_nothing() -> None:
    stage = Stage()
    lease = stage.join(22)
    player = play(stage)
    stage.plane.batches.clear()
    stage.store.renew(lease, lease.attributes, seconds=100)
    player.play()
    assert stage.plane.batches == []


def test_an_outage_leaves_everything_and_what_came_in_between_is_done_afterwards() -> None:
    stage = Stage()
    stage.join(22)
    gone = stage.join(23)
    player = play(stage)
    stage.store.go_away("no answer")
    player.play()
    assert player.agent.health().numbers["store_up"] == 0
    player.play(300)
    assert stage.routes() == {direct_route(22), direct_route(23)}
    stage.store.come_back()
    stage.store.release(gone)
    stage.join(24)
    player.play(1)
    assert stage.routes() == {direct_route(22), direct_route(23), direct_route(24)}
    assert len(stage.told("node-store-away")) == len(stage.told("node-store-back")) == 1
    player.play(31)
    assert stage.routes() == {direct_route(22), direct_route(24)}


def test_a_change_of_attributes_during_a_gap_is_done() -> None:
    stage = Stage()
    lease = stage.join(22)
    player = play(stage)
    stage.store.break_watches()
    stage.store.renew(lease, host_gw(99), seconds=100)
    stage.store.compact()
    player.play(1)
    assert stage.routes() == {direct_route(22, "10.4.7.99")}


def test_a_store_that_lost_its_data_takes_no_route_away_while_hosts_come_back() -> None:
    stage = Stage()
    for number in (22, 23, 24):
        stage.join(number)
    player = play(stage)
    stage.plane.batches.clear()
    stage.store.lose_data()
    player.play(1)
    assert [lease.subnet for lease in stage.store.snapshot().leases] == [OWN]
    assert player.agent.health().numbers["doubtful_peers"] == 3
    for number in (22, 23):
        stage.join(number)
        player.play(5)
    assert stage.plane.batches == []
    assert "this host has 172.7.21.0/24 (retaken)" in stage.told("node-leased")
    assert any("configuration is gone" in text for text in stage.told("node-remark"))
    player.play(30)
    assert stage.routes() == {direct_route(22), direct_route(23)}


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
    assert player.agent.health().numbers["repairs_total"] == 1
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
    assert 25 < player.agent.health().numbers["repairs_total"] < 40
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
    assert player.agent.health().numbers["unreachable_peers"] == 1
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


def test_a_peers_new_mac_takes_the_place_of_the_old_one() -> None:
    stage = Stage(store=MemoryLeaseStore(VXLAN))
    lease = stage.join(22, vxlan(22))
    player = play(stage)
    stage.store.renew(lease, vxlan(22, mac=0x99), seconds=100)
    player.play()
    assert {one.mac for one in stage.plane.state.fdb} == {"0e:00:00:00:00:99"}
    assert {one.mac for one in stage.plane.state.neighbours} == {"0e:00:00:00:00:99"}


def test_the_tunnels_mac_is_the_one_of_the_device_that_is_there_and_the_same_when_it_is_made_anew() -> None:
    stage = Stage(store=MemoryLeaseStore(VXLAN))
    first = play(stage).opened.here.mac
    (device,) = stage.plane.state.devices
    stage.plane.state = NetState()
    assert play(stage).opened.here.mac == first
    stage.plane.state = NetState(devices=frozenset({replace(device, mac="0e:12:34:56:78:9a")}))
    assert play(stage).opened.here.mac == "0e:12:34:56:78:9a"
    (lease,) = stage.store.snapshot().leases
    assert lease.attributes.backend_data == {"VNI": 1, "VtepMAC": "0e:12:34:56:78:9a"}


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


def test_a_lost_lease_is_taken_again_and_the_routes_stay() -> None:
    stage = Stage()
    stage.join(22)
    player = play(stage)
    mine = next(lease for lease in stage.store.snapshot().leases if lease.subnet == OWN)
    stage.store.release(mine)
    player.play()
    assert {lease.subnet for lease in stage.store.snapshot().leases} == {OWN, subnet(22)}
    assert stage.routes() == {direct_route(22)}


def test_a_lease_lives_on_for_days() -> None:
    stage = Stage()
    player = play(stage)
    player.play(3 * 86400)
    assert [lease.subnet for lease in stage.store.snapshot().leases] == [OWN]
    assert stage.told("node-leased") == ["this host has 172.7.21.0/24 (address)"]


def test_an_agent_whose_subnet_is_anothers_ends_and_leaves_the_routes() -> None:
    stage = Stage()
    stage.join(22)
    player = play(stage)
    stage.store.go_away()
    player.play()
    stage.store.come_back()
    stage.store.release(next(lease for lease in stage.store.snapshot().leases if lease.subnet == OWN))
    stage.store.create(OWN, host_gw(99), seconds=100)
    with pytest.raises(ConflictError, match=r"leased to 10\.4\.7\.99") as caught:
        player.play(1)
    assert caught.value.exit_code == 3
    assert direct_route(22) in stage.routes()


def test_a_store_away_at_the_renewal_is_told_once_and_the_lease_is_renewed_when_it_is_back() -> None:
    stage = Stage()
    player = play(stage)
    player.play(82700)
    stage.store.go_away()
    player.play(3800)
    assert len(stage.told("node-not-renewed")) == 1
    stage.store.come_back()
    player.play(5)
    assert [lease.subnet for lease in stage.store.snapshot().leases] == [OWN]
    assert stage.told("node-leased")[-1] == "this host has 172.7.21.0/24 (retaken)"


def test_two_agents_with_one_address_notice_each_other() -> None:
    stage = Stage()
    player = play(stage)
    (lease,) = stage.store.snapshot().leases
    stage.store.renew(lease, lease.attributes, seconds=100)
    player.play()
    (told,) = stage.told("node-rival")
    assert "somebody else writes the lease of 172.7.21.0/24 as 10.4.7.21" in told
    assert player.agent.health().numbers["rivals_total"] == 1


def test_a_new_address_of_this_host_is_told_to_its_peers() -> None:
    stage = Stage(store=MemoryLeaseStore(VXLAN))
    stage.join(22, vxlan(22))
    player = play(stage)
    ways = (Way(IPv4Network("10.6.0.0/16"), None, "eth0"), Way(IPv4Network("0.0.0.0/0"), IPv4Address("10.6.0.1"), "eth0"))
    stage.plane.host_becomes(Links((Link("eth0", 1400, (ip_interface("10.6.0.7/16"),)),), ways))
    player.play(4)
    assert stage.told("node-moved") == []
    player.play(3)
    mine = next(lease for lease in stage.store.snapshot().leases if lease.subnet == OWN)
    assert mine.attributes.public_ip == IPv4Address("10.6.0.7")
    (device,) = stage.plane.state.devices
    assert (str(device.local), device.mtu) == ("10.6.0.7", 1350)
    assert len(stage.plane.state.fdb) == 1
    assert b"FLANNEL_MTU=1350" in stage.files.contents["/run/flannel/subnet.env"]
    assert stage.told("node-moved") == ["peers reach this host at 10.6.0.7 now, no longer at 10.4.7.21"]
    assert stage.told("node-rival") == []


def test_an_address_that_comes_back_in_a_moment_is_no_move() -> None:
    stage = Stage()
    player = play(stage)
    stage.plane.host_becomes(Links((Link("eth0", 1500, (ip_interface("10.4.7.99/24"),)),), HOST.ways))
    player.play(2)
    stage.plane.host_becomes(HOST)
    player.play(20)
    assert stage.told("node-moved") == []


def test_what_is_missing_at_the_start_is_told_once_and_waited_for() -> None:
    stage = Stage(store=MemoryLeaseStore())
    stage.inbox.put(Stop())
    assert open_node(stage.site, stage.orders, SEED) is None
    (told,) = stage.told("node-waiting")
    assert "no network is configured" in told


def test_a_full_network_is_told_with_its_capacity() -> None:
    text = '{"Network": "172.7.0.0/16", "SubnetMin": "172.7.40.0", "SubnetMax": "172.7.40.0", "Backend": {"Type": "host-gw"}}'
    stage = Stage(store=MemoryLeaseStore(text))
    stage.join(40)
    stage.inbox.put(Stop())
    assert open_node(stage.site, stage.orders, SEED) is None
    (told,) = stage.told("node-waiting")
    assert "no subnet is left for this host: no /24 is free in 172.7.0.0/16" in told


def test_host_gw_behind_a_nat_is_refused() -> None:
    stage = Stage()
    wish = replace(stage.orders.wish, names=("eth0",), public_ip=IPv4Address("203.0.113.5"))
    stage.orders = replace(stage.orders, wish=wish)
    with pytest.raises(UsageError, match=r"peers would be told 203\.0\.113\.5"):
        open_node(stage.site, stage.orders, SEED)


def test_a_tunnel_behind_a_nat_has_the_hosts_own_end_and_peers_are_told_the_other() -> None:
    stage = Stage(store=MemoryLeaseStore(VXLAN))
    wish = replace(stage.orders.wish, names=("eth0",), public_ip=IPv4Address("203.0.113.5"))
    stage.orders = replace(stage.orders, wish=wish)
    play(stage)
    (lease,) = stage.store.snapshot().leases
    (device,) = stage.plane.state.devices
    assert (str(lease.attributes.public_ip), str(device.local)) == ("203.0.113.5", "10.4.7.21")


def test_a_changed_configuration_is_told_and_followed_after_a_restart() -> None:
    stage = Stage()
    player = play(stage)
    stage.store.configure(VXLAN, expected=HOST_GW)
    stage.store.break_watches()
    player.play(1)
    stage.store.break_watches()
    player.play(1)
    assert [text for text in stage.told("node-remark") if "was changed" in text] == [
        "the network's configuration was changed; this agent goes on with the one it knows until it is restarted"
    ]


def test_a_subnet_that_somebody_else_chose_is_taken() -> None:
    stage = Stage()
    stage.store.subnet_of_host = subnet(88)
    assert play(stage).opened.lease.subnet == subnet(88)


def test_it_ends_when_it_is_told_to_and_leaves_everything() -> None:
    stage = Stage()
    stage.join(22)
    player = play(stage)
    stage.inbox.put(Stop())
    player.agent.run()
    assert stage.routes() == {direct_route(22)}
    assert len(stage.store.snapshot().leases) == 2
    assert stage.told("node-stopped") == ["told to end; routes, lease and rules are left as they are"]


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

"""What is shown without an agent: the survey, routes beside the kernel's, and peers that are tried."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, ip_address, ip_interface

import pytest

from natfix.app.node.compare import compare
from natfix.app.node.interface import InterfaceWish
from natfix.app.node.survey import survey
from natfix.app.node.verify import verify
from natfix.errors import HostError
from natfix.host.memory.data_plane import MemoryDataPlane
from natfix.host.memory.leases import MemoryLeaseStore
from natfix.host.memory.probe import MemoryProber
from natfix.report.routes import RoutesReport
from natfix.routing.lease import Attributes
from natfix.routing.links import Link, Links
from natfix.routing.state import NetState, Operation, Route
from tests.unit.app.node.stage import HOST, VXLAN, Stage, direct_route, host_gw, play, subnet, vxlan

WISH = InterfaceWish()
DOCKER0 = Link("docker0", 1500, (ip_interface("172.7.21.1/24"),), kind="bridge")
WITH_DOCKER = Links((*HOST.links, DOCKER0), HOST.ways)


def looked(stage: Stage) -> RoutesReport:
    return compare(survey(stage.store, stage.plane, WISH), stage.plane)


def verdicts(stage: Stage) -> dict[str, str]:
    return {peer.subnet: peer.verdict for peer in looked(stage).peers}


def test_a_host_that_its_agent_keeps_is_right() -> None:
    stage = Stage(store=MemoryLeaseStore(VXLAN))
    stage.join(22, vxlan(22))
    play(stage)
    report = looked(stage)
    assert report.right
    assert (report.own, report.network, report.backend) == ("172.7.21.0/24", "172.7.0.0/16", "vxlan")
    assert verdicts(stage) == {"172.7.21.0/24": "right", "172.7.22.0/24": "right"}


def test_each_way_to_be_wrong_has_its_word() -> None:
    stage = Stage()
    for number in (22, 23, 24, 25):
        stage.join(number)
    stage.join(26, Attributes(IPv4Address("10.9.9.26"), backend_type="host-gw"))
    play(stage)
    foreign = Route(IPv4Network("172.7.24.0/24"), IPv4Address("10.4.7.1"), "eth0", protocol=4)
    routes = {direct_route(22), replace(direct_route(23), gateway=IPv4Address("10.4.7.99")), foreign, direct_route(40)}
    stage.plane.state = NetState(routes=frozenset(routes))
    assert verdicts(stage) == {
        "172.7.22.0/24": "right",
        "172.7.23.0/24": "different",
        "172.7.24.0/24": "obstructed",
        "172.7.25.0/24": "missing",
        "172.7.26.0/24": "unreachable",
        "172.7.40.0/24": "stale",
    }
    notes = {peer.subnet: peer.notes for peer in looked(stage).peers}
    assert notes["172.7.23.0/24"] == ("the kernel has: route 172.7.23.0/24 via 10.4.7.99 dev eth0",)
    assert notes["172.7.24.0/24"] == ("somebody else's: route 172.7.24.0/24 via 10.4.7.1 dev eth0",)
    assert notes["172.7.40.0/24"] == ("no lease wants: route 172.7.40.0/24 via 10.4.7.40 dev eth0",)


def test_a_part_of_a_peers_entries_is_told_as_such() -> None:
    stage = Stage(store=MemoryLeaseStore(VXLAN))
    stage.join(22, vxlan(22))
    play(stage)
    (entry,) = stage.plane.state.fdb
    stage.plane.somebody_does(Operation(put=False, entry=entry))
    peer = next(peer for peer in looked(stage).peers if peer.subnet == "172.7.22.0/24")
    assert (peer.verdict, peer.notes) == ("different", ("not there: fdb 0e:00:00:00:00:16 dev flannel.1 dst 10.4.7.22",))


def test_this_host_is_found_by_its_addresses_and_by_what_the_user_says() -> None:
    store, plane = MemoryLeaseStore(VXLAN), MemoryDataPlane(WITH_DOCKER)
    with pytest.raises(HostError, match="this host has no lease"):
        survey(store, plane, WISH)
    store.create(subnet(21), vxlan(21), seconds=60)
    assert survey(store, plane, WISH).own.subnet == subnet(21)
    store.create(subnet(50), replace(vxlan(50), public_ip=IPv4Address("203.0.113.5")), seconds=60)
    behind = InterfaceWish(names=("eth0",), public_ip=IPv4Address("203.0.113.5"))
    assert survey(store, plane, behind).own.subnet == subnet(50)
    with pytest.raises(HostError, match="no device eth7"):
        survey(store, plane, InterfaceWish(names=("eth7",)))
    with pytest.raises(HostError, match="no network is configured"):
        survey(MemoryLeaseStore(), plane, WISH)


def test_every_peer_is_tried_from_this_hosts_own_bridge() -> None:
    stage = Stage(plane=MemoryDataPlane(WITH_DOCKER))
    for number in (22, 23, 24, 25):
        stage.join(number)
    stage.store.create(subnet(21), host_gw(21), seconds=60)
    prober = MemoryProber()
    own, address = ip_address("172.7.21.1"), {number: ip_address(f"172.7.{number}.1") for number in (22, 23, 24, 25)}
    prober.times = {address[22]: 0.3, address[23]: 0.4, address[24]: 0.5}
    prober.agents = {address[22]: own}
    prober.tracked = {address[22]: own, address[23]: ip_address("10.4.7.21")}
    seen = survey(stage.store, stage.plane, WISH)
    report = verify(seen, prober, port=2401, count=3)
    assert report.source == ("172.7.21.1",)
    assert [(one.subnet, one.milliseconds, one.seen, one.witness, one.right) for one in report.answers] == [
        ("172.7.22.0/24", 0.3, "172.7.21.1", "peer", True),
        ("172.7.23.0/24", 0.4, "10.4.7.21", "conntrack", False),
        ("172.7.24.0/24", 0.5, None, "", True),
        ("172.7.25.0/24", None, None, "", False),
    ]
    assert verify(seen, prober, port=0, count=3).answers[0].witness == "conntrack"


def test_a_host_without_its_bridge_has_nothing_to_try_from() -> None:
    stage = Stage()
    stage.store.create(subnet(21), host_gw(21), seconds=60)
    with pytest.raises(HostError, match=r"does not have 172\.7\.21\.1"):
        verify(survey(stage.store, stage.plane, WISH), MemoryProber(), port=0, count=1)


def test_two_hosts_with_one_tunnel_mac_are_told_and_the_first_is_right() -> None:
    stage = Stage(store=MemoryLeaseStore(VXLAN))
    stage.join(22, vxlan(22, mac=0x99))
    stage.join(23, vxlan(23, mac=0x99))
    play(stage)
    assert verdicts(stage) == {"172.7.21.0/24": "right", "172.7.22.0/24": "right", "172.7.23.0/24": "unreachable"}
    (note,) = looked(stage).peers[2].notes
    assert "has the same tunnel MAC 0e:00:00:00:00:99 as the host with 172.7.22.0/24" in note

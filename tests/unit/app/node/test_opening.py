"""How the agent begins: device, lease, what is missing; and how it notices that its host has moved."""

import random
import threading
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, ip_interface

import pytest

from natfix.app.node.interface import InterfaceWish
from natfix.app.node.news import Stop
from natfix.app.node.opening import open_node
from natfix.errors import UsageError
from natfix.host.memory.data_plane import MemoryDataPlane
from natfix.host.memory.leases import MemoryLeaseStore
from natfix.routing.links import Link, Links, Way
from natfix.routing.state import NetState
from natfix.routing.subnet import Subnet
from tests.unit.app.node.stage import (
    HOST,
    HOST_GW,
    OWN,
    SEED,
    VXLAN,
    Stage,
    play,
    subnet,
    vxlan,
)


def test_a_pinned_subnet_is_taken_from_subnet_env() -> None:
    stage = Stage()
    stage.files.contents["/run/flannel/subnet.env"] = b"FLANNEL_SUBNET=172.7.77.1/24\n"
    assert play(stage).opened.lease.subnet == subnet(77)


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


def test_a_subnet_that_somebody_else_chose_is_taken() -> None:
    stage = Stage()
    stage.store.subnet_of_host = subnet(88)
    assert play(stage).opened.lease.subnet == subnet(88)


def test_many_hosts_that_start_at_once_never_share_a_subnet() -> None:
    store = MemoryLeaseStore(HOST_GW)
    taken: list[Subnet] = []

    def start(number: int) -> None:
        # Every host's address follows the same subnet, so that all but one have to choose by chance.
        host = Links((Link("eth0", 1500, (ip_interface(f"10.{number}.7.21/24"),)),), ())
        stage = Stage(store=store, plane=MemoryDataPlane(host))
        stage.orders = replace(stage.orders, wish=InterfaceWish(names=("eth0",)))
        site = replace(stage.site, chance=random.Random(number).randrange)  # noqa: S311  (the same choices each time)
        opened = open_node(site, stage.orders, SEED)
        assert opened is not None
        taken.append(opened.lease.subnet)

    threads = [threading.Thread(target=start, args=(number,)) for number in range(1, 101)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(taken) == len(set(taken)) == 100

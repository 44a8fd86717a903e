from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network

import pytest

from natfix.routing.difference import OWN_ALONE, Domain, diff
from natfix.routing.leftovers import former_tunnels, without_foreign
from natfix.routing.links import Link, Links, Way
from natfix.routing.state import FdbEntry, LinkAddress, Neighbour, NetState, Operation, Route, VxlanDevice

DOMAIN = Domain(frozenset([(ip_network("172.7.0.0/16"), 24)]), frozenset(("eth0",)))
LINK = Link("flannel.1", 1450, (ip_interface("172.7.21.0/32"), ip_interface("fe80::1/64")), kind="vxlan")
DEVICE = VxlanDevice("flannel.1", 1, "eth0", ip_address("10.4.7.21"), 8472, 1450, "02:00:00:00:00:21")
TUNNEL = Route(ip_network("172.7.22.0/24"), ip_address("172.7.22.0"), "flannel.1", onlink=True, protocol=3)
DIRECT = Route(ip_network("172.7.22.0/24"), ip_address("10.4.7.22"), "eth0")
LEFT = NetState(
    frozenset((DEVICE,)),
    frozenset((LinkAddress("flannel.1", ip_interface("172.7.21.0/32")),)),
    frozenset((TUNNEL,)),
    frozenset((Neighbour("flannel.1", ip_address("172.7.22.0"), "02:00:00:00:00:22"),)),
    frozenset((FdbEntry("flannel.1", "02:00:00:00:00:22", ip_address("10.4.7.22")),)),
)
FOREIGN = Route(ip_network("172.7.9.0/24"), ip_address("172.7.9.0"), "flannel.1", onlink=True, protocol=4)


def test_a_tunnel_of_flannel_in_this_network_that_is_wanted_no_more_is_found() -> None:
    link_local = Way(ip_network("fe80::/64"), None, "flannel.1", 256)
    assert former_tunnels(Links((LINK,), (link_local,)), DOMAIN, ()) == ("flannel.1",)


def test_the_device_that_is_wanted_is_none() -> None:
    assert former_tunnels(Links((LINK,)), DOMAIN, ("flannel.1",)) == ()


@pytest.mark.parametrize(
    "other",
    [
        replace(LINK, kind="dummy"),
        replace(LINK, name="vxlan.1"),
        replace(LINK, addresses=()),
        replace(LINK, addresses=(ip_interface("172.8.21.0/32"),)),
        replace(LINK, addresses=(ip_interface("172.7.21.0/24"),)),
        replace(LINK, addresses=(*LINK.addresses, ip_interface("192.0.2.1/32"))),
    ],
)
def test_what_does_not_look_so_in_every_way_is_none(other: Link) -> None:
    assert former_tunnels(Links((other,)), DOMAIN, ()) == ()


def test_a_tunnel_that_somebody_leads_other_networks_into_is_none() -> None:
    assert former_tunnels(Links((LINK,), (Way(ip_network("192.0.2.0/24"), None, "flannel.1"),)), DOMAIN, ()) == ()


def test_where_no_network_is_known_there_is_none() -> None:
    assert former_tunnels(Links((LINK,)), OWN_ALONE, ()) == ()


def test_all_that_is_left_of_a_tunnel_goes_after_its_routes_were_taken_over() -> None:
    assert without_foreign(LEFT, DOMAIN, ()) is LEFT
    assert diff(LEFT, NetState(routes=frozenset((DIRECT,))), DOMAIN) == (
        Operation(put=True, entry=DIRECT, replaces=TUNNEL),
        Operation(put=False, entry=DEVICE),
    )


def test_a_tunnel_with_a_foreign_route_over_it_stays_with_all_that_is_on_it() -> None:
    there = replace(LEFT, routes=LEFT.routes | {FOREIGN})
    assert without_foreign(there, DOMAIN, ()) == NetState(routes=there.routes)
    assert without_foreign(there, DOMAIN, ("flannel.1",)) is there


@pytest.mark.parametrize("other", [replace(DEVICE, vni=2), replace(DEVICE, name="flannel.01x")])
def test_a_tunnel_whose_name_is_not_that_of_its_vni_stays(other: VxlanDevice) -> None:
    assert without_foreign(NetState(frozenset((other,))), DOMAIN, ()) == NetState()

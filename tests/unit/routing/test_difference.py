from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network

import pytest

from natfix.routing.difference import Domain, diff, obstacles
from natfix.routing.state import Entry, FdbEntry, LinkAddress, Neighbour, NetState, Operation, Route, VxlanDevice

DEVICE = VxlanDevice("flannel.1", 1, "eth0", ip_address("10.4.7.21"), 8472, 1450, "02:00:00:00:00:21")
ADDRESS = LinkAddress("flannel.1", ip_interface("172.7.21.0/32"))
FDB = FdbEntry("flannel.1", "02:00:00:00:00:22", ip_address("10.4.7.22"))
NEIGHBOUR = Neighbour("flannel.1", ip_address("172.7.22.0"), "02:00:00:00:00:22")
ROUTE = Route(ip_network("172.7.22.0/24"), ip_address("172.7.22.0"), "flannel.1", onlink=True)
DIRECT = Route(ip_network("172.7.22.0/24"), ip_address("10.4.7.22"), "eth0")
FLANNEL = replace(DIRECT, protocol=3)
STATIC = replace(DIRECT, gateway=ip_address("10.4.7.99"), protocol=4)
DOMAIN = Domain(
    frozenset([(ip_network("172.7.0.0/16"), 24), (ip_network("fd00:7::/48"), 64)]), frozenset(("eth0", "flannel.1"))
)
WHOLE = NetState(frozenset((DEVICE,)), frozenset((ADDRESS,)), frozenset((ROUTE,)), frozenset((NEIGHBOUR,)), frozenset((FDB,)))


def put(entry: Entry, replaces: Route | None = None) -> Operation:
    return Operation(put=True, entry=entry, replaces=replaces)


def put_all(*entries: Entry) -> tuple[Operation, ...]:
    return tuple(put(entry) for entry in entries)


def delete(entry: Entry) -> Operation:
    return Operation(put=False, entry=entry)


def routes(*found: Route) -> NetState:
    return NetState(routes=frozenset(found))


def test_what_is_as_it_should_be_needs_nothing() -> None:
    assert diff(WHOLE, WHOLE, DOMAIN) == ()


def test_it_is_put_from_the_ground_up() -> None:
    assert diff(NetState(), WHOLE) == put_all(DEVICE, ADDRESS, FDB, NEIGHBOUR, ROUTE)


def test_it_is_deleted_from_the_top_down() -> None:
    left = NetState(frozenset((DEVICE,)))
    gone: tuple[Entry, ...] = (ROUTE, NEIGHBOUR, FDB, ADDRESS)
    assert diff(WHOLE, left) == tuple(delete(one) for one in gone)


def test_what_is_on_a_device_goes_with_it() -> None:
    assert diff(WHOLE, NetState()) == (delete(ROUTE), delete(DEVICE))


def test_a_peer_that_moves_from_the_tunnel_to_the_link_keeps_a_route_all_the_time() -> None:
    host = NetState(frozenset((DEVICE,)), frozenset((ADDRESS,)))
    assert diff(WHOLE, host | routes(DIRECT)) == (put(DIRECT, ROUTE), delete(NEIGHBOUR), delete(FDB))
    assert diff(host | routes(DIRECT), WHOLE) == (put(FDB), put(NEIGHBOUR), put(ROUTE, DIRECT))


def test_a_new_mac_of_a_peer_replaces_its_neighbour_and_leaves_no_old_entry() -> None:
    neighbour, entry = replace(NEIGHBOUR, mac="02:00:00:00:00:99"), replace(FDB, mac="02:00:00:00:00:99")
    after = replace(WHOLE, neighbours=frozenset((neighbour,)), fdb=frozenset((entry,)))
    assert diff(WHOLE, after) == (put(entry), put(neighbour), delete(FDB))


def test_a_new_address_of_a_peer_is_one_replacement() -> None:
    entry = replace(FDB, remote=ip_address("10.4.7.99"))
    assert diff(WHOLE, replace(WHOLE, fdb=frozenset((entry,)))) == (put(entry),)


@pytest.mark.parametrize("other", [replace(DEVICE, mtu=1400), replace(DEVICE, learning=True)])
def test_what_can_be_changed_of_a_device_is_changed(other: VxlanDevice) -> None:
    assert diff(WHOLE, replace(WHOLE, devices=frozenset((other,)))) == (put(other),)


def test_a_device_that_is_down_is_set_up() -> None:
    down = replace(WHOLE, devices=frozenset((replace(DEVICE, up=False),)), routes=frozenset(), neighbours=frozenset())
    assert diff(down, WHOLE) == (put(DEVICE), put(NEIGHBOUR), put(ROUTE))


def test_a_new_mac_of_the_device_costs_its_neighbours_which_are_put_again() -> None:
    other = replace(DEVICE, mac="02:00:00:00:00:98")
    assert diff(WHOLE, replace(WHOLE, devices=frozenset((other,)))) == (put(other), put(NEIGHBOUR))


@pytest.mark.parametrize(
    "old",
    [
        replace(DEVICE, vni=2),
        replace(DEVICE, port=4789),
        replace(DEVICE, device="eth1"),
        replace(DEVICE, local=ip_address("10.4.7.20")),
        replace(DEVICE, gbp=True),
    ],
)
def test_a_device_that_differs_in_more_is_made_anew_with_all_that_was_on_it(old: VxlanDevice) -> None:
    actual = replace(WHOLE, devices=frozenset((old,)))
    assert diff(actual, WHOLE) == (delete(old), *put_all(DEVICE, ADDRESS, FDB, NEIGHBOUR, ROUTE))


def test_one_device_made_anew_and_another_with_a_new_mac_each_get_back_what_they_lose() -> None:
    device6 = replace(DEVICE, name="flannel-v6.1", local=ip_address("fd00:4::21"))
    entry6, neighbour6 = replace(FDB, link="flannel-v6.1"), replace(NEIGHBOUR, link="flannel-v6.1")
    old, old6 = replace(DEVICE, port=4789), replace(device6, mac="02:00:00:00:00:98")
    wanted = NetState(frozenset((DEVICE, device6)), neighbours=frozenset((NEIGHBOUR, neighbour6)), fdb=frozenset((FDB, entry6)))
    actual = replace(wanted, devices=frozenset((old, old6)))
    put_again = (device6, DEVICE, FDB, neighbour6, NEIGHBOUR)
    assert diff(actual, wanted) == (delete(old), *put_all(*put_again))


def test_what_others_have_is_left_where_it_is() -> None:
    beside = Route(ip_network("172.7.9.0/24"), ip_address("10.4.7.9"), "eth0", protocol=4)
    link_local = LinkAddress("flannel.1", ip_interface("fe80::1/64"))
    spare = LinkAddress("flannel.1", ip_interface("192.0.2.1/32"))
    actual = replace(WHOLE, routes=WHOLE.routes | {beside}, addresses=WHOLE.addresses | {link_local, spare})
    assert diff(actual, WHOLE, DOMAIN) == ()
    assert diff(replace(WHOLE, addresses=WHOLE.addresses | {link_local}), WHOLE) == ()


def test_another_address_of_the_cluster_on_the_device_goes() -> None:
    former = LinkAddress("flannel.1", ip_interface("172.7.99.0/32"))
    assert diff(replace(WHOLE, addresses=WHOLE.addresses | {former}), WHOLE, DOMAIN) == (delete(former),)


def test_a_foreign_route_in_the_way_stays_and_is_told() -> None:
    assert diff(routes(STATIC), routes(DIRECT), DOMAIN) == ()
    assert obstacles(routes(STATIC), routes(DIRECT), DOMAIN) == (STATIC,)


def test_a_foreign_route_with_another_metric_is_not_in_the_way() -> None:
    beside = replace(STATIC, metric=100)
    assert diff(routes(beside), routes(DIRECT), DOMAIN) == (put(DIRECT),)
    assert obstacles(routes(beside), routes(DIRECT), DOMAIN) == ()
    assert obstacles(routes(DIRECT, STATIC), routes(DIRECT), DOMAIN) == ()


def test_routes_that_flannel_left_are_taken_over_or_removed() -> None:
    stale = replace(FLANNEL, destination=ip_network("172.7.23.0/24"))
    assert diff(routes(FLANNEL, stale), routes(DIRECT), DOMAIN) == (put(DIRECT, FLANNEL), delete(stale))
    assert obstacles(routes(FLANNEL, stale), routes(DIRECT), DOMAIN) == ()


@pytest.mark.parametrize("link", ["flannel.1", "flannel.7", "flannel-v6.1"])
def test_routes_into_a_tunnel_that_flannel_left_are_taken_over_though_no_tunnel_is_wanted_any_more(link: str) -> None:
    host_gw = replace(DOMAIN, links=frozenset(("eth0",)))
    tunnel = replace(ROUTE, link=link, protocol=3)
    stale = replace(tunnel, destination=ip_network("172.7.23.0/24"), gateway=ip_address("172.7.23.0"))
    assert diff(routes(tunnel, stale), routes(DIRECT), host_gw) == (put(DIRECT, tunnel), delete(stale))
    assert obstacles(routes(tunnel), routes(DIRECT), host_gw) == ()


@pytest.mark.parametrize(
    "other",
    [
        replace(ROUTE, protocol=3, link="flannel1"),
        replace(ROUTE, protocol=3, link="flannel.1", onlink=False),
        replace(ROUTE, protocol=3, link="flannel.1", gateway=ip_address("172.7.22.1")),
    ],
)
def test_a_route_into_what_only_looks_like_flannel_s_tunnel_is_left(other: Route) -> None:
    assert diff(routes(other), NetState(), replace(DOMAIN, links=frozenset(("eth0",)))) == ()


@pytest.mark.parametrize(
    "other",
    [
        replace(FLANNEL, destination=ip_network("172.7.22.0/25")),
        replace(FLANNEL, destination=ip_network("172.8.22.0/24")),
        replace(FLANNEL, destination=ip_network("fd00:7:0:22::/64"), gateway=None),
        replace(FLANNEL, gateway=None),
        replace(FLANNEL, link="eth1"),
        replace(FLANNEL, metric=20),
        replace(FLANNEL, protocol=16),
    ],
)
def test_what_is_not_in_every_way_like_flannel_s_is_left(other: Route) -> None:
    assert diff(routes(other), NetState(), DOMAIN) == ()


def test_without_a_domain_only_the_own_number_counts() -> None:
    assert diff(routes(FLANNEL), NetState()) == ()
    assert diff(routes(DIRECT), NetState()) == (delete(DIRECT),)
    assert obstacles(routes(FLANNEL), routes(DIRECT)) == (FLANNEL,)


def test_of_several_own_routes_with_one_key_none_is_left_beside_the_right_one() -> None:
    first, second = replace(DIRECT, gateway=ip_address("10.4.7.1")), replace(DIRECT, gateway=ip_address("10.4.7.2"))
    assert diff(routes(first, second), routes(DIRECT)) == (put(DIRECT, first), delete(first), delete(second))
    assert diff(routes(first, DIRECT), routes(DIRECT)) == (delete(first),)


def test_the_order_is_the_same_whatever_the_sets_are() -> None:
    subnets = [ip_network("172.7.22.0/24"), ip_network("172.7.100.0/24"), ip_network("fd00:7:0:22::/64")]
    many = [Route(one, None, "eth0") for one in subnets]
    assert diff(NetState(), routes(*reversed(many))) == put_all(*many)
    assert diff(routes(*many), NetState()) == tuple(delete(one) for one in many)

from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network
from itertools import permutations

from natfix.routing.backends import Finding, Peering, backend_of
from natfix.routing.difference import diff
from natfix.routing.lease import Lease
from natfix.routing.state import FdbEntry, LinkAddress, NetState, VxlanDevice
from natfix.routing.subnet import Subnet
from natfix.routing.union import entries, gather, place, unite
from tests.unit.routing.peers import HERE, LINKS, config, lease, subnet

BACKEND = backend_of(config('{"Type": "vxlan"}'), HERE)
MAC = "02:00:00:00:04:99"
DEVICE = VxlanDevice("flannel.1", 1, "eth0", ip_address("10.4.7.21"), 8472, 1450, MAC)


def peer(number: int, mac: str = MAC) -> Lease:
    return lease(number, "vxlan", f"10.4.7.{number}", data={"VNI": 1, "VtepMAC": mac})


def asked(*leases: Lease) -> list[tuple[Subnet, Peering]]:
    return [(one.subnet, BACKEND.peer(one, LINKS)) for one in leases]


def test_peers_that_want_different_things_get_them_all() -> None:
    first, second = asked(peer(22), peer(23, "02:00:00:00:04:23"))
    union = unite(BACKEND.own(), [second, first])
    assert union.state == BACKEND.own() | first[1].state | second[1].state
    assert (dict(union.peers), union.findings) == (dict([first, second]), ())


def test_of_two_hosts_with_one_mac_the_first_subnet_has_it_in_whatever_order_they_come() -> None:
    leases = (peer(22), peer(23), peer(24))
    unions = [unite(BACKEND.own(), asked(*order)) for order in permutations(leases)]
    assert all(union == unions[0] for union in unions)
    assert unions[0].state.fdb == {FdbEntry("flannel.1", MAC, ip_address("10.4.7.22"))}
    assert [finding.problem for finding in unions[0].findings] == [
        f"the host with 172.7.23.0/24 at 10.4.7.23 has the same tunnel MAC {MAC} as the host with 172.7.22.0/24",
        f"the host with 172.7.24.0/24 at 10.4.7.24 has the same tunnel MAC {MAC} as the host with 172.7.22.0/24",
    ]
    assert "machine-id" in unions[0].findings[0].hint
    assert diff(unions[0].state, unions[-1].state, BACKEND.domain) == ()


def test_a_peer_that_loses_a_place_keeps_the_others_and_what_was_wrong_before() -> None:
    (before, known) = asked(peer(23))[0]
    known = replace(known, finding=Finding(before, "something", "Mend it."))
    left = unite(NetState(), [*asked(peer(22)), (before, known)]).peers[before]
    assert left.state == replace(known.state, fdb=frozenset())
    assert left.finding is not None
    assert left.finding.problem.startswith("something; the host with 172.7.23.0/24 at 10.4.7.23 has the same")
    assert left.finding.hint.startswith("Mend it. Was one host")


def test_what_this_host_has_comes_first() -> None:
    fdb = FdbEntry("flannel.1", MAC, ip_address("10.4.7.1"))
    (finding,) = unite(NetState(fdb=frozenset((fdb,))), asked(peer(22))).findings
    assert finding.problem.endswith(f"the same tunnel MAC {MAC} as this host")


def test_of_two_leases_that_want_one_route_the_first_has_it() -> None:
    dual = replace(peer(22), subnet=Subnet.of([*subnet(22).networks, ip_network("fd00:7:0:22::/64")]))
    twin = replace(peer(22), subnet=Subnet.of([*subnet(22).networks, ip_network("fd00:7:0:23::/64")]))
    state = BACKEND.peer(peer(22), LINKS).state
    (route,) = state.routes
    other = NetState(routes=frozenset((replace(route, gateway=ip_address("172.7.22.9")),)))
    union = unite(NetState(), [(twin.subnet, Peering(other)), (dual.subnet, Peering(state))])
    assert union.state.routes == {route}
    (finding,) = union.findings
    assert "wants what the host with 172.7.22.0/24" in finding.problem
    assert finding.hint == "Release one of the two leases."


def test_each_kind_has_its_place_and_a_state_is_its_entries() -> None:
    address = LinkAddress("flannel.1", ip_interface("172.7.21.0/32"))
    state = BACKEND.peer(peer(22), LINKS).state | NetState(frozenset((DEVICE,)), frozenset((address,)))
    assert gather(entries(state)) == state
    assert len({place(entry) for entry in entries(state)}) == len(list(entries(state)))
    assert place(DEVICE) == place(replace(DEVICE, mtu=1400))

from ipaddress import ip_address, ip_interface, ip_network

from natfix.routing.state import PROTOCOL, FdbEntry, LinkAddress, Neighbour, NetState, Operation, Route, VxlanDevice

DEVICE = VxlanDevice("flannel.1", 1, "eth0", ip_address("10.4.7.21"), 8472, 1450, "02:00:00:00:00:21")
ADDRESS = LinkAddress("flannel.1", ip_interface("172.7.21.0/32"))
NEIGHBOUR = Neighbour("flannel.1", ip_address("172.7.22.0"), "02:00:00:00:00:22")
ENTRY = FdbEntry("flannel.1", "02:00:00:00:00:22", ip_address("10.4.7.22"))
ROUTE = Route(ip_network("172.7.22.0/24"), ip_address("172.7.22.0"), "flannel.1", onlink=True)


def test_the_union_holds_everything_of_both() -> None:
    below = NetState(frozenset((DEVICE,)), frozenset((ADDRESS,)), fdb=frozenset((ENTRY,)))
    above = NetState(routes=frozenset((ROUTE,)), neighbours=frozenset((NEIGHBOUR,)))
    whole = NetState(
        frozenset((DEVICE,)), frozenset((ADDRESS,)), frozenset((ROUTE,)), frozenset((NEIGHBOUR,)), frozenset((ENTRY,))
    )
    assert below | above == above | below == whole
    assert NetState() | whole == whole


def test_a_route_bears_the_number_of_natfix_and_a_device_is_up_unless_it_is_said() -> None:
    assert ROUTE.protocol == PROTOCOL == 110
    assert DEVICE.up
    assert Operation(put=True, entry=ROUTE).replaces is None

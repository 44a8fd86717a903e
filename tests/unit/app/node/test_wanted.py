"""What the kernel shall have: one lease at a time, and always the same whole."""

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from hypothesis import given
from hypothesis import strategies as st

from natfix.app.node.wanted import Wanted
from natfix.routing.state import Entry, FdbEntry, LinkAddress, Neighbour, NetState, Route, VxlanDevice
from natfix.routing.subnet import Subnet
from natfix.routing.union import entries, place

DEVICE = VxlanDevice("flannel.1", 1, "eth0", IPv4Address("10.4.7.21"), 8472, 1450, "0e:00:00:00:00:21")
OWN = NetState(
    devices=frozenset({DEVICE}),
    addresses=frozenset({LinkAddress("flannel.1", IPv4Interface("172.7.21.0/32"))}),
)


def subnet(number: int) -> Subnet:
    return Subnet(IPv4Network(f"172.7.{number}.0/24"))


def peer(number: int, mac: int, host: int) -> NetState:
    address = IPv4Address(f"172.7.{number}.0")
    return NetState(
        routes=frozenset({Route(IPv4Network(f"172.7.{number}.0/24"), address, "flannel.1", onlink=True)}),
        neighbours=frozenset({Neighbour("flannel.1", address, f"0e:00:00:00:00:{mac:02x}")}),
        fdb=frozenset({FdbEntry("flannel.1", f"0e:00:00:00:00:{mac:02x}", IPv4Address(f"10.4.7.{host}"))}),
    )


def test_one_changed_peer_tells_what_differs_and_nothing_else() -> None:
    wanted = Wanted(OWN)
    wanted.change([(subnet(number), peer(number, number, number)) for number in range(1, 20)])
    before, after = wanted.change([(subnet(7), peer(7, 0x77, 7))])
    old, new = peer(7, 7, 7), peer(7, 0x77, 7)
    assert (before.routes, after.routes) == (frozenset(), frozenset())
    assert (before.neighbours, after.neighbours) == (old.neighbours, new.neighbours)
    assert (before.fdb, after.fdb) == (old.fdb, new.fdb)
    assert wanted.change([(subnet(7), new)]) == (NetState(), NetState())
    assert wanted.change([(subnet(99), None)]) == (NetState(), NetState())


def test_the_whole_is_kept_while_nothing_changes() -> None:
    wanted = Wanted(OWN)
    wanted.change([(subnet(1), peer(1, 1, 1))])
    assert wanted.whole == OWN | peer(1, 1, 1)
    assert wanted.whole is wanted.whole
    assert subnet(1) in wanted
    assert subnet(2) not in wanted
    assert len(wanted) == 5


def test_two_peers_with_one_mac_take_turns_and_the_first_subnet_has_it() -> None:
    wanted = Wanted(OWN)
    wanted.change([(subnet(2), peer(2, 9, 2))])
    before, after = wanted.change([(subnet(1), peer(1, 9, 1))])
    assert (before.fdb, after.fdb) == (peer(2, 9, 2).fdb, peer(1, 9, 1).fdb)
    before, after = wanted.change([(subnet(3), peer(3, 9, 3))])
    assert before.fdb == after.fdb == peer(1, 9, 1).fdb
    before, after = wanted.change([(subnet(1), None)])
    assert (before.fdb, after.fdb) == (peer(1, 9, 1).fdb, peer(2, 9, 2).fdb)
    wanted.change([(subnet(3), None)])
    before, after = wanted.change([(subnet(2), None)])
    assert (before.fdb, after.fdb) == (peer(2, 9, 2).fdb, frozenset())
    assert wanted.whole == OWN


def test_what_this_host_has_itself_goes_before_every_peer() -> None:
    taken = LinkAddress("flannel.1", IPv4Interface("172.7.21.0/32"))
    wanted = Wanted(NetState())
    wanted.change([(subnet(5), NetState(addresses=frozenset({taken})))])
    _, after = wanted.change([(None, OWN)])
    assert after == OWN
    wanted.change([(subnet(5), None)])
    assert wanted.whole == OWN


def test_the_route_to_a_network_is_found() -> None:
    wanted = Wanted(OWN)
    wanted.change([(subnet(7), peer(7, 7, 7))])
    (route,) = peer(7, 7, 7).routes
    assert wanted.route_to(route.destination) == route
    assert wanted.route_to(route.destination, 5) is None
    assert wanted.route_to(IPv4Network("172.7.8.0/24")) is None


STATES = st.none() | st.builds(peer, st.integers(1, 4), st.integers(1, 3), st.integers(1, 3))
STEPS = st.lists(st.dictionaries(st.integers(1, 4).map(subnet), STATES, max_size=3), max_size=12)


@given(STEPS)
def test_any_steps_lead_to_the_whole_that_their_end_alone_leads_to(steps: list[Mapping[Subnet, NetState | None]]) -> None:
    stepwise, last = Wanted(OWN), dict[Subnet, NetState]()
    known: dict[object, Entry] = {place(entry): entry for entry in entries(OWN)}
    for step in steps:
        before, after = stepwise.change(step.items())
        for peer_, state in step.items():
            last.pop(peer_, None)
            if state is not None:
                last[peer_] = state
        # Whoever takes away what was there before and puts what is wanted now has the whole.
        for entry in entries(before):
            assert known.pop(place(entry)) == entry
        known.update({place(entry): entry for entry in entries(after)})
    at_once = Wanted(OWN)
    at_once.change(last.items())
    assert stepwise.whole == at_once.whole
    assert set(known.values()) == set(entries(stepwise.whole))

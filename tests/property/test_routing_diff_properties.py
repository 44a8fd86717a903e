"""diff then apply is identity: on a kernel's twin that refuses what a kernel refuses, from any state to any other."""

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from natfix.host.memory.forwarding import after
from natfix.routing.difference import Domain, diff, obstacles
from natfix.routing.links import Link, Links, Way
from natfix.routing.state import FdbEntry, LinkAddress, Neighbour, NetState, Operation, Route, VxlanDevice

NETWORK = ip_network("172.7.0.0/16")
DOMAIN = Domain(frozenset([(NETWORK, 24)]), frozenset(("eth0", "flannel.1")))
HOST = Links(
    (Link("eth0", 1500, (ip_interface("10.4.7.21/24"),)), Link("eth1", 1500)), (Way(ip_network("10.4.7.0/24"), None, "eth0"),)
)
MACS = ("02:00:00:00:00:01", "02:00:00:00:00:02")
PEERS = range(1, 5)

devices = st.builds(
    VxlanDevice,
    st.just("flannel.1"),
    st.sampled_from((1, 2)),
    st.sampled_from(("eth0", "eth1")),
    st.just(ip_address("10.4.7.21")),
    st.just(8472),
    st.sampled_from((1450, 1400)),
    st.sampled_from(MACS),
    learning=st.booleans(),
    up=st.booleans(),
)
addresses = st.builds(LinkAddress, st.just("flannel.1"), st.sampled_from([ip_interface(f"172.7.{one}.0/32") for one in PEERS]))
neighbours = st.builds(
    Neighbour, st.just("flannel.1"), st.sampled_from([ip_address(f"172.7.{one}.0") for one in PEERS]), st.sampled_from(MACS)
)
entries = st.builds(
    FdbEntry, st.just("flannel.1"), st.sampled_from(MACS), st.sampled_from([ip_address(f"10.4.7.{one}") for one in PEERS])
)
direct = st.builds(
    Route,
    st.sampled_from([ip_network(f"172.7.{one}.0/24") for one in PEERS]),
    st.sampled_from([ip_address(f"10.4.7.{one}") for one in PEERS]),
    st.just("eth0"),
)
through = st.builds(
    Route,
    st.sampled_from([ip_network(f"172.7.{one}.0/24") for one in PEERS]),
    st.sampled_from([ip_address(f"172.7.{one}.0") for one in PEERS]),
    st.just("flannel.1"),
    onlink=st.just(True),  # noqa: FBT003  (a strategy of one value)
)
others = st.builds(replace, direct, protocol=st.sampled_from((3, 4, 16)), metric=st.sampled_from((0, 100)))


def states(routes: st.SearchStrategy[Route]) -> st.SearchStrategy[NetState]:
    """States in which every key is there once, and nothing is on a device that is not there or down."""
    return st.builds(
        _state,
        st.lists(devices, max_size=1),
        st.lists(addresses, max_size=2),
        st.lists(routes, max_size=5, unique_by=lambda route: (route.destination, route.metric)),
        st.lists(neighbours, max_size=4, unique_by=lambda one: one.address),
        st.lists(entries, max_size=2, unique_by=lambda one: one.mac),
    )


def _state(*parts: Iterable[Any]) -> NetState:
    state = NetState(*(frozenset(part) for part in parts))
    if not state.devices:
        return NetState(routes=frozenset(one for one in state.routes if one.link != "flannel.1"))
    if not all(device.up for device in state.devices):
        routes = frozenset(one for one in state.routes if one.link != "flannel.1")
        return replace(state, routes=routes, neighbours=frozenset())
    return state


def apply(state: NetState, operations: Iterable[Operation]) -> NetState:
    for operation in operations:
        state = after(state, HOST, operation)
    return state


@settings(max_examples=300)
@given(states(direct | through | others), states(direct | through))
def test_diff_then_apply_gives_what_is_wanted_and_leaves_what_is_foreign(actual: NetState, desired: NetState) -> None:
    found = apply(actual, diff(actual, desired, DOMAIN))
    blocked = {(route.destination, route.metric) for route in obstacles(actual, desired, DOMAIN)}
    foreign = {route for route in actual.routes if not DOMAIN.owns(route)}
    wanted = {route for route in desired.routes if (route.destination, route.metric) not in blocked}
    assert found == replace(desired, routes=frozenset(foreign | wanted))
    assert diff(found, desired, DOMAIN) == ()


@given(states(direct | through), states(direct | through))
def test_a_route_that_stays_or_moves_is_there_at_every_step_unless_its_device_is_made_anew(
    actual: NetState, desired: NetState
) -> None:
    operations = diff(actual, desired, DOMAIN)
    if any(not one.put and isinstance(one.entry, VxlanDevice) for one in operations if desired.devices):
        return
    kept = {route.destination for route in actual.routes} & {route.destination for route in desired.routes}
    state = actual
    for operation in operations:
        if isinstance(operation.entry, VxlanDevice) and not operation.entry.up:
            return
        state = after(state, HOST, operation)
        assert kept <= {route.destination for route in state.routes}


@given(states(direct | through | others))
def test_from_a_state_to_itself_there_is_nothing_to_do(state: NetState) -> None:
    assert diff(state, state, DOMAIN) == ()

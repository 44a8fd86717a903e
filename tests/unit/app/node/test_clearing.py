"""What the agent would do is told beforehand, and what it did is taken away afterwards."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest

from natfix.app.node.clearing import Place, clear
from natfix.app.node.interface import InterfaceWish
from natfix.app.node.rehearsal import Ground, rehearse
from natfix.app.node.rule_keeping import RuleKeeper, RuleWish, wanted_chains
from natfix.errors import HostError
from natfix.host.memory.hook_tables import MemoryHookTables
from natfix.host.memory.leases import MemoryLeaseStore
from natfix.report.changes import ChangeResult
from natfix.routing.network import NetworkConfig
from natfix.routing.state import FLANNEL_PROTOCOL, Route
from natfix.ruleset import Family
from tests.unit.app.node.stage import HOST_GW, OWN, SEED, VXLAN, Stage, direct_route, play, subnet, vxlan

WISH = InterfaceWish()


def planned(stage: Stage) -> ChangeResult:
    return rehearse(Ground(stage.store, stage.plane, stage.files, lambda _: 0), stage.orders, SEED)


def test_a_start_is_told_beforehand_and_writes_nothing() -> None:
    stage = Stage(store=MemoryLeaseStore(VXLAN))
    stage.join(22, vxlan(22))
    stage.store.reserve(subnet(30))
    before = stage.store.snapshot()
    result = planned(stage)
    assert (result.verb, result.done, result.notes) == ("node run", False, ())
    store, file, kernel = result.changes
    assert store.diff[2] == "+172.7.21.0/24 for 10.4.7.21 (address), over eth0"
    assert "+FLANNEL_SUBNET=172.7.21.1/24" in file.diff
    assert kernel.diff[2].startswith("+link flannel.1 type vxlan id 1 local 10.4.7.21 dev eth0")
    assert kernel.diff[-1] == "+route 172.7.22.0/24 via 172.7.22.0 dev flannel.1 onlink"
    assert stage.store.snapshot() == before
    assert stage.plane.batches == []
    assert stage.files.contents == {}


def test_a_start_that_changes_nothing_but_the_lease_says_so_and_what_is_stale_goes_later() -> None:
    stage = Stage()
    stage.join(22)
    play(stage)
    assert [change.place for change in planned(stage).changes] == ["lease store"]
    stage.plane.state = replace(stage.plane.state, routes=stage.plane.state.routes | {direct_route(40)})
    result = planned(stage)
    assert result.changes[1].diff[2:] == ("-route 172.7.40.0/24 via 10.4.7.40 dev eth0",)
    assert result.notes == ("what no lease wants is removed 30 s after the start",)


def test_what_keeps_a_start_from_happening_is_an_error() -> None:
    with pytest.raises(HostError, match="no network is configured"):
        planned(Stage(store=MemoryLeaseStore()))
    text = '{"Network": "172.7.0.0/16", "SubnetMin": "172.7.40.0", "SubnetMax": "172.7.40.0", "Backend": {"Type": "host-gw"}}'
    full = Stage(store=MemoryLeaseStore(text))
    full.join(40)
    with pytest.raises(HostError, match="no subnet is left"):
        planned(full)


def test_everything_the_agent_made_is_taken_away_and_nobody_elses() -> None:
    stage = Stage(store=MemoryLeaseStore(VXLAN))
    stage.join(22, vxlan(22))
    play(stage)
    foreign = Route(IPv4Network("172.7.50.0/24"), IPv4Address("10.4.7.1"), "eth0", protocol=4)
    stage.plane.state = replace(stage.plane.state, routes=stage.plane.state.routes | {foreign})
    tables = MemoryHookTables()
    chains = wanted_chains(NetworkConfig.parse(HOST_GW), OWN, RuleWish(masquerade=True), fully_random=True)[Family.IPV4]
    RuleKeeper(tables, chains, lambda script: None).settle()
    place = Place(stage.store, stage.plane, [tables])
    plan = clear(place, WISH, dry_run=True)
    assert not plan.done
    assert stage.plane.state.devices
    done = clear(place, WISH)
    assert done == replace(plan, done=True)
    assert [change.place for change in done.changes] == ["routes and tunnels", "iptables-nft", "iptables-nft", "lease store"]
    assert stage.plane.state.devices == frozenset()
    assert stage.plane.state.routes == {foreign}
    assert tables.read("nat", ("NATFIX-POSTRTG",)).chain("NATFIX-POSTRTG") is None
    assert [lease.subnet for lease in stage.store.snapshot().leases] == [subnet(22)]
    again = clear(place, WISH)
    assert (again.done, again.changes, len(again.notes)) == (False, (), 1)


def test_a_tunnel_that_flannels_routes_lead_over_stays() -> None:
    stage = Stage(store=MemoryLeaseStore(VXLAN))
    stage.join(22, vxlan(22))
    play(stage)
    flannels = frozenset(replace(route, protocol=FLANNEL_PROTOCOL) for route in stage.plane.state.routes)
    stage.plane.state = replace(stage.plane.state, routes=flannels)
    before = stage.plane.state
    stage.store.go_away()
    result = clear(Place(stage.store, stage.plane, ()), WISH)
    assert (result.done, stage.plane.state) == (False, before)
    assert "no lease is let go" in result.notes[0]

"""The agent on twins: what the kernel has follows the leases, whatever happens to the store."""

from ipaddress import IPv4Network

import pytest

from natfix.app.node import metrics
from natfix.app.node.news import Broken, Stop
from natfix.errors import ConflictError
from natfix.host.memory.leases import MemoryLeaseStore
from tests.unit.app.node.stage import (
    HOST_GW,
    OWN,
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
    assert stage.told("node-ready") == ["1 peer is routed to, 0.000 s after the start"]
    health = player.agent.health()
    assert (health.alive, health.missing) == (True, "")
    assert [stage.meter.value(one) for one in (metrics.PEERS, metrics.LEASES, metrics.STORE_UP)] == [1, 3, 1]


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
    assert "status: 61 peers are routed to" in stage.notifier.told
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
    assert stage.meter.value(metrics.STORE_UP) == 0
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
    assert stage.meter.value(metrics.DOUBTFUL) == 3
    for number in (22, 23):
        stage.join(number)
        player.play(5)
    assert stage.plane.batches == []
    assert "this host has 172.7.21.0/24 (retaken)" in stage.told("node-leased")
    assert any("configuration is gone" in text for text in stage.told("node-remark"))
    player.play(30)
    assert stage.routes() == {direct_route(22), direct_route(23)}


def test_a_peers_new_mac_takes_the_place_of_the_old_one() -> None:
    stage = Stage(store=MemoryLeaseStore(VXLAN))
    lease = stage.join(22, vxlan(22))
    player = play(stage)
    stage.store.renew(lease, vxlan(22, mac=0x99), seconds=100)
    player.play()
    assert {one.mac for one in stage.plane.state.fdb} == {"0e:00:00:00:00:99"}
    assert {one.mac for one in stage.plane.state.neighbours} == {"0e:00:00:00:00:99"}


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
    assert stage.meter.value(metrics.RIVALS) == 1


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


def test_a_defect_in_a_thread_ends_the_agent() -> None:
    player = play(Stage())
    with pytest.raises(ZeroDivisionError):
        player.agent.turn([Broken(ZeroDivisionError())])


def test_it_ends_when_it_is_told_to_and_leaves_everything() -> None:
    stage = Stage()
    stage.join(22)
    player = play(stage)
    stage.inbox.put(Stop())
    player.agent.run()
    assert stage.routes() == {direct_route(22)}
    assert len(stage.store.snapshot().leases) == 2
    assert stage.told("node-stopped") == ["told to end; routes, lease and rules are left as they are"]

from dataclasses import replace

import pytest

from natfix.app.apply import apply_change, preview
from natfix.app.cluster import Cluster
from natfix.app.planning import plan_change
from natfix.errors import RulesetSyntaxError, UnsupportedError, UsageError
from natfix.host.memory.filtering import MemoryFilters
from natfix.host.memory.nft import MemoryNftListing
from natfix.ruleset import parse_network
from tests.unit.app.test_native import listing
from tests.unit.app.twins import (
    BROAD,
    BROAD6,
    CLUSTER4,
    CORRECTED,
    LEGACY4,
    NFT4,
    NFT6,
    OTHER,
    RULES4,
    RULES6,
    Host,
    host,
    nat,
    wishes,
)

FILTER = b"*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n"
GUESS = Cluster((parse_network("172.7.0.0/16"),), "1 route to a peer", guessed=True)


@pytest.fixture
def docker() -> Host:
    return host()


def test_a_host_without_tables_needs_no_cluster_and_nothing_is_done() -> None:
    empty = host()
    empty.tables.clear()
    assert not plan_change(empty.machine, wishes())


def test_no_persist_plans_no_file_and_looks_at_none(docker: Host) -> None:
    docker.files.contents[RULES4] = b"this is no ruleset\n"
    planned = plan_change(docker.machine, wishes(persist=False))
    assert (len(planned.changes), planned.files, planned.notes) == (1, (), ())


def test_persist_alone_saves_what_stands_in_the_kernel_and_leaves_that(docker: Host) -> None:
    assert preview(docker.machine, wishes(kernel=False)).changes == ()
    apply_change(docker.machine, wishes(persist=False))
    apply_change(docker.machine, wishes(kernel=False), "persist")
    assert CORRECTED in docker.saved()
    assert docker.table.specs == [CORRECTED]


def test_persist_corrects_the_broad_rule_of_a_file_by_the_cluster_it_is_told(docker: Host) -> None:
    apply_change(docker.machine, wishes(persist=False))
    docker.files.contents[RULES4] = nat(BROAD).encode()
    with pytest.raises(UsageError, match="only guessed"):
        plan_change(docker.machine, wishes(GUESS, kernel=False))
    apply_change(docker.machine, wishes(kernel=False), "persist")
    assert docker.saved() == nat(CORRECTED)


def test_without_a_service_that_restores_a_file_none_is_written_and_that_is_said(docker: Host) -> None:
    docker.saves = False
    result = apply_change(docker.machine, wishes())
    assert [change.place for change in result.changes] == ["iptables-nft"]
    assert "none is written" in result.notes[0]


def test_a_file_of_the_users_choice_is_written_instead(docker: Host) -> None:
    apply_change(docker.machine, wishes(file="/etc/my.rules"))
    assert (CORRECTED in docker.saved("/etc/my.rules"), RULES4 in docker.files.contents) == (True, False)


def test_one_file_for_two_families_is_refused() -> None:
    both = host(more=[(NFT6, BROAD6)])
    with pytest.raises(UsageError, match=r"/etc/my.rules is one file, and rules of both IPv4 and IPv6"):
        plan_change(both.machine, wishes(file="/etc/my.rules"))


def test_one_file_for_the_family_that_has_something_to_save_is_fine() -> None:
    both = host(OTHER, more=[(NFT6, BROAD6)])
    apply_change(both.machine, wishes(file="/etc/my.rules"))
    assert "fd07::/16" in both.saved("/etc/my.rules")
    nothing = host(OTHER, more=[(NFT6, "-o eth9 -j MASQUERADE")])
    assert not plan_change(nothing.machine, wishes(file="/etc/my.rules"))


@pytest.mark.parametrize("text", [FILTER, b"", b"\n"])
def test_a_file_without_a_nat_table_is_left_alone_until_there_is_something_to_save(text: bytes) -> None:
    plain = host(OTHER)
    plain.files.contents[RULES4] = text
    assert not plan_change(plain.machine, wishes())
    plain.table.insert(BROAD)
    apply_change(plain.machine, wishes())
    assert plain.files.contents[RULES4].startswith(text)
    assert CORRECTED in plain.saved()


def test_a_file_that_is_no_ruleset_stops_everything(docker: Host) -> None:
    docker.files.contents[RULES4] = b"echo hello\n"
    with pytest.raises(RulesetSyntaxError, match=r"rules.v4, line 1"):
        plan_change(docker.machine, wishes())


def test_rules_of_both_backends_go_into_the_one_file_of_their_family() -> None:
    second = "-s 172.7.22.0/24 -o eth9 -j MASQUERADE"
    both = host(more=[(LEGACY4, second)])
    apply_change(both.machine, wishes())
    assert both.saved().count("! -d 172.7.0.0/16") == 2


def test_a_family_without_a_known_cluster_is_left_alone() -> None:
    both = host(more=[(NFT6, BROAD6)])
    apply_change(both.machine, wishes(CLUSTER4))
    assert both.tables[1].specs == [BROAD6]
    assert RULES6 not in both.files.contents


def test_full_saves_the_whole_dump_and_names_what_that_freezes(docker: Host) -> None:
    for name in ("DOCKER", "KUBE-SVC-1", "KUBE-SVC-2", "CNI-1", "MINE"):
        docker.table.chains[name] = ()
    docker.files.contents[RULES4] = nat(OTHER).encode()
    result = apply_change(docker.machine, wishes(kernel=False, full=True), "persist")
    assert docker.files.contents[RULES4] == docker.table.dump()
    (note,) = result.notes
    assert note == f"{RULES4} freezes chains that other programs rewrite while they run: CNI-1, DOCKER, KUBE-SVC-1 and 1 more"


def test_full_writes_nothing_when_only_the_time_and_the_counters_differ(docker: Host) -> None:
    dump = docker.table.dump()
    docker.files.contents[RULES4] = b"# Generated on Mon\n" + dump.replace(b"[0:0]", b"[7:420]")
    assert not plan_change(docker.machine, wishes(kernel=False, full=True))


def test_full_does_not_mix_the_rulesets_of_two_backends() -> None:
    both = host(more=[(LEGACY4, OTHER)])
    with pytest.raises(UnsupportedError, match="iptables-nft and iptables-legacy both hold rules"):
        plan_change(both.machine, wishes(kernel=False, full=True))


def test_what_is_not_corrected_remains_to_be_told() -> None:
    stale = host(BROAD, "-s 172.17.0.0/16 ! -o docker0 -j MASQUERADE")
    planned = plan_change(stale.machine, wishes())
    assert [finding.kind.id for finding in planned.remaining] == ["NAT004"]
    assert [str(origin.networks[0]) for origin in planned.clusters] == ["172.7.0.0/16"]


def test_what_other_tables_make_a_fault_is_told_and_left_alone() -> None:
    marking = "*mangle\n:FORWARD ACCEPT [0:0]\n-A FORWARD -i docker0 -j MARK --set-xmark 0x1/0xffffffff\nCOMMIT\n"
    marked = host("-m mark --mark 0x1 -j MASQUERADE", CORRECTED)
    machine = replace(marked.machine, filters=MemoryFilters({NFT4: marking}))
    planned = plan_change(machine, wishes(persist=False))
    (finding,) = planned.remaining
    assert (str(finding.marked[0]), planned.changes) == ("rule 1 of FORWARD in mangle (iptables-nft)", ())


def test_tables_of_nft_s_own_are_followed_before_those_of_iptables() -> None:
    early = listing(("ip", "early")).replace(b'"prio": 100', b'"prio": 90')
    machine = replace(host().machine, native=MemoryNftListing(early), filters=MemoryFilters())
    planned = plan_change(machine, wishes(persist=False))
    (finding,) = planned.tables[0].looked.checked.findings
    assert str(finding.first) == "rule 1 of p in table ip early"
    assert len(planned.changes) == 1, "behind another table it would take over"
    assert len(planned.remaining) == 1


def test_what_drops_packets_is_no_business_of_a_change() -> None:
    drops = "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -d 172.7.21.2/32 ! -i docker0 -j DROP\nCOMMIT\n"
    machine = replace(host(CORRECTED).machine, filters=MemoryFilters({NFT4: drops}))
    assert plan_change(machine, wishes(persist=False)).remaining == ()

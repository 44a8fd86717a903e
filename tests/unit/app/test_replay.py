"""natfix/app/replay.py: a file in the place of its host gives the host's answers, to check, trace and prove."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from natfix.app.check import summed_up
from natfix.app.collect import Sources
from natfix.app.collected import Collected
from natfix.app.daemon import switches_of
from natfix.app.facts import FactPorts, LoadedFiles
from natfix.app.ports import Interface, Route
from natfix.app.prove import prove_host
from natfix.app.replay import CollectedHost, look_at_collected, prove_collected, trace_collected
from natfix.app.trace import Asked, asked, trace_host
from natfix.app.whole import WholeHost, look_at_whole
from natfix.audit import Catalogue, Suppression, Suppressions
from natfix.errors import BusyError, HostError, NatfixError, UnsupportedError, UsageError
from natfix.host.memory.files import MemoryFiles
from natfix.host.memory.ipsets import MemoryIpSets
from natfix.host.memory.judge import MemoryJudge
from natfix.host.memory.kernel_state import MemoryKernelState
from natfix.host.memory.network import MemoryLinks
from natfix.host.memory.nft import MemoryNftListing
from natfix.host.memory.rulesets import MemoryRulesetStore
from natfix.packets import Fate
from natfix.packets.ipset import parse_ipsets
from natfix.plan.daemon_json import DAEMON_JSON
from natfix.plan.guard_listing import read_listing
from natfix.report.document import check_document
from natfix.report.model import CheckResult
from natfix.report.proof import proof_document
from natfix.report.trace import trace_document
from natfix.ruleset import Family, parse_network
from tests.unit.app import collecting
from tests.unit.app.collecting import Refusing, collected, written
from tests.unit.app.twins import BROAD, CATALOGUE, CORRECTED, DOCKER0, ETH0, LEGACY4, NFT4, RULES4, nat

FILE = "web1.natfix"
KINDS = Catalogue(CATALOGUE)
GUARD = Path(__file__).parents[2] / "data" / "guard.json"


def file(**changes: Any) -> CollectedHost:  # noqa: ANN401  (one argument a field)
    """The file of the host, but for *changes*, as another machine reads it."""
    return CollectedHost(Collected.parse(written(collected(**changes)), FILE), FILE)


def live(sources: Sources) -> WholeHost:
    return WholeHost(
        stores=sources.stores(),
        guards=(),
        filters=sources.filters,
        native=sources.native,
        ipsets=sources.ipsets,
        links=sources.links,
        facts=FactPorts(
            sources.kernel,
            LoadedFiles(sources.saved, sources.files),
            sources.boot.order,
            lambda: switches_of(sources.files, sources.processes),
        ),
        clusters=lambda families: [each for each in sources.clusters() if each.family in families],
    )


def within(result: CheckResult) -> CheckResult:
    """A result as the file says it."""
    tables = tuple(replace(table, source=f"{FILE}: {table.source}", file=FILE) for table in result.tables)
    return replace(result, tables=tables, notes=tuple(f"{FILE}: {note}" for note in result.notes))


def check(host: CollectedHost, *cidrs: str, catalogue: Catalogue = KINDS) -> CheckResult:
    return look_at_collected(host, cidrs, catalogue)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"native": MemoryNftListing()},
        {"native": MemoryNftListing(problem="nft is not installed")},
        {"ipsets": MemoryIpSets(None)},
        {"links": MemoryLinks()},
        {"stores": lambda: (MemoryRulesetStore(NFT4, nat(BROAD)), MemoryRulesetStore(LEGACY4, nat(BROAD)))},
        {"files": MemoryFiles({f"{RULES4}/x": b""})},
        {"files": MemoryFiles({RULES4: nat(CORRECTED).encode(), DAEMON_JSON: b"{"})},
    ],
    ids=[
        "whole",
        "no tables of nft",
        "tables that nobody shows",
        "no ipset",
        "no links",
        "both variants",
        "no saved file",
        "no word of Docker",
    ],
)
def test_a_check_finds_in_the_file_what_it_finds_on_the_host(changes: dict[str, Any]) -> None:
    sources = collecting.asked(**changes)
    there = look_at_whole(live(sources), KINDS, charts=True)
    here = look_at_collected(file(**changes), (), KINDS, charts=True)
    assert check_document(here) == check_document(within(there))
    assert [table.charts for table in here.tables] == [table.charts for table in there.tables]
    assert here.findings


KUBE = "-j KUBE-POSTROUTING"
SETTINGS = {
    "net.ipv4.ip_forward": "0",
    "net.bridge.bridge-nf-call-iptables": "0",
    "net.ipv4.conf.all.rp_filter": "1",
    "net.ipv4.conf.eth0.rp_filter": "1",
}
WAYS = (Route(parse_network("172.7.0.0/16"), "10.4.7.1", "eth0"), Route(parse_network("172.7.22.0/24"), "10.9.0.22", "tun0"))


def test_what_the_kernel_counts_and_is_set_to_what_is_saved_and_what_is_started_are_judged_in_both() -> None:
    kube = nat(KUBE, CORRECTED).replace("-A", ":KUBE-POSTROUTING - [0:0]\n-A", 1)
    changes = {
        "stores": lambda: (MemoryRulesetStore(NFT4, kube), MemoryRulesetStore(LEGACY4, nat(CORRECTED))),
        "kernel": MemoryKernelState(SETTINGS, {"insert_failed": 7}),
        "links": MemoryLinks((DOCKER0, ETH0, Interface("tun0")), WAYS),
        "native": MemoryNftListing(),
    }
    for saved, expected in {
        nat(BROAD): ["SAV002", "SAV003", "SAV003"],
        kube: ["SAV001", "SAV004"],
    }.items():
        these = {**changes, "files": MemoryFiles({RULES4: saved.encode()})}
        there, here = look_at_whole(live(collecting.asked(**these)), KINDS), check(file(**these))
        assert check_document(here) == check_document(within(there))
        found = sorted(found.kind.id for found in here.findings)
        # What is about the host and no table is told once, though two tables are looked at.
        assert found == sorted(["HOS001", "HOS002", "HOS003", "HOS004", "NAT014", "NAT014", *expected])


def test_a_file_from_before_there_were_such_facts_is_judged_without() -> None:
    document = collected(kernel=MemoryKernelState(SETTINGS, {"insert_failed": 7})).to_json()
    for name in ("boot", "daemon", "settings", "counters", "saved"):
        del document[name]
    old = CollectedHost(Collected.parse(json.dumps(document).encode(), FILE), FILE)
    assert {finding.kind.area for finding in check(old).findings} == {"nat"}


def test_a_saved_file_that_cannot_be_read_is_told_in_a_note() -> None:
    notes = check(file(files=MemoryFiles({f"{RULES4}/x": b""}))).notes
    assert [note for note in notes if "not judged by" in note] == [
        f"{FILE}: not judged by saved: {RULES4}: cannot read {RULES4}: it is a directory"
    ]


def test_only_what_some_rule_looks_at_is_asked() -> None:
    class Silent(MemoryKernelState):
        def settings(self, devices: Sequence[str]) -> Mapping[str, str]:
            raise AssertionError(devices)

    sources = collecting.asked(kernel=Silent(counted={"insert_failed": 7}), native=MemoryNftListing())
    few = Catalogue(tuple(kind for kind in CATALOGUE if kind.id in {"NAT001", "NAT014"}))
    assert {found.kind.id for found in look_at_whole(live(sources), few).findings} == {"NAT001", "NAT014"}
    one = Catalogue(tuple(kind for kind in CATALOGUE if kind.id == "NAT001"))
    assert {found.kind.id for found in look_at_whole(live(sources), one).findings} == {"NAT001"}


def test_the_file_answers_every_question_that_its_host_was_asked() -> None:
    told = file().whole(()).facts.kernel
    there = collecting.asked().kernel
    assert (told.identity(), dict(told.policies())) == (there.identity(), dict(there.policies()))


def test_what_the_user_says_of_the_cluster_is_believed_first() -> None:
    (cluster, _) = check(file(), "172.0.0.0/8").clusters
    assert (str(cluster.networks[0]), cluster.origin) == ("172.0.0.0/8", "--cluster-cidr")
    assert check(file(clusters=lambda: ()), "172.7.0.0/16").findings
    with pytest.raises(UsageError, match="no cluster CIDR is known for web1"):
        summed_up([check(file(clusters=lambda: ()))])


def test_only_families_that_have_rules_are_judged_where_nft_has_none() -> None:
    one = file(stores=lambda: (MemoryRulesetStore(NFT4, nat(BROAD)),), native=MemoryNftListing())
    assert [table.family for table in check(one).tables] == [Family.IPV4]


@pytest.mark.parametrize(("name", "left"), [("web1", 0), ("web2", 1)])
def test_a_suppression_for_the_host_of_the_file_holds(name: str, left: int) -> None:
    hosts = file(stores=lambda: (MemoryRulesetStore(NFT4, nat(BROAD)),), native=MemoryNftListing())
    quiet = Suppressions((Suppression("NAT001", "known", date(2027, 1, 1), host=name),), date(2026, 1, 1))
    result = check(hosts, catalogue=Catalogue(CATALOGUE, quiet))
    assert (sum(found.kind.id == "NAT001" for found in result.findings), result.left_out) == (left, 1 - left)


@pytest.mark.parametrize(
    "error", [UnsupportedError("native rules", hint="Use nft."), BusyError("held"), HostError("no rights")]
)
def test_a_table_that_the_host_did_not_show_refuses_as_it_did_there(error: NatfixError) -> None:
    hosts = file(stores=lambda: (Refusing(NFT4, error),))
    for ask in (lambda: check(hosts), lambda: _trace(hosts), lambda: prove_collected(hosts, (), KINDS, judge=MemoryJudge())):
        with pytest.raises(type(error)) as caught:
            ask()
        assert (caught.value.message, caught.value.hint) == (f"{FILE}: {error.message}", error.hint)


def test_tables_that_iptables_did_not_show_are_told_by_nft_as_on_the_host() -> None:
    place = {"family": "ip", "table": "nat"}
    chain = {"name": "POSTROUTING", "type": "nat", "hook": "postrouting", "prio": 100, "policy": "accept"}
    rule = {"chain": "POSTROUTING", "handle": 4, "expr": [], "iptables": BROAD}
    objects = [{"table": {"family": "ip", "name": "nat"}}, {"chain": {**place, **chain}}, {"rule": {**place, **rule}}]
    mixed = MemoryNftListing(json.dumps({"nftables": objects}).encode())
    changes: dict[str, Any] = {"stores": lambda: (Refusing(NFT4, UnsupportedError("native rules")),), "native": mixed}
    hosts, sources, judge = file(**changes), collecting.asked(**changes), MemoryJudge()
    here, there = check(hosts), look_at_whole(live(sources), KINDS)
    assert check_document(replace(here, notes=())) == check_document(replace(within(there), notes=()))
    assert [table.source for table in there.tables] == ["table ip nat (nft)"]
    assert "NAT001" in {found.kind.id for found in here.findings}
    assert there.notes[0] == "iptables-nft: native rules; nft told its tables"
    traced = trace_host(asked("172.7.21.2", "172.7.22.2"), sources.stores(), sources.links, None, sources.native)
    assert (traced.trace.ends[0].fate, traced.notes[0]) == (Fate.SOURCE_NAT, there.notes[0])
    assert _trace(hosts)["ends"][0]["fate"] == "source-nat"
    proved = prove_collected(hosts, (), KINDS, judge=judge)
    assert [(table.backend, proof.verdict) for table in proved.tables for proof in table.proofs] == [("nft", "agrees")]
    assert judge.trials[0].replacing == (f"iptables-nft -t nat -R POSTROUTING 1 {rule['iptables']}",)


def test_of_iptables_legacy_nft_knows_nothing() -> None:
    refusing = Refusing(LEGACY4, UnsupportedError("no such words"))
    with pytest.raises(UnsupportedError, match="no such words"):
        look_at_whole(live(collecting.asked(stores=lambda: (refusing,))), KINDS)
    silent = MemoryNftListing(problem="nft is not installed")
    nft4 = Refusing(NFT4, UnsupportedError("native rules"))
    with pytest.raises(UnsupportedError, match="native rules"):
        look_at_whole(live(collecting.asked(stores=lambda: (nft4,), native=silent)), KINDS)


def test_a_host_without_iptables_or_links_refuses_as_it_did() -> None:
    def nothing() -> Sequence[MemoryRulesetStore]:
        raise HostError("iptables is not installed")

    class Silent(MemoryLinks):
        def interfaces(self) -> Sequence[Any]:
            raise HostError("the kernel does not answer")

    for hosts, reason in (
        (file(stores=nothing), "iptables is not installed"),
        (file(links=Silent()), "the kernel does not answer"),
    ):
        with pytest.raises(HostError, match=f"web1.natfix: {reason}"):
            check(hosts)


def test_a_file_that_holds_neither_text_nor_reason_is_refused() -> None:
    found = collected()
    bare = replace(found, rulesets=tuple(replace(each, nat=None) for each in found.rulesets))
    with pytest.raises(UsageError, match=r"web1\.natfix: iptables-nft: nat is neither told nor said to be missing"):
        check(CollectedHost(bare, FILE))


def test_a_file_changes_nothing() -> None:
    store = file().stores()[0]
    for change in (store.commit, store.rehearse):
        with pytest.raises(UnsupportedError, match=r"web1\.natfix tells of a host and cannot change it"):
            change("*nat\nCOMMIT\n")


def _trace(hosts: CollectedHost, wanted: Asked | None = None) -> dict[str, Any]:
    return trace_document(trace_collected(hosts, wanted or asked("172.7.21.2", "172.7.22.2")))


@pytest.mark.parametrize("ends", [("172.7.21.2", "172.7.22.2"), ("172.7.21.2", "172.7.99.2"), ("fd07:21::2", "fd07:22::2")])
def test_a_trace_goes_the_way_it_goes_on_the_host(ends: tuple[str, str]) -> None:
    sources, wanted = collecting.asked(), asked(*ends)
    sets = parse_ipsets(sources.ipsets.read() or "", "sets")
    there = trace_host(wanted, sources.stores(), sources.links, sets, sources.native)
    told = trace_document(replace(there, sources=tuple(f"{FILE}: {each}" for each in there.sources)))
    assert _trace(file(), wanted) == told


def test_ipsets_that_are_given_are_believed_more() -> None:
    other = parse_ipsets("create near hash:net family inet\n", "sets")
    wanted = asked("172.7.21.2", "172.7.22.2")
    mine = file(native=MemoryNftListing())
    assert trace_document(trace_collected(mine, wanted, other)) != _trace(mine, wanted)


def test_a_proof_asks_the_kernel_for_what_it_would_ask_on_the_host() -> None:
    sources, there, here = collecting.asked(), MemoryJudge(), MemoryJudge()
    host = (sources.stores(), sources.clusters(), sources.links, KINDS)
    wanted = prove_host(*host, judge=there, ipsets=sources.ipsets.read() or "", native=sources.native)
    found = prove_collected(file(), (), KINDS, judge=here)
    tables = tuple(replace(table, source=f"{FILE}: {table.source}") for table in wanted.tables)
    assert proof_document(found) == proof_document(replace(wanted, tables=tables))
    assert any(table.proofs for table in found.tables)


def test_the_guard_is_among_the_tables_of_nft() -> None:
    listing = GUARD.read_bytes()
    assert file().guards() == ()
    assert file(native=MemoryNftListing(listing)).guards() == (read_listing(json.loads(listing), Family.IPV4),)
    # Somebody has changed the table, so nobody can promise what it keeps.
    assert file(native=MemoryNftListing(listing.replace(b'"accept"', b'"drop"'))).guards() == ()


def test_what_the_guard_keeps_does_no_harm_in_the_file_either() -> None:
    sources = collecting.asked(native=MemoryNftListing(GUARD.read_bytes()))
    guarded = check(file(native=sources.native))
    assert {found.shielded_by for found in guarded.tables[0].findings if found.kind.id == "NAT001"} == {"nft table ip natfix"}

"""``natfix check`` and the kernel agree about whole hosts: what it finds is rewritten, what it does not find keeps its source.

The hosts are those of test_way_agrees.py. Here not one walk through all tables decides but what is found in each of them, as
far as packets come to it: a rule of a table that others keep from its packets may be found, and must be said to do no harm.
"""

import random
from ipaddress import ip_address, ip_interface

import pytest

from natfix.app.check import look_at_read
from natfix.app.cluster import Cluster
from natfix.app.native import look_at_native
from natfix.app.ports import Backend, Interface, Variant
from natfix.app.prove_cases import NativeTables
from natfix.app.prove_ports import Trial
from natfix.app.way import Way
from natfix.audit import Finding
from natfix.host.judge.kernel import KernelJudge
from natfix.host.memory.filtering import MemoryFilters
from natfix.host.memory.ipsets import MemoryIpSets
from natfix.host.memory.network import MemoryLinks
from natfix.nft.trial import loadable
from natfix.packets import Fate, Packet
from natfix.report.chart import packets_like
from natfix.ruleset import Family, parse, parse_network
from tests.kernel.test_walk_agrees import SEED, SETS, TABLES
from tests.kernel.test_way_agrees import ADDRESSES, Ruleset, fate_seen, listed, random_host
from tests.property.rulesets import HOSTS
from tests.unit.audit.subjects import kind

pytestmark = pytest.mark.kernel("nft", "ipset")

PACKETS = 12
# At one priority with iptables nobody tells who is asked first.
PRIORITIES = ("srcnat - 10", "srcnat - 10", "srcnat + 10")
CLUSTER = {Family.IPV4: ("10.0.0.0/8", "10.1.0.1/16"), Family.IPV6: ("fd00::/8", "fd00:1::1/32")}
KINDS = (kind("hidden-source"), kind("broad-beside-corrected"))


def random_packets(chance: random.Random, family: Family) -> tuple[Packet, ...]:
    """From containers of this host to the rest of the cluster."""
    found = []
    for _ in range(PACKETS):
        ports = [chance.choice([80, 443, 444, 1024, 65535]) for _ in "12"]
        ends = ip_address(chance.choice(HOSTS[family][:3])), ip_address(HOSTS[family][3])
        way, protocol = chance.choice(["eth0", "eth1"]), chance.choice(["tcp", "udp"])
        found.append(Packet(*ends, way, protocol, ports[0], ports[1], in_interface="docker0"))
    return tuple(found)


def findings(host: Ruleset, native: NativeTables, variant: Variant) -> list[Finding]:
    """What natfix finds on the host."""
    network, bridge = CLUSTER[host.family]
    clusters = (Cluster((parse_network(network),), "the test"),)
    backend = Backend(host.family, variant)
    nat = host.text[host.text.index("*nat") :]
    read = [(backend, parse(nat.encode(), str(backend), host.family))]
    links = MemoryLinks((Interface("docker0", "bridge", (ip_interface(bridge),)), Interface("eth0"), Interface("eth1")), ())
    way = Way.of(read, MemoryFilters({backend: host.text}), native.ruleset)
    looked = look_at_read(read, clusters, links, KINDS, ipsets=MemoryIpSets("".join(SETS.values())), way=way)
    around = (links.interfaces(), links.routes())
    looked += look_at_native(native.ruleset, clusters, KINDS, network=around, places=way.places)
    return [finding for each in looked for finding in each.checked.findings]


def told(found: list[Finding], packet: Packet) -> set[Fate]:
    """What may become of a packet, by all that was found."""
    one = packets_like(packet, Family(packet.source.version))
    alike = {True: one, False: one.having("in_interface", None)}
    mine = [
        finding
        for finding in found
        if not finding.shielded_by and any(alike[each.in_interface is not None] <= each for each in finding.packets)
    ]
    # A rule behind another one would take over; the other one can give some of these packets the address they have.
    if any(finding.certain and finding.behind is None and finding.first is None for finding in mine):
        return {Fate.SOURCE_NAT}
    return {Fate.ACCEPT, Fate.SOURCE_NAT} if mine else {Fate.ACCEPT}


@pytest.mark.parametrize("variant", ["nft", "legacy"])
def test_what_check_says_of_a_whole_host_is_what_the_kernel_does(variant: Variant) -> None:
    disagreements, seen_fates, asked, beside = [], set(), 0, 0
    for seed in range(TABLES // 4):
        chance = random.Random(SEED + 5000 + seed)  # noqa: S311 - the same hosts every time.
        host = random_host(chance, PRIORITIES)
        packets, native = random_packets(chance, host.family), listed(host.native)
        found = findings(host, native, variant)
        beside += any(finding.shielded_by or finding.marked or finding.first for finding in found)
        sets, own = "".join(SETS.values()), loadable(native.objects)
        trial = Trial(Backend(host.family, variant), host.text, packets, ADDRESSES, sets, own)
        for packet, seen in zip(packets, KernelJudge().judge(trial), strict=True):
            fate = fate_seen(packet, seen)
            # What is dropped hides nothing, and whether it passes is not what a rule for addresses is found by.
            if fate is Fate.DROP:
                continue
            asked += 1
            seen_fates.add(fate)
            if fate not in told(found, packet):
                disagreements.append(
                    f"seed {SEED + 5000 + seed}, {packet}: told {told(found, packet)}, seen {seen}, in\n"
                    f"{host.text}\n{host.native}"
                )
    assert disagreements == []
    assert seen_fates == {Fate.ACCEPT, Fate.SOURCE_NAT}
    assert asked > TABLES // 4 * PACKETS // 3
    assert beside, "no other table had a say on any of these hosts"

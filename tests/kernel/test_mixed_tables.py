"""Rules of nft inside iptables' own tables, which iptables then shows no more: nft tells them, and iptables its own words."""

from typing import Any

import pytest

from natfix.app.ports import Backend
from natfix.ruleset import Family
from tests.kernel.hosts import Host, broad, corrected
from tests.kernel.pods import CIDRS, FAMILIES, WORLD, Site
from tests.kernel.pods import site as site  # noqa: PLC0414  (a fixture is found by its name in here)
from tests.machine.machines.patience import eventually

pytestmark = pytest.mark.kernel("nft", "ipset")

# A rule with a set, of which iptables 1.8 shows that the table is "incompatible", or another rule than it is.
SETS = {
    Family.IPV4: "ip nat POSTROUTING ip saddr { 172.7.121.0/24, 172.7.150.0/24 } masquerade",
    Family.IPV6: "ip6 nat POSTROUTING ip6 saddr { fd07:121::/64, fd07:150::/64 } masquerade",
}
# What nftables' own wiki writes, in a table that iptables takes for its own.
OWN = """
table ip nat {
	chain postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		ip saddr 172.7.21.0/24 oifname "eth0" masquerade
	}
}
"""
OPAQUE = (
    '-A POSTROUTING -m comment --comment "of others" -m addrtype --src-type LOCAL -j ACCEPT',
    "-A POSTROUTING -m mark --mark 0x4000/0x4000 -j MASQUERADE --random-fully",
)


def tables(host: Host, *sources: str) -> dict[str, list[str]]:
    """For each table the rules that were found in it."""
    document = host.natfix_json("check", "--exit-zero", *sources, *CIDRS)
    return {each["source"].removeprefix(f"{sources[0]}: " if sources else ""): texts(each) for each in document["tables"]}


def texts(table: dict[str, Any]) -> list[str]:
    return [each["rule"]["text"] for each in table["findings"]]


def agreed(host: Host, *sources: str) -> set[tuple[str, str, str]]:
    """What the kernel was asked and saw; it agrees about all."""
    document = host.natfix_json("prove", *sources, *CIDRS)
    proofs = [proof for table in document["tables"] for proof in table["proofs"]]
    assert {proof["verdict"] for proof in proofs} == {"agrees"}
    return {(proof["source"], proof["said"], proof["seen"]) for proof in proofs}


def fate(host: Host, source: str, destination: str, *sources: str) -> str:
    (end,) = host.natfix_json("trace", source, destination, *sources)["ends"]
    assert end["certain"], end
    return str(end["fate"])


@pytest.mark.parametrize("family", FAMILIES)
def test_a_table_that_iptables_cannot_show_is_told_by_nft_with_iptables_words(site: Site, family: Family) -> None:
    host, backend, world = site.host, Backend(family, "nft"), WORLD[family]
    host.load(backend, *OPAQUE, f"-A POSTROUTING {corrected(backend)}")
    host.run("nft", "add", "rule", *SETS[family].split())
    assert eventually(lambda: site.seen("pod", world.remote) == world.pod)
    assert eventually(lambda: site.seen("other", world.remote) == world.node)
    name = f"table {'ip' if family is Family.IPV4 else 'ip6'} nat (nft)"
    found = tables(host)
    assert [each.partition(" { ")[0] for each in found[name]] == [f"{'ip' if family is Family.IPV4 else 'ip6'} saddr"]
    assert str(backend) not in found
    assert (fate(host, world.pod, world.remote), fate(host, world.other, world.remote)) == ("accept", "source-nat")
    # Rules that only iptables can load were loaded among the others, at their places.
    gone = {Family.IPV4: "172.7.150.2", Family.IPV6: "fd07:150::2"}[family]
    hidden = {(each, "source-nat", world.node) for each in (world.other, gone)}
    assert agreed(host) == {(world.pod, "accept", world.pod), *hidden}
    story = host.natfix("trace", world.other, world.remote, "--all")
    assert OPAQUE[0].removeprefix("-A POSTROUTING ") in story
    # Nothing is changed in such a table.
    assert "cannot show" in host.natfix("apply", *CIDRS, code=5)
    file = "/run/host.natfix"
    host.natfix("collect", "--output", file, code=1)
    assert (tables(host, file), agreed(host, file)) == (found, agreed(host))
    assert fate(host, world.other, world.remote, file) == "source-nat"


def test_a_rule_that_iptables_cannot_tell_apart_is_possible(site: Site) -> None:
    host, backend = site.host, Backend(Family.IPV4, "nft")
    host.run("ipset", "restore", data="create near hash:net\nadd near 172.7.22.0/24\n")
    host.load(backend, "-A POSTROUTING -s 172.7.21.0/24 -m set --match-set near dst -j MASQUERADE")
    host.run("nft", "add", "rule", *SETS[Family.IPV4].split())
    document = host.natfix_json("check", "--exit-zero", *CIDRS)
    doubts = [each["unknown"] for table in document["tables"] for each in table["findings"] if not each["certain"]]
    assert doubts == [['-m nft --expression "xt match set"']]


def test_a_chain_of_somebody_elses_in_the_nat_table_is_not_overlooked(site: Site) -> None:
    """iptables shows its own chains of that table, in which there is nothing."""
    host, backend = site.host, Backend(Family.IPV4, "nft")
    host.run("nft", "-f", "-", data=OWN)
    assert site.seen("pod", "172.7.22.2") == "10.4.7.21"
    rule = "ip saddr 172.7.21.0/24 oifname eth0 masquerade"
    assert tables(host) == {"iptables-nft": [], "table ip nat (nft)": [rule]}
    assert (fate(host, "172.7.21.2", "172.7.22.2"), agreed(host)) == (
        "source-nat",
        {
            ("172.7.21.2", "source-nat", "10.4.7.21"),
            # By another device than eth0.
            ("172.7.21.2", "accept", "172.7.21.2"),
            ("172.7.121.2", "accept", "172.7.121.2"),
        },
    )
    # And beside Docker's rule, which is corrected as ever.
    host.load(backend, f"-A POSTROUTING {broad(backend)}")
    host.natfix("apply", *CIDRS)
    assert host.rules(backend) == [f"-A POSTROUTING {corrected(backend)}"]
    assert tables(host)["table ip nat (nft)"] == [rule]
    assert ("172.7.21.2", "source-nat", "10.4.7.21") in agreed(host)


def test_a_listing_alone_tells_what_the_names_of_iptables_parts_tell(site: Site) -> None:
    host, backend = site.host, Backend(Family.IPV4, "nft")
    host.load(backend, OPAQUE[0], f"-A POSTROUTING {broad(backend)}")
    listing, dump = "/run/ruleset.json", "/run/dump.save"
    host.run("sh", "-c", f"nft -j list ruleset >{listing}; iptables-nft-save >{dump}")
    document = host.natfix_json("check", "--exit-zero", listing, *CIDRS)
    (finding,) = [each for table in document["tables"] for each in table["findings"]]
    assert (finding["rule"]["text"], finding["unknown"]) == (
        "oifname != docker0 ip saddr 172.7.21.0/24 counter masquerade", ['-m nft --expression "xt match addrtype"'],
    )  # fmt: skip
    # With iptables' own text beside it nothing is in doubt, and nothing is told twice.
    trace = host.natfix_json("trace", "172.7.21.2", "172.7.22.2", "-o", "eth0", listing, dump)
    assert [(each["fate"], each["certain"]) for each in trace["ends"]] == [("source-nat", True)]
    assert {each["origin"] for each in trace["stages"]} == {dump}
    assert ("172.7.21.2", "source-nat", "192.0.2.2") in agreed(host, listing, dump)

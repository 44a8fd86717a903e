"""Rules of nft that natfix once understood otherwise than the kernel: told, followed and proved as packets are treated."""

from dataclasses import dataclass
from typing import Any

import pytest

from natfix.ruleset import Family
from tests.kernel.pods import CIDRS, WORLD, Site
from tests.kernel.pods import site as site  # noqa: PLC0414  (a fixture is found by its name in here)

pytestmark = pytest.mark.kernel("nft")

WORLD4 = WORLD[Family.IPV4]
SNAT, KEPT = "source-nat", "accept"
BROAD = 'ip saddr 172.7.21.0/24 oifname != "docker0" masquerade'
# What only lets a chain be found: it hides nobody here.
APART = 'ip saddr 172.7.21.0/24 oifname "other" masquerade'
OUTSIDE = 'ip saddr 172.7.21.0/24 ip daddr != 172.7.0.0/16 oifname != "docker0" masquerade'


@dataclass(frozen=True)
class Case:
    """A table.

    Attributes:
        post: the rules of a chain for source NAT.
        fate: what becomes of a packet from the pod on docker0 to a pod of another host.
        pre: rules of a chain that is asked before.
        beside: sets, maps and chains.
        sure: whether natfix can tell; else it has to say that this may be.
        others: whether the addresses of other packets are hidden, so that a rule is told of in any case.
        family: of the table.
    """

    post: tuple[str, ...]
    fate: str
    pre: tuple[str, ...] = ()
    beside: str = ""
    sure: bool = True
    others: bool = False
    family: str = "ip"

    @property
    def text(self) -> str:
        """The table as nft reads it."""
        pre = "\n".join(self.pre)
        post = "\n".join(self.post)
        return (
            f"table {self.family} odd {{\n{self.beside}\n"
            f"chain pre {{ type filter hook prerouting priority mangle;\n{pre}\n}}\n"
            f"chain post {{ type nat hook postrouting priority srcnat;\n{post}\n}}\n}}\n"
        )


CASES = {
    # A statement that is not met ends the rule (NFT_BREAK), and with it the return that spares the cluster.
    "too-few-connections": Case(("ip saddr 172.7.21.0/24 ct count over 1000 return", BROAD), SNAT, sure=False),
    "set-is-full": Case(
        ("ip saddr 172.7.21.0/24 add @seen { ip saddr timeout 10s } return", BROAD),
        SNAT,
        beside="set seen { type ipv4_addr; flags timeout; size 1; elements = { 192.0.2.1 } }",
        sure=False,
    ),
    "set-is-limited": Case(
        ("ip saddr 172.7.21.0/24 update @slow { ip saddr limit rate over 1000/second } return", BROAD),
        SNAT,
        beside="set slow { type ipv4_addr; flags dynamic; size 1000; }",
        sure=False,
    ),
    "map-is-filled-in-nft's-own-words": Case(
        ("ip saddr 172.7.21.0/24 add @slow { ip saddr : 0x5 } return", BROAD),
        SNAT,
        beside="map slow { type ipv4_addr : mark; flags dynamic; size 1; elements = { 192.0.2.1 : 0x1 } }",
        sure=False,
    ),
    "set-is-filled-by-packets": Case(
        ("add @seen { ip saddr }", "ip saddr @seen return", BROAD),
        KEPT,
        beside="set seen { type ipv4_addr; flags dynamic; size 100; }",
        sure=False,
    ),
    # Return and goto leave the chain of the rule, wherever in the rule they stand.
    "return-of-a-map-behind-a-mark": Case(
        (OUTSIDE, "meta nfproto ipv4 meta mark 0x1 masquerade"),
        SNAT,
        pre=('meta mark set 0x1 iifname vmap { "docker0" : return }', "meta mark set 0x0"),
        family="inet",
    ),
    "goto-of-a-map-behind-a-mark": Case(
        (OUTSIDE, "meta mark 0x1 masquerade"),
        SNAT,
        pre=(
            'meta mark set 0x1 iifname vmap { "eth9" : accept, "docker0" : goto counts, "br-own" : jump counts }',
            "meta mark set 0x0",
        ),
        beside="chain counts { counter; }",
    ),
    "jump-of-a-map-behind-a-mark": Case(
        (OUTSIDE, "meta mark 0x1 masquerade"),
        KEPT,
        pre=('meta mark set 0x1 iifname vmap { "eth9" : return, "docker0" : jump counts }', "meta mark set 0x0"),
        beside="chain counts { counter; }",
    ),
    "mark-before-a-test-that-nobody-meets": Case(
        (OUTSIDE, "meta mark 0x1 masquerade"), SNAT, pre=("meta mark set 0x1 udp dport 53 accept",)
    ),
    # A packet that comes back with another mark meets no second alternative.
    "marked-on-a-way-of-a-map": Case(
        ("meta mark 0x2 masquerade", APART),
        SNAT,
        pre=("meta mark set 0x1", "meta mark vmap { 0x1 : jump second, 0x2 : jump third }"),
        beside="chain second { meta mark set 0x2; }\nchain third { meta mark set 0x3; }",
    ),
    # A map that gives nothing ends the rule.
    "map-without-the-address": Case(
        ("snat to ip saddr map @m", APART),
        KEPT,
        beside="map m { type ipv4_addr : ipv4_addr; elements = { 192.168.0.1 : 10.4.7.21 } }",
    ),
    "map-with-the-address": Case(
        ("snat to ip saddr map @m", APART),
        SNAT,
        beside="map m { type ipv4_addr : ipv4_addr; flags interval; elements = { 172.7.21.0/24 : 10.4.7.21 } }",
    ),
    "map-of-two-addresses": Case(
        ("snat to ip saddr . ip daddr map { 172.7.21.2 . 172.7.22.2 : 10.4.7.21 }", APART), SNAT
    ),
    "map-of-two-other-addresses": Case(
        ("ip saddr 172.7.21.0/24 snat to ip saddr . ip daddr map { 172.7.21.2 . 203.0.113.5 : 10.4.7.21 }",), KEPT
    ),
    "map-of-destinations-outside": Case(
        ("ip saddr 172.7.21.0/24 snat to ip daddr map { 203.0.113.5 : 10.4.7.21, 172.8.0.0/16 : 10.4.7.21 }",), KEPT
    ),
    "map-of-everything-else": Case(
        ("ip saddr 172.7.21.0/24 snat to ip daddr map { 203.0.113.5 : 192.0.2.1, * : 10.4.7.21 }",), SNAT
    ),
    "map-by-chance": Case(
        ("ip saddr 172.7.21.0/24 snat to numgen inc mod 2 map { 0 : 10.4.7.21, 1 : 10.4.7.21 }",), SNAT, sure=False
    ),
    # The key for everything else is for what meets no other key.
    "continue-beside-everything-else": Case(
        (OUTSIDE, 'oifname vmap { "eth0" : continue, * : goto b }'), KEPT, beside="chain b { masquerade; }", others=True
    ),
    "everything-else-beside-continue": Case(
        (OUTSIDE, 'oifname vmap { "eth9" : continue, * : goto b }'), SNAT, beside="chain b { masquerade; }"
    ),
    "jump-beside-everything-else": Case(
        ("ip saddr 172.7.21.0/24 ip daddr vmap { 172.7.22.0/24 : jump ok, * : jump x }", APART),
        KEPT,
        others=True,
        beside='chain ok { counter; }\nchain x { oifname != "docker0" masquerade; }',
    ),
    "continue-and-more": Case(
        ("ip saddr 172.7.21.0/24 ip daddr vmap { 172.7.22.0/24 : continue, * : accept } masquerade",), SNAT
    ),
    # Some bits of a mark are set and others kept.
    "mask-and-or": Case(
        (OUTSIDE, "meta mark & 0x00ff0000 == 0x00040000 masquerade"),
        SNAT,
        pre=('iifname "docker0" meta mark set meta mark & 0xff00ffff | 0x00040000',),
    ),
    "mask-and-xor": Case(
        (OUTSIDE, "meta nfproto ipv4 meta mark & 0x00ff0000 == 0x00040000 masquerade"),
        SNAT,
        pre=('iifname "docker0" meta mark set meta mark & 0xff00ffff ^ 0x00040000',),
        family="inet",
    ),
    "mark-of-a-map": Case(
        (OUTSIDE, "meta mark 0x1 masquerade"), SNAT, pre=("meta mark set ip saddr map { 172.7.21.0/24 : 0x1 }",)
    ),
    "no-mark-of-a-map": Case(
        (OUTSIDE, "meta mark 0x1 masquerade"),
        SNAT,
        pre=("meta mark set 0x1", "meta mark set ip saddr map { 172.8.0.0/16 : 0x2 } counter"),
    ),
    # The mark of the connection is followed as that of the packet.
    "mark-of-the-connection": Case(
        (OUTSIDE, "meta mark 0x5 masquerade"), SNAT, pre=("ct mark set 0x4", "meta mark set ct mark | 0x1")
    ),
    "mark-into-the-connection": Case(
        (OUTSIDE, "ct mark & 0xf == 0x3 masquerade"), SNAT, pre=("meta mark set 0x12", "ct mark set meta mark & 0xf ^ 0x1")
    ),
    "mark-by-chance": Case(
        (OUTSIDE, "meta mark 0x0 masquerade"), SNAT, pre=("meta mark set numgen inc mod 1",), sure=False
    ),
    # Nothing about these is in doubt.
    "protocol-of-a-family": Case((f"meta protocol ip {BROAD}",), SNAT, family="inet"),
    "protocols-of-families": Case(
        ('meta protocol { ip, ip6 } oifname != "docker0" ip saddr 172.7.21.0/24 masquerade',), SNAT, family="inet"
    ),
    "direction": Case((f"ct direction original {BROAD}",), SNAT),
    "other-direction": Case((f"ct direction reply {BROAD}",), KEPT),
    "device-and-protocol": Case(('ip saddr 172.7.21.0/24 oifname . meta l4proto { "eth0" . tcp } masquerade',), SNAT),
    "device-and-other-protocol": Case(
        ('ip saddr 172.7.21.0/24 oifname . meta l4proto { "eth0" . udp } masquerade',), KEPT, others=True
    ),
    "port-with-its-protocol": Case(
        ("ip saddr 172.7.21.0/24 ip daddr . tcp dport vmap { 172.7.22.2 . 80 : goto b }",),
        SNAT,
        beside="chain b { masquerade; }",
    ),
    "no-port-with-its-protocol": Case(
        ("ip saddr 172.7.21.0/24 ip daddr . tcp dport != { 172.7.22.2 . 80 } masquerade",), KEPT, others=True
    ),
    "state-of-a-set": Case((f"ct state != {{ established, related }} {BROAD}",), SNAT),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_rule_is_told_followed_and_proved_as_the_kernel_treats_packets(site: Site, name: str) -> None:
    case, host = CASES[name], site.host
    host.run("nft", "-f", "-", data=case.text)
    host.write("/run/nft.json", host.run("nft", "-j", "list", "ruleset").encode())
    listing = "/run/nft.json"
    ends = host.natfix_json("trace", WORLD4.pod, WORLD4.remote)["ends"]
    assert case.fate in {end["fate"] for end in ends}
    assert all(end["certain"] is case.sure for end in ends)
    for sources in ((), (listing,)):
        assert hidden_by(site, *sources) == ([case.sure] if case.fate == SNAT or case.others or not case.sure else [])
        assert {proof["verdict"] for proof in proofs(site, *sources)} <= ({"agrees"} if case.sure else {"agrees", "open"})
    assert site.seen("pod", WORLD4.remote) == {SNAT: WORLD4.node, KEPT: WORLD4.pod}[case.fate]


def hidden_by(site: Site, *sources: str) -> list[bool]:
    """For each rule that hides the pod from the pod of another host whether that is sure."""
    document = site.host.natfix_json("check", "--exit-zero", *sources, *CIDRS)
    found = [each for table in document["tables"] for each in table["findings"] if each["id"].startswith("NAT00")]
    return [each["certain"] for each in found if "other" not in each["rule"]["text"]]


def proofs(site: Site, *sources: str) -> list[dict[str, Any]]:
    document = site.host.natfix_json("prove", *sources, *CIDRS)
    return [proof for table in document["tables"] for proof in table["proofs"]]


def test_alternatives_of_one_rule_are_one_finding(site: Site) -> None:
    rule = 'ip saddr 172.7.21.0/24 oifname != "docker0" meta l4proto { tcp, udp } th dport { 53, 80-90 } masquerade'
    site.host.run("nft", "-f", "-", data=Case((rule,), SNAT).text)
    document = site.host.natfix_json("check", "--exit-zero", *CIDRS)
    (finding,) = [each for table in document["tables"] for each in table["findings"]]
    assert [packets["protocol"] for packets in finding["packets"]] == [[[6, 6], [17, 17]]]
    assert site.seen("pod", WORLD4.remote) == WORLD4.node

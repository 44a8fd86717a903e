"""natfix/plan/guard_text.py: the guard as nft reads it."""

from natfix.plan.guard_text import edits, guard_text
from natfix.ruleset import Family
from tests.unit.audit.guards import guard

TEXT = """\
table ip6 natfix {
    set subnets {
        type ipv6_addr; flags interval;
        elements = { fd07:9::/64, fd07:21::/64 }
    }
    set cluster {
        type ipv6_addr; flags interval;
        elements = { fd07::/16 }
    }
    set home-docker0 {
        type ipv6_addr; flags interval;
        elements = { fd07:21::/64 }
    }
    chain home-docker0 {
        ip6 saddr @home-docker0 accept
    }
    map homes {
        type ifname : verdict
        elements = { "lo" : accept, "docker0" : jump home-docker0 }
    }
    chain guard {
        type nat hook postrouting priority 99; policy accept;
        ip6 daddr != @cluster accept
        ip6 saddr != @subnets accept
        meta mark & 0x4000 == 0x4000 accept
        meta mark & 0x2000 == 0x2000 accept
        meta mark & 0xff0000 == 0x40000 accept
        oifname vmap @homes
        counter snat to ip6 saddr
    }
}
"""


def test_a_guard_is_one_table() -> None:
    assert guard_text(guard({"docker0": ["fd07:21::/64"], "": ["fd07:9::/64"]}, family=Family.IPV6)) == TEXT


def test_a_subnet_more_is_a_member_more() -> None:
    more = guard({"docker0": ["172.7.20.0/24", "172.7.21.0/24"]})
    assert list(edits(guard(), more)) == [
        "add element ip natfix subnets { 172.7.20.0/24 }",
        "add element ip natfix home-docker0 { 172.7.20.0/24 }",
    ]


def test_a_bridge_comes_with_a_set_a_chain_and_a_way_to_it() -> None:
    more = guard({"docker0": ["172.7.21.0/24"], "br-1": ["172.7.9.0/24"]})
    assert list(edits(guard(), more)) == [
        "add set ip natfix home-br-1 { type ipv4_addr; flags interval; }",
        "add chain ip natfix home-br-1",
        "add rule ip natfix home-br-1 ip saddr @home-br-1 accept",
        'add element ip natfix homes { "br-1" : jump home-br-1 }',
        "add element ip natfix subnets { 172.7.9.0/24 }",
        "add element ip natfix home-br-1 { 172.7.9.0/24 }",
    ]


def test_a_bridge_goes_with_all_that_is_its_own() -> None:
    more = guard({"docker0": ["172.7.21.0/24"], "br-1": ["172.7.9.0/24"]})
    assert list(edits(more, guard())) == [
        "delete element ip natfix subnets { 172.7.9.0/24 }",
        "delete element ip natfix home-br-1 { 172.7.9.0/24 }",
        'delete element ip natfix homes { "br-1" : jump home-br-1 }',
        "flush chain ip natfix home-br-1",
        "delete chain ip natfix home-br-1",
        "delete set ip natfix home-br-1",
    ]


def test_a_wider_subnet_comes_when_the_narrow_one_has_gone() -> None:
    assert list(edits(guard(cluster="172.7.0.0/17"), guard())) == [
        "delete element ip natfix cluster { 172.7.0.0/17 }",
        "add element ip natfix cluster { 172.7.0.0/16 }",
    ]

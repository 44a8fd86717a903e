"""Judge: its twin, which is natfix's own walk, and the kernel, nft and legacy, of both families."""

import json
from ipaddress import ip_address

import pytest

from natfix.app.ports import Backend, Variant
from natfix.app.prove_ports import Judge, Trial
from natfix.errors import HostError
from natfix.host.judge.kernel import KernelJudge
from natfix.host.memory.judge import MemoryJudge
from natfix.packets import Packet
from natfix.ruleset import Family
from tests.netns import command

VARIANTS: tuple[Variant, ...] = ("nft", "legacy")
POD = {Family.IPV4: "172.7.21.2", Family.IPV6: "fd07:21::2"}
PEER = {Family.IPV4: "172.7.22.2", Family.IPV6: "fd07:22::2"}
KINDS = [
    pytest.param(("memory", Backend(Family.IPV4, "nft")), id="twin"),
    pytest.param(("memory", Backend(Family.IPV6, "nft")), id="twin of IPv6"),
    *(
        pytest.param(("kernel", Backend(family, variant)), id=str(Backend(family, variant)), marks=pytest.mark.kernel)
        for family in Family
        for variant in VARIANTS
    ),
]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> tuple[str, Backend]:
    found: tuple[str, Backend] = request.param
    return found


@pytest.fixture
def judge(kind: tuple[str, Backend]) -> Judge:
    return MemoryJudge() if kind[0] == "memory" else KernelJudge()


@pytest.fixture
def backend(kind: tuple[str, Backend]) -> Backend:
    return kind[1]


def packet(
    backend: Backend, protocol: str = "tcp", port: int | None = 80, way: tuple[str, str] = ("docker0", "eth0")
) -> Packet:
    source, destination = ip_address(POD[backend.family]), ip_address(PEER[backend.family])
    return Packet(source, destination, way[1], protocol, 40000 if port else None, port, in_interface=way[0])


def nat(*rules: str, policy: str = "ACCEPT") -> str:
    return "\n".join(["*nat", ":PREROUTING ACCEPT [0:0]", f":POSTROUTING {policy} [0:0]", *rules, "COMMIT", ""])


def test_a_packet_keeps_its_source_where_no_rule_takes_it(judge: Judge, backend: Backend) -> None:
    seen = judge.judge(Trial(backend, nat("-A POSTROUTING -o docker0 -j MASQUERADE"), (packet(backend),)))
    assert list(seen) == [POD[backend.family]]


def test_each_packet_is_judged_by_itself(judge: Judge, backend: Backend) -> None:
    """A packet like one before it is no part of that one's connection."""
    ways = (("docker0", "eth0"), ("docker0", "eth1"), ("docker0", "eth0"))
    packets = tuple(packet(backend, way=way) for way in ways)
    own = {Family.IPV4: "10.4.7.21", Family.IPV6: "fd04::21"}[backend.family]
    prefix = "24" if backend.family is Family.IPV4 else "64"
    rules = nat("-A POSTROUTING -o eth0 -j MASQUERADE")
    seen = judge.judge(Trial(backend, rules, packets, {"eth0": (f"{own}/{prefix}",)}))
    assert list(seen) == [own, POD[backend.family], own]


def test_protocols_and_ports_are_as_the_packet_says(judge: Judge, backend: Backend) -> None:
    gone = "192.0.2.99" if backend.family is Family.IPV4 else "2001:db8::99"
    icmp = "icmp" if backend.family is Family.IPV4 else "icmpv6"
    rules = nat(
        f"-A POSTROUTING -p udp -m udp --dport 53 -j SNAT --to-source {gone}",
        f"-A POSTROUTING -p tcp -m tcp --sport 40000 --dport 443 -j SNAT --to-source {gone}",
        f"-A POSTROUTING -p {'icmp' if backend.family is Family.IPV4 else 'ipv6-icmp'} -j SNAT --to-source {gone}",
        f"-A POSTROUTING -p gre -j SNAT --to-source {gone}",
    )
    own = POD[backend.family]
    asked = [("udp", 53), ("udp", 54), ("tcp", 443), ("tcp", 80), (icmp, None)]
    seen = judge.judge(Trial(backend, rules, tuple(packet(backend, protocol, port) for protocol, port in asked)))
    assert list(seen) == [gone, own, gone, own, gone]


def test_a_packet_that_is_dropped_does_not_arrive(judge: Judge, backend: Backend) -> None:
    raw = "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -i docker0 -p udp -j DROP\nCOMMIT\n"
    seen = judge.judge(Trial(backend, raw + nat(), (packet(backend, "udp", 53), packet(backend))))
    assert list(seen) == [None, POD[backend.family]]


def test_marks_of_other_tables_count(judge: Judge, backend: Backend) -> None:
    gone = "192.0.2.99" if backend.family is Family.IPV4 else "2001:db8::99"
    mangle = "*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -i docker0 -j MARK --set-xmark 0x4000/0x4000\nCOMMIT\n"
    rules = mangle + nat(f"-A POSTROUTING -m mark --mark 0x4000/0x4000 -j SNAT --to-source {gone}")
    assert list(judge.judge(Trial(backend, rules, (packet(backend),)))) == [gone]


def test_tables_of_nft_are_asked_beside_those_of_iptables(judge: Judge, backend: Backend) -> None:
    family = "ip" if backend.family is Family.IPV4 else "ip6"
    gone = "192.0.2.99" if backend.family is Family.IPV4 else "2001:db8::99"
    table = {"family": family, "name": "own"}
    chain = {"family": family, "table": "own", "name": "post", "type": "nat", "hook": "postrouting", "prio": 90}
    by_number = {"match": {"op": "==", "left": {"meta": {"key": "oif"}}, "right": "eth1"}}
    rule = {"family": family, "table": "own", "chain": "post", "expr": [by_number, {"snat": {"addr": gone}}]}
    native = json.dumps({"nftables": [{"table": table}, {"chain": {**chain, "policy": "accept"}}, {"rule": rule}]}).encode()
    own = POD[backend.family]
    for rules in (nat("-A POSTROUTING -o eth0 -j ACCEPT"), ""):
        packets = (packet(backend), packet(backend, way=("docker0", "eth1")))
        assert list(judge.judge(Trial(backend, rules, packets, native=native, devices=("eth1",)))) == [own, gone]


def test_sets_are_there(judge: Judge, backend: Backend) -> None:
    family = "inet" if backend.family is Family.IPV4 else "inet6"
    sets = f"create peers hash:ip family {family}\nadd peers {PEER[backend.family]}\n"
    rules = nat("-A POSTROUTING -m set --match-set peers dst -j ACCEPT", "-A POSTROUTING -j MASQUERADE")
    seen = judge.judge(Trial(backend, rules, (packet(backend),), ipsets=sets))
    assert list(seen) == [POD[backend.family]]


def test_rules_that_cannot_be_loaded_are_told(judge: Judge, backend: Backend) -> None:
    with pytest.raises(HostError, match="cannot be loaded here"):
        judge.judge(Trial(backend, "*nat\nno rule\nCOMMIT\n", (packet(backend),)))


@pytest.mark.kernel
def test_nothing_of_the_host_changes(netns: str) -> None:
    def looked() -> tuple[str, str, str]:
        return command("ip", "-o", "address"), command("iptables-nft-save"), command("sysctl", "-n", "net.ipv4.ip_forward")

    before = looked()
    backend = Backend(Family.IPV4, "nft")
    KernelJudge().judge(Trial(backend, nat("-A POSTROUTING -j MASQUERADE"), (packet(backend),)))
    assert looked() == before

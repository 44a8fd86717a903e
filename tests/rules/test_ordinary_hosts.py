"""Ordinary hosts stay clean: whole rulesets as programs write them, on hosts whose containers are no part of the cluster."""

from pathlib import Path

import pytest

from natfix.audit import audit_table
from natfix.audit.subject import subject_of
from natfix.host.catalogue import read_catalogue
from natfix.ruleset import parse, parse_network

DUMPS = Path(__file__).parents[1] / "data" / "dumps"
CATALOGUE = read_catalogue(local="/nowhere")
ELSEWHERE = tuple(map(parse_network, ("203.0.113.0/24", "2001:db8:ffff::/48")))

DOCKER_28 = """\
*raw
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A PREROUTING -d 172.17.0.2/32 ! -i docker0 -j DROP
-A PREROUTING -d 172.18.0.2/32 ! -i br-0a1b2c3d4e5f -j DROP
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER - [0:0]
:DOCKER-BRIDGE - [0:0]
:DOCKER-CT - [0:0]
:DOCKER-FORWARD - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-ISOLATION-STAGE-2 - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-FORWARD
-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
-A DOCKER ! -i docker0 -o docker0 -j DROP
-A DOCKER ! -i br-0a1b2c3d4e5f -o br-0a1b2c3d4e5f -j DROP
-A DOCKER-BRIDGE -o docker0 -j DOCKER
-A DOCKER-BRIDGE -o br-0a1b2c3d4e5f -j DOCKER
-A DOCKER-CT -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A DOCKER-FORWARD -j DOCKER-CT
-A DOCKER-FORWARD -j DOCKER-ISOLATION-STAGE-1
-A DOCKER-FORWARD -j DOCKER-BRIDGE
-A DOCKER-FORWARD -i docker0 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-2 -o br-0a1b2c3d4e5f -j DROP
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.18.0.0/16 ! -o br-0a1b2c3d4e5f -j MASQUERADE
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A POSTROUTING -s 172.17.0.2/32 -d 172.17.0.2/32 -p tcp -m tcp --dport 80 -j MASQUERADE
-A DOCKER -i docker0 -j RETURN
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
COMMIT
"""
# The bare host of a gateway: what people write by hand.
GATEWAY = """\
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A FORWARD -i lan0 -o wan0 -j ACCEPT
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A PREROUTING -i wan0 -p tcp -m tcp --dport 443 -j DNAT --to-destination 192.168.7.2
-A POSTROUTING -s 192.168.7.0/24 -d 10.8.0.0/24 -j ACCEPT
-A POSTROUTING -o wan0 -m policy --dir out --pol ipsec -j ACCEPT
-A POSTROUTING -s 192.168.7.0/24 -o wan0 -j MASQUERADE
-A POSTROUTING -o tun0 -j MASQUERADE
COMMIT
"""


def ids(data: bytes) -> list[str]:
    ruleset = parse(data, "host.save")
    found = []
    for family in ruleset.families("nat"):
        subject = subject_of(ruleset, family, ELSEWHERE)
        assert subject is not None
        found += [finding.kind.id for finding in audit_table(subject, CATALOGUE)]
    return found


@pytest.mark.parametrize("text", [DOCKER_28, GATEWAY], ids=["docker-28", "gateway"])
def test_a_host_without_a_cluster_is_clean(text: str) -> None:
    assert ids(text.encode()) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("handmade-1.8.10-libvirt-tailscale", []),
        ("handmade-1.6.1-flannel", []),
        ("handmade-1.8.8-podman-cni", []),
        ("handmade-1.8.2-xtables-ipv6", []),
        # A text that says itself that it is half of the host's rules.
        ("handmade-1.8.4-kube-masq-agent", ["HOS004"]),
        # Two subnets for one docker0.
        ("handmade-1.4.21-docker-kube", ["NAT004"]),
    ],
)
def test_whole_rulesets_of_other_programs_say_nothing_or_what_is_true(name: str, expected: list[str]) -> None:
    assert ids((DUMPS / f"{name}.save").read_bytes()) == expected


REAL = sorted(path.name for path in DUMPS.glob("real-*.save"))


def test_there_are_rulesets_of_real_programs() -> None:
    assert len(REAL) > 5


@pytest.mark.parametrize("name", REAL)
def test_rulesets_that_real_programs_wrote_are_clean_beside_a_cluster_elsewhere(name: str) -> None:
    # What natfix had corrected there already is a second rule for the same: advice, and true.
    expected = {"NAT011"} if "noproxy" in name else set()
    assert set(ids((DUMPS / name).read_bytes())) == expected

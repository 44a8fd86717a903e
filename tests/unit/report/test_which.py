"""natfix/report/which.py: a finding that only some packets meet says which."""

import pytest

from natfix.audit import Subject, audit_table
from natfix.report.which import said
from natfix.ruleset import Family, parse, parse_network
from tests.unit.report.results import CATALOGUE

ALL = "hides the addresses of 172.7.21.0/24 from the rest of the cluster"


def message(*rules: str) -> str:
    text = "\n".join(["*nat", ":POSTROUTING ACCEPT [0:0]", *(f"-A POSTROUTING {rule}" for rule in rules), "COMMIT", ""])
    table = parse(text.encode(), "x").table("nat", Family.IPV4)
    assert table is not None
    kinds = [kind for kind in CATALOGUE if kind.id in {"NAT001", "NAT002"}]
    return said(audit_table(Subject(table, (parse_network("172.7.0.0/16"),)), kinds)[0])


PORT = "-p tcp -m tcp --dport 80 -j ACCEPT"
BROAD = "-s 172.7.21.0/24 ! -o docker0"


def test_a_finding_about_all_of_them_says_no_more() -> None:
    assert message(f"{BROAD} -j MASQUERADE") == ALL


@pytest.mark.parametrize(
    ("rules", "which"),
    [
        ([f"{BROAD} -p tcp -j MASQUERADE"], "tcp"),
        (["-d 172.7.0.0/17 -j ACCEPT", f"{BROAD} -j MASQUERADE"], "to 172.7.128.0/17"),
        (["-s 172.7.21.0/25 -j ACCEPT", f"{BROAD} -j MASQUERADE"], "from 172.7.21.128/25"),
        ([f"{BROAD} -p udp -m udp --dport 53 -j MASQUERADE"], "udp, to port 53"),
        (
            ["-p tcp -m tcp --dport 80 -j ACCEPT", f"{BROAD} -j MASQUERADE"],
            "any protocol but tcp; or tcp, to port 0-79, 81-65535",
        ),
        (["-s 172.7.21.0/24 -o tun0 -j ACCEPT", f"{BROAD} -j MASQUERADE"], "out any but docker0, lo, tun0"),
    ],
)
def test_a_finding_about_some_of_them_says_which(rules: list[str], which: str) -> None:
    assert message(*rules) == f"{ALL}; only these packets: {which}"


def test_parts_that_together_are_all_of_them_are_not_told_apart() -> None:
    # The mark that one part gets on its way changes nothing about where it ends.
    assert message("-p tcp -j MARK --set-xmark 0x1/0x1", f"{BROAD} -j MASQUERADE") == ALL


def test_of_many_sets_three_are_named() -> None:
    exempt = [f"-d 172.7.{number}.0/24 -p tcp -m tcp --dport {number} -j ACCEPT" for number in (30, 40, 50)]
    text = message(*exempt, f"{BROAD} -j MASQUERADE")
    assert text.startswith(f"{ALL}; only these packets: to ")
    assert text.count("; or ") == 3
    assert text.endswith("more sets of packets")

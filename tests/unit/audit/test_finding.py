"""natfix/audit/finding.py: findings, each with the packet that proves it."""

from dataclasses import replace

import pytest

from natfix.audit import Severity, audit_table
from natfix.audit.guard import Guard
from natfix.audit.rulefile import FixKind
from natfix.ruleset import Family
from tests.unit.audit.subjects import BROAD, CORRECTED, kind, ruleset, subject, subject_of


def test_a_finding_carries_packet_path_and_what_the_source_becomes() -> None:
    looked = subject("-s 172.7.21.0/24 -j A", chains={"A": ["-j SNAT --to-source 10.4.7.21"]})
    (finding,) = audit_table(looked, [kind()])
    assert str(finding.packet) == "tcp 172.7.21.2:40000 -> 172.7.22.2:80 out eth0"
    assert [str(rule) for rule in finding.path] == [
        "-A POSTROUTING -s 172.7.21.0/24 -j A",
        "-A A -j SNAT --to-source 10.4.7.21",
    ]
    assert finding.becomes == "10.4.7.21"
    assert (finding.certain, finding.unknown, finding.behind) == (True, (), None)


def test_without_a_host_a_masquerade_becomes_the_address_of_the_device() -> None:
    (finding,) = audit_table(subject(BROAD), [kind()])
    assert finding.becomes == "the address of eth0"


def test_on_a_host_the_packet_leaves_by_its_best_device_and_becomes_its_address() -> None:
    host = subject_of(ruleset(BROAD), bridges={"docker0": ["172.7.21.0/24"]}, devices={"ens3": "10.4.7.21", "eth0": "10.0.0.1"})
    (finding,) = audit_table(host, [kind()])
    assert finding.packet is not None
    assert (finding.packet.out_interface, finding.becomes) == ("ens3", "10.4.7.21")


def test_a_device_without_an_address_is_named_instead() -> None:
    host = subject_of(ruleset(BROAD), bridges={"docker0": ["172.7.21.0/24"]}, devices={"tun0": ""})
    (finding,) = audit_table(host, [kind()])
    assert finding.becomes == "the address of tun0"


def test_netmap_maps_the_packet_to_one_address() -> None:
    (finding,) = audit_table(subject("-s 172.7.21.0/24 -j NETMAP --to 10.4.21.0/24"), [kind()])
    assert finding.becomes == "10.4.21.2"


def test_the_packet_goes_to_another_host_where_there_is_one() -> None:
    (finding,) = audit_table(subject(BROAD, "-s 172.7.22.0/24 ! -o br-1 -j ACCEPT"), [kind()])
    assert finding.packet is not None
    assert str(finding.packet.destination) == "172.7.23.2"


def test_the_packet_goes_to_another_bridge_where_no_other_host_is() -> None:
    halves = ["172.7.21.0/25", "172.7.21.128/25"]
    (finding,) = audit_table(
        subject(*(f"-s {half} ! -o br-{number} -j {target}" for number, (half, target) in enumerate(
            zip(halves, ("MASQUERADE", "ACCEPT"), strict=True))), cluster=["172.7.21.0/24"]),
        [kind()],
    )  # fmt: skip
    assert finding.packet is not None
    assert str(finding.packet) == "tcp 172.7.21.2:40000 -> 172.7.21.130:80 out eth0"


def test_where_eth0_is_left_out_the_packet_leaves_by_eth1() -> None:
    (finding,) = audit_table(subject("-s 172.7.21.0/24 ! -o eth0 -j MASQUERADE"), [kind()])
    assert finding.packet is not None
    assert finding.packet.out_interface == "eth1"


def test_a_finding_about_words_carries_no_packet() -> None:
    (finding,) = audit_table(subject("-s 172.7.21.0/24 ! -d 0.0.0.0/0 -j MASQUERADE"), [kind("wrong-exclusion")])
    assert (finding.packet, finding.path, finding.becomes) == (None, (), "")


def test_a_possible_finding_names_what_it_depends_on() -> None:
    (finding,) = audit_table(subject("-m set --match-set cluster dst -j ACCEPT", BROAD), [kind()])
    assert not finding.certain
    assert finding.unknown == ("-m set --match-set cluster dst",)


@pytest.mark.parametrize(
    ("fix", "spec", "correctable"),
    [
        ("none", BROAD, False),
        ("exclude-cluster", BROAD, True),
        ("delete", BROAD, True),
        ("exclude-cluster", "-s 172.7.21.0/24 -m set --match-set x src -j MASQUERADE", False),
    ],
)
def test_a_finding_is_correctable_when_it_is_certain_and_has_a_fix(fix: FixKind, spec: str, correctable: bool) -> None:  # noqa: FBT001
    (finding,) = audit_table(subject(spec), [kind(fix=fix)])
    assert finding.correctable is correctable


def test_worst_findings_come_first_and_then_the_order_of_the_ruleset() -> None:
    low = replace(kind("wrong-exclusion"), id="T002", severity=Severity.LOW)
    rules = ["-s 172.3.1.0/24 ! -d 172.7.0.0/16 -j MASQUERADE", BROAD, "-s 172.7.21.0/24 -j SNAT --to-source 10.4.7.21"]
    found = audit_table(subject(*rules), [low, kind()])
    assert [(finding.kind.id, finding.rule.number) for finding in found] == [("T001", 2), ("T001", 3), ("T002", 1)]


def test_a_rule_that_several_subnets_meet_is_one_finding_the_surest() -> None:
    rules = [
        "-s 172.7.21.0/24 -m set --match-set cluster dst -j ACCEPT",
        "-s 172.7.21.0/24 ! -o docker0 -j ACCEPT",
        "-s 172.7.22.0/24 ! -o br-1 -j RETURN",
    ]
    both = [*rules[:1], "-o eth0 -j MASQUERADE", *rules[1:], "-s 172.7.1.0/24 ! -o br-2 -j RETURN"]
    (finding,) = audit_table(subject(*both), [kind("host-wide-source-nat")])
    assert (finding.certain, finding.rule.number) == (True, 2)


def test_targets_and_families_narrow_what_is_found() -> None:
    assert audit_table(subject(BROAD), [kind(targets=["SNAT"])]) == ()
    assert len(audit_table(subject(BROAD), [kind(targets=["SNAT", "MASQUERADE"])])) == 1
    assert audit_table(subject(BROAD), [replace(kind(), families=frozenset({Family.IPV6}))]) == ()


def test_a_corrected_table_has_no_findings() -> None:
    assert audit_table(subject(CORRECTED), [kind(), kind("host-wide-source-nat"), kind("broad-beside-corrected")]) == ()


def test_a_rule_whose_packets_the_guard_binds_first_does_no_harm() -> None:
    looked = subject(BROAD)
    (finding,) = audit_table(looked, [kind()], Guard.of(Family.IPV4, looked.cluster, looked.localities))
    assert (finding.severity, finding.shielded_by) == (Severity.INFO, "nft table ip natfix")
    assert finding.message.endswith("; harmless now: nft table ip natfix binds these packets first")


def test_what_the_guard_does_not_cover_is_judged_as_before() -> None:
    other = "-s 172.7.121.0/24 ! -o br-1 -j MASQUERADE"
    looked = subject(BROAD, other, "-o eth0 -j MASQUERADE")
    guard = Guard.of(Family.IPV4, looked.cluster, looked.localities[:1])
    found = audit_table(looked, [kind(), kind("host-wide-source-nat"), kind("wrong-exclusion")], guard)
    assert [(finding.rule.number, finding.shielded_by != "", finding.severity.name) for finding in found] == [
        (2, False, "HIGH"),
        (3, False, "HIGH"),
        (1, True, "INFO"),
    ]


def test_a_finding_about_words_has_nothing_to_shield() -> None:
    looked = subject("-s 172.7.21.0/24 ! -d 0.0.0.0/0 -j MASQUERADE")
    (finding,) = audit_table(looked, [kind("wrong-exclusion")], Guard.of(Family.IPV4, looked.cluster, looked.localities))
    assert (finding.severity, finding.shielded_by) == (Severity.HIGH, "")


def test_the_audit_rule_for_its_author_is_told_instead_of_the_one_for_anybody() -> None:
    by_docker = replace(kind(), id="T002", actors=frozenset({"docker"}))
    rules = [BROAD, "-s 172.7.21.0/24 -o eth1 -j MASQUERADE", BROAD]
    found = audit_table(subject(*rules), [kind(), by_docker])
    assert [(finding.kind.id, finding.rule.number) for finding in found] == [("T002", 1), ("T001", 2), ("T002", 3)]
    words = replace(kind("stale-bridge-subnet"), id="T003")
    stale = "-s 172.17.0.0/16 ! -o docker0 -j MASQUERADE"
    assert [finding.kind.id for finding in audit_table(subject(BROAD, stale), [words, by_docker])] == ["T002", "T003"]


def test_an_audit_rule_for_an_author_asks_the_rule_itself_where_no_packet_led_to_it() -> None:
    by_docker = replace(kind("wrong-exclusion"), actors=frozenset({"docker"}))
    nothing = "! -d 0.0.0.0/0 ! -o {} -j MASQUERADE"
    found = audit_table(subject(nothing.format("docker0"), nothing.format("br-x")), [by_docker])
    assert [finding.rule.number for finding in found] == [1]


def test_of_an_exclusion_without_effect_is_told_what_the_source_becomes_all_the_same() -> None:
    snat = BROAD.replace("MASQUERADE", "SNAT --to-source 10.4.7.21")
    (finding,) = audit_table(subject(snat, "-d 172.7.0.0/16 -j ACCEPT"), [kind("late-exclusion")])
    assert (finding.becomes, finding.rule.number) == ("10.4.7.21", 2)

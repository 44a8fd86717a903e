"""natfix/audit/analyses.py: which rules stand out, and as what."""

from dataclasses import replace

import pytest

from natfix.audit import Subject
from natfix.audit.analyses import ANALYSES, corrected_twin, without_destination
from natfix.audit.hit import Hit
from natfix.packets.ipset import parse_ipsets
from natfix.ruleset import Rule
from tests.unit.audit.subjects import BROAD, CORRECTED, ruleset, subject, subject_of

HOST_WIDE = "-o eth0 -j MASQUERADE"
CALICO = "-m set --match-set masq src -j MASQUERADE"


def found(analysis: str, looked: Subject) -> list[Hit]:
    return list(ANALYSES[analysis](looked))


def numbers(analysis: str, looked: Subject) -> list[int]:
    return [hit.rule.number for hit in found(analysis, looked)]


def test_a_rule_is_sorted_by_the_addresses_that_lead_to_it() -> None:
    looked = subject(
        BROAD,
        "-s 172.7.21.0/24 -j A",
        "-s 172.7.21.0/24 -d 172.7.22.0/24 -j SNAT --to-source 10.4.7.21",
        HOST_WIDE,
        chains={"A": ["-j MASQUERADE"]},
    )
    assert [str(hit.rule) for hit in found("over-broad-source-nat", looked)] == [
        f"-A POSTROUTING {BROAD}",
        "-A A -j MASQUERADE",
    ]
    assert numbers("host-wide-source-nat", looked) == [4]
    assert numbers("in-cluster-source-nat", looked) == [3]


@pytest.mark.parametrize(
    ("elements", "kind"),
    [
        ("add pools 172.7.21.0/24\nadd pools 172.7.22.0/24\n", "over-broad-source-nat"),
        ("add pools 172.7.21.0-172.7.22.255\n", "over-broad-source-nat"),
        ("add pools 172.7.21.0/24\nadd pools 192.168.0.0/16\n", "host-wide-source-nat"),
    ],
)
def test_a_rule_whose_set_of_sources_holds_container_subnets_alone_is_made_for_them(elements: str, kind: str) -> None:
    sets = parse_ipsets(f"create pools hash:net\n{elements}", "sets")
    looked = replace(subject("-m set --match-set pools src -j MASQUERADE"), ipsets=sets)
    assert [name for name in ("over-broad-source-nat", "host-wide-source-nat") if found(name, looked)] == [kind]


def test_a_broad_rule_beside_its_corrected_form_is_another_kind_of_finding() -> None:
    looked = subject(BROAD, CORRECTED)
    assert found("over-broad-source-nat", looked) == []
    (hit,) = found("broad-beside-corrected", looked)
    assert hit.rule.number == 1
    assert hit.message == (
        "hides the addresses of 172.7.21.0/24 from the rest of the cluster; "
        "its corrected form, rule 2 of the same chain, is of no effect"
    )
    assert found("broad-beside-corrected", subject(BROAD)) == []


def test_a_rule_behind_another_names_the_one_that_decides_for_its_packets() -> None:
    other = "-s 172.7.121.0/24 ! -o br-1 -j MASQUERADE"
    hits = found("over-broad-source-nat", subject(other, "-s 172.7.21.0/24 -o eth0 -j MASQUERADE", BROAD))
    named = {hit.rule.spec: hit.behind for hit in hits}
    assert named[other] is None
    assert named["-s 172.7.21.0/24 -o eth0 -j MASQUERADE"] is None
    assert named[BROAD] is None, "it decides for packets that leave by other devices"
    twice = found("over-broad-source-nat", subject(other, BROAD, "-s 172.7.21.0/24 -o eth0 -j MASQUERADE"))
    assert {hit.rule.spec: hit.behind and hit.behind.spec for hit in twice} == {
        other: None,
        BROAD: None,
        "-s 172.7.21.0/24 -o eth0 -j MASQUERADE": BROAD,
    }


def test_every_copy_of_a_rule_is_found_and_stands_behind_the_first() -> None:
    hits = found("over-broad-source-nat", subject(BROAD, "-o tun0 -j ACCEPT", BROAD))
    assert [(hit.rule.number, hit.behind and hit.behind.number) for hit in hits] == [(1, None), (3, 1)]


def test_a_rule_that_only_another_source_nat_rule_puts_in_doubt_is_certain() -> None:
    (hit,) = found("over-broad-source-nat", subject(CALICO, BROAD))
    assert hit.certain
    assert hit.behind == Rule("POSTROUTING", CALICO)
    (other,) = found("host-wide-source-nat", subject(CALICO, BROAD))
    assert (other.certain, other.behind) == (False, None)


def test_an_exclusion_that_nobody_can_evaluate_makes_a_rule_possible() -> None:
    (hit,) = found("over-broad-source-nat", subject("-m set --match-set cluster dst -j ACCEPT", BROAD))
    assert not hit.certain
    assert hit.behind is None
    assert hit.message == "may hide the addresses of 172.7.21.0/24 from the rest of the cluster"


def test_a_message_names_three_subnets_at_most() -> None:
    rules = [f"-s 172.7.{number}.0/24 ! -o docker0 -j MASQUERADE" for number in (1, 2, 3, 4)]
    message = found("over-broad-source-nat", subject(*rules[:3]))[0].message
    assert message == "hides the addresses of 172.7.1.0/24, 172.7.2.0/24, 172.7.3.0/24 from the rest of the cluster"
    message = found("over-broad-source-nat", subject(*rules))[0].message
    assert message == "hides the addresses of 172.7.1.0/24, 172.7.2.0/24, 172.7.3.0/24, … from the rest of the cluster"


def test_a_cluster_that_is_one_local_subnet_has_no_rest_to_hide_from() -> None:
    assert found("over-broad-source-nat", subject("-s 10.9.1.0/25 -j MASQUERADE", BROAD, cluster=["172.7.21.0/24"])) == []
    half = ["172.7.21.0/25", "172.7.21.128/25"]
    assert (
        found("over-broad-source-nat", subject(BROAD, *(f"-s {each} ! -o docker0 -j ACCEPT" for each in half), cluster=half))
        == []
    )


def test_on_a_host_the_bridge_says_which_rule_is_stale() -> None:
    text = ruleset(BROAD, "-s 172.17.0.0/16 ! -o docker0 -j MASQUERADE", "-s 172.18.0.0/16 ! -o br-1 -j MASQUERADE")
    hits = found("stale-bridge-subnet", subject_of(text, bridges={"docker0": ["172.7.21.0/24"]}))
    assert [(hit.rule.number, hit.certain, hit.message) for hit in hits] == [
        (2, True, "serves 172.17.0.0/16, but docker0 has 172.7.21.0/24"),
        (3, True, "serves 172.18.0.0/16, but br-1 has no address, or is gone"),
    ]


def test_without_a_host_two_subnets_of_one_bridge_say_that_one_is_left_over() -> None:
    rules = [BROAD, "-s 172.7.21.128/25 ! -o docker0 -j MASQUERADE", "-s 172.17.0.0/16 ! -o docker0 -j MASQUERADE", HOST_WIDE]
    (hit,) = found("stale-bridge-subnet", subject(*rules))
    assert (hit.rule.number, hit.certain) == (3, False)
    assert hit.message == "serves 172.17.0.0/16, but rule 1 serves 172.7.21.0/24 on the same docker0; one is left over"


@pytest.mark.parametrize(
    ("spec", "certain", "message"),
    [
        (
            "-s 172.7.21.0/24 ! -d 0.0.0.0/0 -j MASQUERADE",
            True,
            "excludes every destination with ! -d 0.0.0.0/0: it rewrites nothing, outside access is broken",
        ),
        (
            "-s 172.7.21.0/24 ! -d 172.7.11.0/16 -j MASQUERADE",
            True,
            "says ! -d 172.7.11.0/16, which has bits beyond its prefix; iptables reads it as 172.7.0.0/16",
        ),
        (
            "-s 172.3.222.0/24 ! -d 172.7.0.0/16 -j MASQUERADE",
            False,
            "excludes 172.7.0.0/16, which its own source 172.3.222.0/24 does not lie in",
        ),
    ],
)
def test_an_exclusion_can_be_a_mistake(spec: str, certain: bool, message: str) -> None:  # noqa: FBT001
    (hit,) = found("wrong-exclusion", subject(spec))
    assert (hit.certain, hit.message) == (certain, message)


@pytest.mark.parametrize(
    "spec",
    [
        BROAD,
        CORRECTED,
        "-s 172.7.21.0/24 -d 172.7.11.0/16 -j MASQUERADE",
        "-s 192.168.122.0/24 ! -d 224.0.0.0/24 -j MASQUERADE",
        "! -d 172.7.0.0/16 -j MASQUERADE",
        "-s 172.3.222.0/24 ! -d 172.7.0.0/16 -j RETURN",
        "! -d 172.7.0.0/255.0.255.0 -j MASQUERADE",
    ],
)
def test_an_exclusion_that_is_none_or_no_mistake_is_passed_over(spec: str) -> None:
    assert found("wrong-exclusion", subject(spec)) == []


@pytest.mark.parametrize(
    "spec",
    [
        CORRECTED,
        "! -o docker0 ! -d 172.0.0.0/8 -s 172.7.21.0/255.255.255.0 -j MASQUERADE",
        "-s 172.7.21.0/24 ! -o docker0 -j MASQUERADE ! -d 172.7.0.0/16",
    ],
)
def test_a_twin_is_the_same_rule_with_the_whole_cluster_left_out(spec: str) -> None:
    twin = corrected_twin(Rule("POSTROUTING", BROAD), subject(HOST_WIDE, "-d 172.7.0.0/16 -j ACCEPT", spec))
    assert twin is not None
    assert twin.number == 3


@pytest.mark.parametrize(
    "spec",
    [
        "-s 172.7.21.0/24 ! -d 172.7.0.0/17 ! -o docker0 -j MASQUERADE",
        "-s 172.7.22.0/24 ! -d 172.7.0.0/16 ! -o docker0 -j MASQUERADE",
        "-s 172.7.21.0/24 ! -d 172.7.0.0/16 ! -o docker0 -j MASQUERADE --random",
        "-s 172.7.21.0/24 -d 172.7.0.0/16 ! -o docker0 -j MASQUERADE",
    ],
)
def test_a_rule_that_differs_otherwise_is_no_twin(spec: str) -> None:
    assert corrected_twin(Rule("POSTROUTING", BROAD), subject(spec)) is None


def test_a_rule_with_a_destination_of_its_own_or_in_another_chain_has_no_twin() -> None:
    looked = subject(CORRECTED)
    assert corrected_twin(Rule("POSTROUTING", CORRECTED), looked) is None
    assert corrected_twin(Rule("ELSEWHERE", BROAD), looked) is None


def test_a_rule_without_its_destination_is_the_broad_one() -> None:
    assert without_destination(Rule("POSTROUTING", CORRECTED)) == Rule("POSTROUTING", BROAD)
    assert without_destination(Rule("POSTROUTING", BROAD)) == Rule("POSTROUTING", BROAD)
    assert without_destination(Rule("A", "-j MASQUERADE ! -d 10.0.0.0/8")) == Rule("A", "-j MASQUERADE")

"""natfix/audit/guard.py: whose packets the guard keeps, and which it leaves to others."""

import pytest

from natfix.audit import Locality
from natfix.audit.guard import Guard, HeldGuards, can_be_named, guard_of, table_name
from natfix.packets import Intervals, Names, PacketSet, witness
from natfix.packets.bits import Bits
from natfix.ruleset import Family
from tests.unit.audit.guards import guard
from tests.unit.audit.subjects import networks


def packets(source: str, destination: str = "172.7.22.0/24", out: str = "eth0", mark: int = 0) -> PacketSet:
    return PacketSet(
        Family.IPV4,
        Intervals.networks(networks([source])),
        Intervals.networks(networks([destination])),
        Names(out),
        mark=Bits(mark),
    )


def test_what_is_said_twice_is_kept_once_with_its_bridge() -> None:
    made = guard({"": ["172.7.21.0/25", "172.7.9.0/24"], "docker0": ["172.7.21.0/24", "172.7.21.7"], "br-0": ["172.7.8.0/24"]})
    assert [(each.bridge, each.networks) for each in made.localities] == [
        ("", networks(["172.7.9.0/24"])),
        ("br-0", networks(["172.7.8.0/24"])),
        ("docker0", networks(["172.7.21.0/24"])),
    ]
    assert made.subnets == networks(["172.7.8.0/24", "172.7.9.0/24", "172.7.21.0/24"])


def test_it_is_true_when_it_keeps_anything() -> None:
    assert guard()
    assert not Guard.of(Family.IPV4, networks(["172.7.0.0/16"]), [Locality((), "docker0")])
    assert not Guard.of(Family.IPV4, (), [Locality(networks(["172.7.21.0/24"]))])


def test_what_it_has_kept_so_far_says_nothing_about_what_it_keeps() -> None:
    assert guard(kept=3) == guard()


@pytest.mark.parametrize(
    ("other", "kept"),
    [
        (guard({"docker0": ["172.7.21.0/25"]}), True),
        (guard({"docker0": ["172.7.20.0/24"]}), False),
        (guard({"br-1": ["172.7.21.0/24"]}), False),
        (guard(cluster="172.7.0.0/17"), False),
    ],
)
def test_it_keeps_what_another_does_when_it_has_all_of_its_subnets_and_the_same_cluster(other: Guard, *, kept: bool) -> None:
    assert guard().keeps(other) is kept


@pytest.mark.parametrize(
    ("those", "missed"),
    [
        (packets("172.7.21.0/24"), None),
        (packets("172.7.20.0/23"), "172.7.20.2"),
        (packets("172.7.21.0/24", "172.0.0.0/8"), "172.7.21.2"),
        (packets("172.7.21.0/24", out="docker0"), "172.7.21.2"),
        (packets("172.7.21.0/24", out="br-1"), None),
        (packets("172.7.21.0/24", out="lo"), "172.7.21.2"),
        (packets("172.7.21.0/24", mark=0x4000), "172.7.21.2"),
        (packets("172.7.21.0/24", mark=0x2000), "172.7.21.2"),
        (packets("172.7.21.0/24", mark=0x40000), "172.7.21.2"),
        (packets("172.7.21.0/24", mark=0x80000), None),
    ],
)
def test_it_leaves_to_others_what_is_foreign_at_home_or_marked(those: PacketSet, missed: str | None) -> None:
    found = guard().missed(those)
    assert [str(witness(each).source) for each in found[:1]] == ([missed] if missed else [])


def test_subnets_of_which_nobody_knows_the_bridge_are_at_home_nowhere() -> None:
    assert guard({"": ["172.7.21.0/24"]}).missed(packets("172.7.21.0/24", out="docker0")) == ()


def test_each_family_has_its_table() -> None:
    assert table_name(Family.IPV4) == "nft table ip natfix"
    assert guard(family=Family.IPV6).name == "nft table ip6 natfix"


def test_a_guard_is_found_by_its_family() -> None:
    both = (guard(), guard(family=Family.IPV6))
    assert guard_of(both, Family.IPV6) == both[1]
    assert guard_of((), Family.IPV6) is None
    assert HeldGuards(both).of(Family.IPV4) == both[0]


def test_a_bridge_whose_name_nft_could_misread_cannot_be_named() -> None:
    assert can_be_named("br-7f0c.100_a")
    assert not any(map(can_be_named, ['br"0', "br*", "br 0", "br@1"]))

"""natfix/packets/match.py: which packets a rule matches."""

import pytest

from natfix.packets import Intervals, PacketSet
from natfix.packets.match import Matched, match, misses
from natfix.ruleset import Rule
from tests.unit.packets.tables import addresses, everything, tcp

WHOLE = everything()


def matched(spec: str, packets: PacketSet = WHOLE) -> Matched:
    return match(Rule("POSTROUTING", spec), packets)


@pytest.mark.parametrize(
    "spec",
    ["", "-j MASQUERADE", "-m comment --comment x -j X", "-m tcp -j X", "-j SNAT --to-source 1.1.1.1", "-c 1 2 -j X",
     "-g X", "-j SNAT --mark 7 --src-type odd"],
)  # fmt: skip
def test_a_rule_that_tests_nothing_matches_everything(spec: str) -> None:
    assert matched(spec) == Matched((WHOLE,), (), ())


def test_options_are_met_together() -> None:
    seen = matched("-s 10.0.0.0/8 -d 11.0.0.0/8 -j X")
    assert [(each.source, each.destination) for each in seen.inside] == [(addresses("10.0.0.0/8"), addresses("11.0.0.0/8"))]
    assert [each.source for each in seen.outside] == [WHOLE.source - addresses("10.0.0.0/8"), addresses("10.0.0.0/8")]
    assert seen.unknown == ()


@pytest.mark.parametrize(
    "spec",
    ["-s 10.0.0.0/8", "-d 10.0.0.0/8", "-o eth0", "-p tcp", "-m mark --mark 0x1/0x1", "-m addrtype --src-type LOCAL",
     "-m conntrack --ctstate NEW", "-m iprange --src-range 10.0.0.1-10.0.0.9"],
)  # fmt: skip
def test_negation_swaps_the_sides(spec: str) -> None:
    *before, name, value = spec.split()
    negated = matched(" ".join([*before, "!", name, value]))
    plain = matched(spec)
    assert (negated.inside, negated.outside) == (plain.outside, plain.inside)


def test_negated_values_match_none_of_them() -> None:
    seen = matched("-m multiport ! --dports 80,443 -j X", tcp(WHOLE))
    assert [each.destination_port for each in seen.inside] == [Intervals.of([(0, 79), (81, 442), (444, 65535)])]
    seen = matched("-m multiport ! --ports 80 -j X", tcp(WHOLE))
    rest = Intervals.of([(0, 79), (81, 65535)])
    assert [(each.source_port, each.destination_port) for each in seen.inside] == [(rest, rest)]


def test_every_other_protocol_than_tcp_is_one_set() -> None:
    (inside,) = matched("! -p tcp -j X").inside
    assert (6 in inside.protocol, inside.protocol.size) == (False, 255)


@pytest.mark.parametrize(
    ("spec", "unknown"),
    [
        ("-m set --match-set a src -j X", ("-m set --match-set a src",)),
        ("-m set ! --match-set a src -m set --match-set b dst -j X",
         ("-m set ! --match-set a src", "-m set --match-set b dst")),
        ("-m socket -j X", ("-m socket",)),
        ("-p tcp -m tcp --syn -j X", ("--syn",)),
        ("-i eth0 -j X", ("-i eth0",)),
        ("-f -j X", ("-f",)),
        ("-m conntrack --ctstate NEW ! --ctorigdst 1.1.1.1 -j X", ("! --ctorigdst 1.1.1.1",)),
        ("-m addrtype ! --src-type LOCAL --limit-iface-out -m addrtype --src-type LOCAL -j X",
         ("-m addrtype ! --src-type LOCAL --limit-iface-out",)),
        ("--odd 1 -m comment --comment x -j X", ("--odd 1",)),
        ("-j X -m set --match-set a src", ("-m set --match-set a src",)),
        ("-m policy --dir out --pol ipsec --proto esp -j X", ("-m policy --dir out --pol ipsec --proto esp",)),
    ],
)  # fmt: skip
def test_what_cannot_be_evaluated_is_told_once_in_its_own_words(spec: str, unknown: tuple[str, ...]) -> None:
    assert matched(spec).unknown == unknown


def test_what_cannot_be_evaluated_leaves_the_rest_as_it_is() -> None:
    seen = matched("-s 10.0.0.0/8 -m set --match-set a src -d 11.0.0.0/8 -j X")
    known = matched("-s 10.0.0.0/8 -d 11.0.0.0/8 -j X")
    assert (seen.inside, seen.outside) == (known.inside, known.outside)


def test_a_rule_that_surely_matches_nothing_leaves_no_doubt() -> None:
    seen = matched("-m set --match-set a src -p tcp -j X", WHOLE.having("protocol", Intervals.single(17)))
    assert seen == Matched((), (WHOLE.having("protocol", Intervals.single(17)),), (), "-p tcp")


def test_an_option_nobody_can_read_is_told() -> None:
    rule = Rule("POSTROUTING", "-m mark ! --mark 0x1 -j X")
    assert match(rule, WHOLE, unreadable=frozenset({"mark"})) == Matched((WHOLE,), (), ("! --mark 0x1",))


@pytest.mark.parametrize(
    ("spec", "missed"),
    [
        ("-s 11.0.0.0/8 -j X", True),
        ("! -o eth0 -d 11.0.0.0/8 -j X", True),
        ("-s 10.1.0.0/16 -j X", False),
        ("! -s 10.0.0.0/8 -j X", False),
        ("-o eth0 -j X", False),
        # Whether it matches anything nobody can tell, so it must be looked at.
        ("-s fd00::/8 -j X", False),
    ],
)
def test_a_look_at_its_addresses_shows_that_a_rule_matches_nothing(spec: str, *, missed: bool) -> None:
    packets = WHOLE.having("source", addresses("10.0.0.0/8")).having("destination", addresses("10.0.0.0/8"))
    assert misses(Rule("POSTROUTING", spec), packets) is missed
    assert not missed or not match(Rule("POSTROUTING", spec), packets).inside


@pytest.mark.parametrize(
    ("spec", "missed"),
    [
        ("-p tcp -m tcp --dport 80 -j X", True),
        ("-p udp -m multiport --dports 80 -j X", True),
        ("-p tcp -m tcp --dport 443 -j X", False),
        ("-p tcp -m tcp ! --dport 80 -j X", False),
        ("-p tcp -m multiport --dports 80,443 -j X", False),
        ("-p tcp -m tcp --dport 80:90 -j X", False),
        ("-p tcp -m tcp --sport 80 -j X", False),
        ("-p tcp -m multiport --ports 80 -j X", False),
    ],
)
def test_so_does_a_look_at_the_one_port_that_it_takes(spec: str, *, missed: bool) -> None:
    packets = WHOLE.having("destination_port", Intervals.of([(81, 65535)]))
    assert misses(Rule("POSTROUTING", spec), packets) is missed
    assert not missed or not match(Rule("POSTROUTING", spec), packets).inside

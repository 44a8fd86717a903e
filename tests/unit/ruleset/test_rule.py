"""natfix/ruleset/rule.py: the typed view on one rule."""

from ipaddress import ip_network

import pytest

from natfix.ruleset.rule import Counters, Rule

BROAD = Rule("POSTROUTING", "-s 172.7.21.0/24 ! -o docker0 -j MASQUERADE")


def rule(spec: str) -> Rule:
    return Rule("POSTROUTING", spec)


def test_counters_are_two_numbers() -> None:
    assert Counters.parse("12:3400") == Counters(packets=12, bytes=3400)


@pytest.mark.parametrize("text", ["", "12", "a:b", "1:2:3"])
def test_counters_that_are_not_two_numbers_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        Counters.parse(text)


def test_rules_are_equal_by_chain_and_words_alone() -> None:
    seen = Rule("POSTROUTING", BROAD.spec, Counters(1, 2), line=7, number=3)
    assert seen == BROAD
    assert hash(seen) == hash(BROAD)
    assert Rule("OTHER", BROAD.spec) != BROAD
    assert rule("-j MASQUERADE") != BROAD
    assert BROAD != "-A POSTROUTING -s 172.7.21.0/24 ! -o docker0 -j MASQUERADE"


def test_a_rule_spells_itself_as_iptables_save_does() -> None:
    assert str(BROAD) == "-A POSTROUTING -s 172.7.21.0/24 ! -o docker0 -j MASQUERADE"
    assert str(rule("")) == "-A POSTROUTING"


def test_a_rule_tells_its_parts() -> None:
    seen = rule("-s 1.1.1.1 ! -d 10.0.0.0/8 -i a -o b+ -p udp -m mark --mark 0x1 -j SNAT --to-source 9.9.9.9")
    parts = (seen.source, seen.destination, seen.in_interface, seen.out_interface, seen.protocol, seen.mark)
    assert [(each.value, each.negated) for each in parts if each] == [
        ("1.1.1.1", False), ("10.0.0.0/8", True), ("a", False), ("b+", False), ("udp", False), ("0x1", False),
    ]  # fmt: skip
    assert (seen.target, seen.is_goto, seen.matches) == ("SNAT", False, ("mark",))
    assert [(each.name, each.value) for each in seen.target_options] == [("to-source", "9.9.9.9")]


def test_a_rule_without_words_has_no_parts() -> None:
    bare = rule("")
    assert (bare.options, bare.target_options, bare.matches) == ((), (), ())
    assert (bare.source, bare.mark, bare.comment, bare.target, bare.is_goto) == (None, None, None, "", False)
    assert bare.network("source") is None


def test_goto_is_told_from_jump() -> None:
    assert (rule("-g CHAIN").target, rule("-g CHAIN").is_goto) == ("CHAIN", True)
    assert (rule("-j CHAIN").target, rule("-j CHAIN").is_goto) == ("CHAIN", False)


def test_a_mark_of_the_connection_or_the_target_is_not_the_mark_of_the_packet() -> None:
    assert rule("-m connmark --mark 0x1 -j MARK --set-xmark 0x2").mark is None


def test_target_options_are_those_of_the_target_and_not_of_a_match_with_its_name() -> None:
    seen = rule("-m SAME --mode x -j SAME --to 1.1.1.1")
    assert [each.name for each in seen.target_options] == ["to"]


def test_comments_are_joined_and_their_escapes_resolved() -> None:
    assert rule(r'-m comment --comment "a \"b\"" -j X').comment == 'a "b"'
    assert rule('-m comment --comment word -m comment --comment "two words"').comment == "word two words"
    assert rule('-m comment --comment ""').comment == ""
    assert rule("-m other --comment word").comment is None


def test_a_network_is_told_when_it_stands_there_alone() -> None:
    assert rule("-s 172.7.21.9/24").network("source") == ip_network("172.7.21.0/24")
    assert rule("-d fd00::/64").network("destination") == ip_network("fd00::/64")
    assert rule("! -s 172.7.21.0/24").network("source") is None
    assert rule("-s 10.0.0.1/255.0.255.0").network("source") is None


def test_a_rule_tells_where_the_networks_it_asks_for_begin_and_end() -> None:
    seen = rule("-s 10.0.0.0/30 -d fd00::/126 -j X")
    assert seen.spans == {
        "source": (4, (0x0A000000, 0x0A000003)),
        "destination": (6, (0xFD << 120, (0xFD << 120) + 3)),
    }
    assert rule("! -s 10.0.0.0/8 -d 10.0.0.0/255.0.255.0 -j X").spans == {}


def test_what_the_same_words_say_is_worked_out_once() -> None:
    assert Rule("A", BROAD.spec).said is Rule("B", BROAD.spec).said

"""natfix/ruleset/options.py: which words of a rule belong together, and to what."""

import pytest

from natfix.ruleset.options import Option, OptionError, group_options
from natfix.ruleset.words import split_words


def options(spec: str) -> tuple[Option, ...]:
    return group_options(split_words(spec))


def said(spec: str) -> list[tuple[str, str, bool, str]]:
    return [(each.owner, each.name, each.negated, each.value) for each in options(spec)]


def test_short_and_long_names_are_the_same_option() -> None:
    short = said("-s 1.1.1.1 -d 2.2.2.2 -i a -o b -p tcp -m tcp --sport 1 --dport 2 -j X")
    long = said(
        "--source 1.1.1.1 --destination 2.2.2.2 --in-interface a --out-interface b --protocol tcp --match tcp"
        " --source-port 1 --destination-port 2 --jump X"
    )
    assert short == long
    assert said("--src 1.1.1.1 --dst 2.2.2.2 -g X") == said("-s 1.1.1.1 -d 2.2.2.2 --goto X")


def test_an_option_belongs_to_the_match_or_target_before_it() -> None:
    assert said("-s 1.1.1.1 -m mark --mark 0x1 -d 2.2.2.2 -j MARK --set-xmark 0x1/0x1") == [
        ("", "source", False, "1.1.1.1"),
        ("", "match", False, "mark"),
        ("mark", "mark", False, "0x1"),
        ("", "destination", False, "2.2.2.2"),
        ("", "jump", False, "MARK"),
        ("MARK", "set-xmark", False, "0x1/0x1"),
    ]


def test_an_option_before_any_match_belongs_to_nobody() -> None:
    assert said("--odd 1 -j X")[0] == ("", "odd", False, "1")


def test_negation_stands_before_the_option() -> None:
    assert said("! -s 1.1.1.1 ! --dport 80")[0] == ("", "source", True, "1.1.1.1")
    assert options("! -s 1.1.1.1 -j X")[0][4:] == (0, 12)


def test_negation_of_iptables_before_1_4_3_stands_before_the_value() -> None:
    assert said("-s ! 1.1.1.1 -o ! eth0 -j X")[:2] == [
        ("", "source", True, "1.1.1.1"),
        ("", "out-interface", True, "eth0"),
    ]
    assert said("-j X -s ! 1.1.1.1")[1] == ("", "source", True, "1.1.1.1")


def test_a_quoted_exclamation_mark_is_a_value() -> None:
    assert said('-m comment --comment "!" ! -d 10.0.0.0/8 -j X')[1:3] == [
        ("comment", "comment", False, "!"),
        ("", "destination", True, "10.0.0.0/8"),
    ]
    assert said('-m odd --words "!" "-x" y ! --more')[1:] == [
        ("odd", "words", False, "! -x y"),
        ("odd", "more", True, ""),
    ]


def test_an_option_without_values_takes_none() -> None:
    assert said("-j MASQUERADE --random --random-fully") == [
        ("", "jump", False, "MASQUERADE"),
        ("MASQUERADE", "random", False, ""),
        ("MASQUERADE", "random-fully", False, ""),
    ]
    assert said("-p tcp -m tcp --syn ! -f -j X")[2:4] == [("tcp", "syn", False, ""), ("", "fragment", True, "")]


def test_an_option_with_two_values_takes_two() -> None:
    assert options("-m set ! --match-set pods src -j X")[1].values == ("pods", "src")
    assert options("-m tcp --tcp-flags SYN,RST SYN -j X")[1].values == ("SYN,RST", "SYN")


def test_a_known_option_takes_a_value_that_looks_like_an_option() -> None:
    assert said('-m comment --comment "-j DROP" -j X')[1] == ("comment", "comment", False, "-j DROP")
    assert said("-m comment --comment -j -j X")[1] == ("comment", "comment", False, "-j")


def test_an_unknown_option_takes_what_does_not_look_like_an_option() -> None:
    assert said("-m new --what a b - ! --other -j X")[1:] == [
        ("new", "what", False, "a b -"),
        ("new", "other", True, ""),
        ("", "jump", False, "X"),
    ]


def test_proto_belongs_to_the_policy_match_and_is_not_the_protocol() -> None:
    assert said("-m policy --dir out --pol ipsec --proto esp --mode tunnel -j X")[3:5] == [
        ("policy", "proto", False, "esp"),
        ("policy", "mode", False, "tunnel"),
    ]


@pytest.mark.parametrize(
    ("spec", "problem", "column"),
    [
        ("-s 1.1.1.1 stray -j X", "an option such as", 11),
        ("! stray -j X", "an option such as", 2),
        ("-j X !", "an option such as", 5),
        ("-j X -", "an option such as", 5),
        ('-j X "-s"', "an option such as", 5),
        ("-j X -o", "the option -o lacks its value", 5),
        ("-m set --match-set pods", "the option --match-set lacks its value", 7),
        ("-o -j MASQUERADE", "an option such as", 6),
        ("-m [unsupported revision] -j X", "an option such as", 16),
    ],
)
def test_words_that_make_no_option_are_pointed_at(spec: str, problem: str, column: int) -> None:
    with pytest.raises(OptionError, match=problem) as caught:
        options(spec)
    assert caught.value.column == column

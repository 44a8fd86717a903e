"""natfix/nft/rule.py: a rule of nft in the words of iptables."""

from natfix.nft.rule import NftChain, NftRule
from natfix.ruleset import Rule
from natfix.ruleset.rule import as_written


def test_it_acts_by_its_words_and_shows_itself_as_nft_does() -> None:
    rule = NftRule("p", "-s 10.0.0.0/8 -j MASQUERADE", number=2, spelled="ip saddr 10.0.0.0/8 masquerade", handle=9)
    assert str(rule) == "ip saddr 10.0.0.0/8 masquerade"
    assert (rule.target, rule.handle) == ("MASQUERADE", 9)
    assert rule == Rule("p", "-s 10.0.0.0/8 -j MASQUERADE")
    assert len({rule, Rule("p", "-s 10.0.0.0/8 -j MASQUERADE")}) == 1


def test_a_part_of_a_rule_stands_where_the_rule_does() -> None:
    call = NftRule("pre", "-g @f/pre#4", number=1, spelled="meta mark set 1 accept")
    parts = [NftRule("@f/pre#4", words, number=1, spelled=call.spelled) for words in ("-j MARK --set-xmark 0x1", "-j ACCEPT")]
    assert {call.home, *(each.home for each in parts)} == {"pre"}
    assert NftRule("@f/post.1#12.1", "-j ACCEPT", spelled="accept").home == "post.1"
    other = NftRule("pre", "-j ACCEPT", number=2, spelled="accept")
    assert as_written([call, *parts, other]) == (parts[1], other)


def test_a_chain_has_the_rules_it_was_given() -> None:
    rules = (NftRule("p", "-j ACCEPT", spelled="accept"),)
    assert NftChain("p", "ACCEPT", None, (), (), "listing", translated=rules).rules == rules

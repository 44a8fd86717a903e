"""natfix/nft/rule.py: a rule of nft in the words of iptables."""

from natfix.nft.rule import NftChain, NftRule
from natfix.ruleset import Rule


def test_it_acts_by_its_words_and_shows_itself_as_nft_does() -> None:
    rule = NftRule("p", "-s 10.0.0.0/8 -j MASQUERADE", number=2, spelled="ip saddr 10.0.0.0/8 masquerade", handle=9)
    assert str(rule) == "ip saddr 10.0.0.0/8 masquerade"
    assert (rule.target, rule.handle) == ("MASQUERADE", 9)
    assert rule == Rule("p", "-s 10.0.0.0/8 -j MASQUERADE")
    assert len({rule, Rule("p", "-s 10.0.0.0/8 -j MASQUERADE")}) == 1


def test_a_chain_has_the_rules_it_was_given() -> None:
    rules = (NftRule("p", "-j ACCEPT", spelled="accept"),)
    assert NftChain("p", "ACCEPT", None, (), (), "listing", translated=rules).rules == rules

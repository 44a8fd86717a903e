"""natfix/audit/hit.py: what an analysis points at."""

from natfix.audit.hit import Hit, Statement
from natfix.ruleset import Rule


def test_a_hit_is_certain_and_about_the_nat_table_unless_it_says_otherwise() -> None:
    rule = Rule("POSTROUTING", "-j MASQUERADE")
    assert Hit(rule, "hides") == Hit(rule, "hides", certain=True, locality=None, outcomes=(), behind=None, table="nat")


def test_a_statement_is_spelled_as_it_is_told_and_has_no_options() -> None:
    policy = Statement("FORWARD", "-P FORWARD DROP", line=3)
    assert (str(policy), policy.options, policy.target, policy.comment) == ("-P FORWARD DROP", (), "", None)
    assert policy == Statement("FORWARD", "-P FORWARD DROP")
    assert policy != Statement("OUTPUT", "-P FORWARD DROP")
    assert len({policy, Statement("FORWARD", "-P FORWARD DROP")}) == 1

"""natfix/audit/hit.py: what an analysis points at."""

from natfix.audit.hit import Hit
from natfix.ruleset import Rule


def test_a_hit_is_certain_and_about_the_nat_table_unless_it_says_otherwise() -> None:
    rule = Rule("POSTROUTING", "-j MASQUERADE")
    assert Hit(rule, "hides") == Hit(rule, "hides", certain=True, locality=None, outcomes=(), behind=None, table="nat")

"""natfix/audit/rulefile.py: rule files are read strictly."""

import pytest

from natfix.audit import HostFacts, Severity, load_rule
from natfix.errors import ConfigError
from natfix.ruleset import Family, parse_network

WHOLE = """\
id = "T001"
name = "test"
severity = "high"
summary = "A test."
analysis = "over-broad-source-nat"
rationale = "Why.\\n"
remediation = "\\nDo this."
references = ["iptables(8)"]
[match]
target = ["SNAT"]
family = ["ipv6"]
[fix]
kind = "delete"

[[example]]
title = "silent: nothing"
cluster = ["172.7.0.0/16"]
text = "*nat"
finds = ["-j MASQUERADE"]
certain = false
fixed = "*mangle"
"""


def test_a_rule_file_says_all_of_a_rule() -> None:
    rule = load_rule(WHOLE.encode(), "t.toml")
    assert (rule.id, rule.name, rule.severity, rule.summary) == ("T001", "test", Severity.HIGH, "A test.")
    assert (rule.rationale, rule.remediation, rule.references) == ("Why.", "Do this.", ("iptables(8)",))
    assert (rule.analysis, rule.fix) == ("over-broad-source-nat", "delete")
    assert (rule.targets, rule.families) == (frozenset({"SNAT"}), frozenset({Family.IPV6}))
    (example,) = rule.examples
    assert (example.title, example.cluster) == ("silent: nothing", (parse_network("172.7.0.0/16"),))
    assert (example.text, example.finds, example.certain, example.fixed) == ("*nat", ("-j MASQUERADE",), False, "*mangle")


def test_an_area_authors_and_where_a_rule_errs_can_be_said() -> None:
    text = WHOLE.replace("[match]", 'area = "docker"\nfalse_positives = "None.\\n"\n[match]\nactor = ["docker", "cni"]')
    rule = load_rule(text.encode(), "t.toml")
    assert (rule.area, rule.actors, rule.false_positives) == ("docker", frozenset({"docker", "cni"}), "None.")
    other = load_rule(WHOLE.encode(), "t.toml")
    assert (other.area, other.actors, other.false_positives) == ("site", frozenset(), "")


def test_an_example_can_name_its_family_its_source_and_facts() -> None:
    more = 'family = "ipv6"\nsource = "rules.v6"\nfacts = { counters = { insert_failed = 1 } }\n'
    (example,) = load_rule((WHOLE + more).encode(), "t.toml").examples
    assert (example.family, example.source, dict(example.facts.counters)) == (Family.IPV6, "rules.v6", {"insert_failed": 1})
    (other,) = load_rule(WHOLE.encode(), "t.toml").examples
    assert (other.family, other.source, other.facts) == (None, "silent: nothing", HostFacts())


def test_match_fix_and_examples_can_be_left_out() -> None:
    rule = load_rule(WHOLE.partition("[match]")[0].encode(), "t.toml")
    assert (rule.targets, rule.families) == (frozenset(), frozenset(Family))
    assert (rule.fix, rule.examples) == ("none", ())


def test_an_example_is_certain_and_has_no_fix_unless_it_says_so() -> None:
    text = WHOLE.replace("certain = false\n", "").replace('fixed = "*mangle"\n', "")
    (example,) = load_rule(text.encode(), "t.toml").examples
    assert (example.certain, example.fixed) == (True, None)


def test_examples_are_not_even_parsed_when_nobody_wants_them() -> None:
    broken = WHOLE + "\n[[example]]\nthis is no TOML"
    assert load_rule(broken.encode(), "t.toml", examples=False).examples == ()


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('id = "T001"\n', "", "t.toml: id is missing"),
        ('id = "T001"', "id = 1", "t.toml: id must be a str, not 1"),
        ('id = "T001"', 'id = "T001"\nextra = 1', "t.toml: extra is not a field of a rule file"),
        ('"high"', '"huge"', "t.toml: severity: 'huge' is no severity"),
        ('["iptables(8)"]', "[1]", "t.toml: references must be a list of texts"),
        ('"over-broad-source-nat"', '"guess"', "t.toml: analysis is 'guess'; the choices are over-broad-source-nat, "),
        ('["ipv6"]', '["ipx"]', "t.toml: match.family is 'ipx'; the choices are ipv4, ipv6"),
        ("[match]\n", '[match]\nactor = ["dokcer"]\n', "t.toml: match.actor is 'dokcer'; the choices are aws-cni, "),
        ("certain = false", "facts = { sysctls = {} }", "t.toml: example.facts: sysctls is no fact of a host"),
        ("[match]\n", "[match]\nport = 1\n", "t.toml: match.port is not a field of a rule file"),
        ('"delete"', '"pray"', "t.toml: fix.kind is 'pray'; the choices are none, exclude-cluster, delete"),
        ('kind = "delete"', 'kind = "delete"\nby = 1', "t.toml: fix.by is not a field of a rule file"),
        ('["172.7.0.0/16"]', '["172.7/33"]', "t.toml: example.cluster "),
        ("certain = false", "certain = 0", "t.toml: example.certain must be a bool, not 0"),
        ("certain = false", "sure = false", "t.toml: example.sure is not a field of a rule file"),
        ("[match]", "[match", "t.toml: "),
    ],
)
def test_what_is_wrong_with_a_rule_file_is_said_with_its_place(old: str, new: str, problem: str) -> None:
    assert old in WHOLE
    with pytest.raises(ConfigError) as caught:
        load_rule(WHOLE.replace(old, new).encode(), "t.toml")
    assert caught.value.message.startswith(problem)
    assert caught.value.hint is not None


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"^t\.toml: 'utf-8' codec"):
        load_rule(b"\xff", "t.toml")


def test_severities_are_ordered_and_spelled_in_lower_case() -> None:
    assert max(Severity) is Severity.HIGH
    assert [str(severity) for severity in Severity] == ["info", "low", "medium", "high"]
    assert Severity.parse("Medium") is Severity.MEDIUM
    with pytest.raises(ConfigError, match="The severities are: high, medium, low, info"):
        Severity.parse("worst")

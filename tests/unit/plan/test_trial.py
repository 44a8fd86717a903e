"""natfix/plan/trial.py: whether an audit rule keeps what its examples promise."""

from dataclasses import replace

import pytest

from natfix.audit import AuditRule
from natfix.audit.example import Example
from natfix.plan.trial import flaws, tried
from natfix.ruleset import Family
from tests.unit.audit.subjects import BROAD, CORRECTED, kind, networks

CLUSTER = networks(["172.7.0.0/16"])
HEAD = "*nat\n:POSTROUTING ACCEPT [0:0]\n"


def text(*rules: str) -> str:
    return f"\n{HEAD}{''.join(f'-A POSTROUTING {rule}{chr(10)}' for rule in rules)}COMMIT\n"


FOUND = Example("found", CLUSTER, text(BROAD), (BROAD,), fixed=text(CORRECTED))
SILENT = Example("silent: corrected", CLUSTER, text(CORRECTED), ())
RULE = replace(kind(fix="exclude-cluster"), examples=(FOUND, SILENT))


def test_a_rule_whose_examples_are_kept_has_no_flaw() -> None:
    assert flaws(RULE) == ()
    assert flaws(RULE, [RULE, replace(RULE, id="T002")]) == ()


@pytest.mark.parametrize(
    ("examples", "fix", "missing"),
    [
        ((SILENT,), "none", ["no example shows what it finds"]),
        ((FOUND,), "none", ["no example shows what it passes over", "example “found”: natfix apply makes of it"]),
        ((replace(FOUND, fixed=None), SILENT), "exclude-cluster", ["no example shows what natfix apply makes of a text"]),
        (
            (replace(FOUND, title="silent: found"), replace(SILENT, title="silent")),
            "exclude-cluster",
            ["example “silent: found”: its title begins", "example “silent”: its title begins"],
        ),
        ((), "none", ["no example shows what it finds", "no example shows what it passes over"]),
    ],
)
def test_what_is_missing_is_said(examples: tuple[Example, ...], fix: str, missing: list[str]) -> None:
    rule: AuditRule = replace(RULE, examples=examples, fix=fix)  # type: ignore[arg-type]
    said = flaws(rule)
    assert len(said) == len(missing)
    assert all(one.startswith(other) for one, other in zip(said, missing, strict=True))


def test_an_example_that_is_not_kept_says_what_came_instead() -> None:
    assert tried(RULE, replace(FOUND, finds=())) == (f"it finds [{BROAD!r}], not []",)
    assert tried(RULE, replace(FOUND, certain=False)) == (f"[{BROAD!r}] is found as certain",)
    doubtful = replace(FOUND, text=text("-m set --match-set x dst -j ACCEPT", BROAD), fixed=None)
    assert tried(RULE, doubtful) == (f"[{BROAD!r}] is found as possible",)
    assert tried(RULE, replace(FOUND, fixed=text(BROAD))) == (f"natfix apply makes of it\n{text(CORRECTED)[1:]}",)


def test_what_cannot_be_read_or_looked_at_is_said() -> None:
    assert tried(RULE, replace(FOUND, text="*nat\nwhat")) != ()
    assert tried(RULE, replace(FOUND, text="*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n")) == (
        "the text holds no nat table of its family",
    )
    assert tried(RULE, replace(FOUND, family=Family.IPV6)) == ("the text holds no nat table of its family",)
    nothing = replace(SILENT, cluster=(), text="*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n")
    assert tried(RULE, nothing) == ("the text holds no nat table of its family",)


def test_without_a_cluster_the_text_tells_the_family() -> None:
    assert tried(RULE, replace(SILENT, cluster=())) == ()


def test_a_finding_that_apply_does_not_end_is_said() -> None:
    never = "-m conntrack --ctstate ESTABLISHED -j ACCEPT"
    rule = kind("never-matches", fix="exclude-cluster")
    assert tried(rule, replace(FOUND, text=text(never), finds=(never,), fixed=None)) == (
        f"after natfix apply it still finds ['-A POSTROUTING ! -d 172.7.0.0/16 {never}']",
    )

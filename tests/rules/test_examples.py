"""Every example of every audit rule is executed: what it must find, what it must pass over, and what apply makes of it."""

from pathlib import Path

import pytest

from natfix.audit import AuditRule, load_rule
from natfix.audit.example import Example
from natfix.host.catalogue import packaged_rules, read_catalogue
from natfix.plan.trial import flaws, tried

TEMPLATE = packaged_rules() / "TEMPLATE.toml"
FILES = sorted(packaged_rules().glob("*/*.toml"))
CATALOGUE = tuple(load_rule(path.read_bytes(), str(path)) for path in FILES)
TAUGHT = load_rule(TEMPLATE.read_bytes(), str(TEMPLATE))
EXAMPLES = [
    pytest.param(kind, example, id=f"{kind.id}: {example.title}") for kind in (*CATALOGUE, TAUGHT) for example in kind.examples
]


@pytest.mark.parametrize(("kind", "example"), EXAMPLES)
def test_an_example_finds_what_it_names_and_nothing_else_and_becomes_what_it_says(kind: AuditRule, example: Example) -> None:
    assert tried(kind, example, CATALOGUE) == ()


@pytest.mark.parametrize("kind", [*CATALOGUE, TAUGHT], ids=lambda kind: kind.id)
def test_a_rule_shows_what_it_finds_what_it_passes_over_and_what_apply_makes_of_it(kind: AuditRule) -> None:
    assert flaws(kind, CATALOGUE) == ()


@pytest.mark.parametrize("kind", CATALOGUE, ids=lambda kind: kind.id)
def test_a_rule_says_why_what_to_do_where_it_errs_and_where_its_facts_come_from(kind: AuditRule) -> None:
    assert all((kind.summary, kind.rationale, kind.remediation, kind.false_positives, kind.references))
    prose = f"{kind.rationale}\n{kind.remediation}\n{kind.false_positives}"
    assert [line for line in prose.splitlines() if len(line) > 140] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_is_called_by_its_id_and_name_and_lies_in_its_area(path: Path) -> None:
    kind = CATALOGUE[FILES.index(path)]
    assert path.name == f"{kind.id}-{kind.name}.toml"
    assert kind.area == path.parent.name
    assert kind.id.startswith(kind.area[:3].upper())


def test_ids_and_names_are_unique() -> None:
    for what in ([kind.id for kind in CATALOGUE], [kind.name for kind in CATALOGUE]):
        assert sorted(set(what)) == sorted(what)


def test_the_catalogue_is_every_file_but_the_template() -> None:
    assert [kind.id for kind in read_catalogue(local="/nowhere")] == sorted(kind.id for kind in CATALOGUE)
    assert TAUGHT.id not in {kind.id for kind in CATALOGUE}
    assert len(CATALOGUE) >= 30


def test_a_rule_read_without_its_examples_is_the_same_rule() -> None:
    for path, kind in zip(FILES, CATALOGUE, strict=True):
        short = load_rule(path.read_bytes(), str(path), examples=False)
        assert (short.id, short.fix, short.targets, short.examples) == (kind.id, kind.fix, kind.targets, ())


def test_every_rule_that_natfix_corrects_excludes_the_cluster_or_deletes_a_copy_of_what_is_corrected() -> None:
    assert {kind.id for kind in CATALOGUE if kind.fix == "delete"} == {"NAT003"}

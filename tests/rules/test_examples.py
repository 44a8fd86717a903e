"""Every example of every audit rule is executed: what it must find, what it must pass over, and what apply makes of it."""

from pathlib import Path

import pytest

from natfix.audit import AuditRule, Example, Finding, Subject, audit_table, load_rule
from natfix.audit.subject import filtering_of
from natfix.host.catalogue import packaged_rules, read_catalogue
from natfix.plan import repair, rewrite
from natfix.ruleset import Ruleset, Table, parse, render

TEMPLATE = packaged_rules() / "TEMPLATE.toml"
FILES = sorted(packaged_rules().glob("*/*.toml"))
CATALOGUE = tuple(load_rule(path.read_bytes(), str(path)) for path in FILES)
TAUGHT = load_rule(TEMPLATE.read_bytes(), str(TEMPLATE))
EXAMPLES = [
    pytest.param(kind, example, id=f"{kind.id}: {example.title}") for kind in (*CATALOGUE, TAUGHT) for example in kind.examples
]


def _nat(ruleset: Ruleset, example: Example) -> Table:
    table = ruleset.table("nat", next(ruleset.families("nat")))
    assert table is not None
    assert {network.version for network in example.cluster} == {table.family}
    return table


def _look(ruleset: Ruleset, kind: AuditRule, example: Example) -> tuple[Subject, tuple[Finding, ...]]:
    nat = _nat(ruleset, example)
    subject = Subject(nat, example.cluster, filtering=filtering_of(ruleset, nat.family))
    return subject, audit_table(subject, [kind, *(each for each in CATALOGUE if each is not kind and kind is not TAUGHT)])


@pytest.mark.parametrize(("kind", "example"), EXAMPLES)
def test_an_example_finds_what_it_names_and_nothing_else(kind: AuditRule, example: Example) -> None:
    _, findings = _look(parse(example.text.encode(), example.title), kind, example)
    mine = [finding for finding in findings if finding.kind is kind]
    assert [finding.rule.spec for finding in mine] == list(example.finds)
    assert [finding.certain for finding in mine] == [example.certain for _ in mine]


@pytest.mark.parametrize(("kind", "example"), EXAMPLES)
def test_after_the_fix_of_an_example_nothing_correctable_is_found(kind: AuditRule, example: Example) -> None:
    ruleset = parse(example.text.encode(), example.title)
    subject, findings = _look(ruleset, kind, example)
    fixed = rewrite(ruleset, subject.table, repair(subject, findings))
    if example.fixed is not None:
        assert render(fixed).decode() == example.fixed
    _, left = _look(fixed, kind, example)
    assert [str(finding.rule) for finding in left if finding.correctable] == []


@pytest.mark.parametrize("kind", [*CATALOGUE, TAUGHT], ids=lambda kind: kind.id)
def test_a_rule_shows_what_it_finds_and_what_it_passes_over(kind: AuditRule) -> None:
    assert [example.title for example in kind.examples if example.finds] != []
    assert [example.title for example in kind.examples if not example.finds] != []
    assert kind.fix == "none" or [example.title for example in kind.examples if example.fixed] != []


@pytest.mark.parametrize("kind", [*CATALOGUE, TAUGHT], ids=lambda kind: kind.id)
def test_a_silent_example_says_so(kind: AuditRule) -> None:
    wrong = [each.title for each in kind.examples if each.title.startswith("silent: ") is bool(each.finds)]
    assert wrong == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_is_called_by_its_id_and_name(path: Path) -> None:
    kind = CATALOGUE[FILES.index(path)]
    assert path.name == f"{kind.id}-{kind.name}.toml"
    assert kind.id.startswith(path.parent.name[:3].upper())


def test_ids_and_names_are_unique() -> None:
    for what in ([kind.id for kind in CATALOGUE], [kind.name for kind in CATALOGUE]):
        assert sorted(set(what)) == sorted(what)


def test_the_catalogue_is_every_file_but_the_template() -> None:
    assert [kind.id for kind in read_catalogue(local="/nowhere")] == sorted(kind.id for kind in CATALOGUE)
    assert TAUGHT.id not in {kind.id for kind in CATALOGUE}


def test_a_rule_read_without_its_examples_is_the_same_rule() -> None:
    for path, kind in zip(FILES, CATALOGUE, strict=True):
        short = load_rule(path.read_bytes(), str(path), examples=False)
        assert (short.id, short.fix, short.targets, short.examples) == (kind.id, kind.fix, kind.targets, ())

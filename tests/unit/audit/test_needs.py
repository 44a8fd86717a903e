"""natfix/audit/needs.py: which facts an audit rule asks for is what its analysis looks at, no more and no less."""

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import pytest

from natfix.audit import HostFacts, Subject, load_rule
from natfix.audit.analyses import ANALYSES
from natfix.audit.needs import NEEDS, needed
from natfix.audit.subject import subject_of
from natfix.host.catalogue import packaged_rules, read_catalogue
from natfix.ruleset import family_of, parse

NAMES = {each.name for each in fields(HostFacts)}
KINDS = tuple(load_rule(path.read_bytes(), str(path)) for path in sorted(packaged_rules().glob("*/*.toml")))


class Watched(HostFacts):
    """Facts that write down which of them somebody looked at."""

    __slots__ = ("looked",)

    def __getattribute__(self, name: str) -> Any:  # noqa: ANN401  (any fact)
        if name in NAMES:
            object.__getattribute__(self, "looked").add(name)
        return object.__getattribute__(self, name)


def watched(facts: HostFacts) -> tuple[Watched, set[str]]:
    made, looked = Watched(**{name: getattr(facts, name) for name in NAMES}), set[str]()
    object.__setattr__(made, "looked", looked)
    return made, looked


def subjects(analysis: str) -> Iterator[Subject]:
    """Every example of the catalogue, of the rules with this analysis."""
    for kind in KINDS:
        for example in kind.examples if kind.analysis == analysis else ():
            family = example.family or family_of(example.cluster[0])
            made = subject_of(parse(example.text.encode(), example.source), family, example.cluster, example.facts)
            assert made is not None
            yield made


@pytest.mark.parametrize("analysis", ANALYSES)
def test_an_analysis_looks_at_the_facts_that_it_is_said_to_need(analysis: str) -> None:
    seen = set[str]()
    for subject in subjects(analysis):
        facts, looked = watched(subject.facts)
        list(ANALYSES[analysis](replace(subject, facts=facts, made={})))
        seen |= looked
    assert seen == NEEDS.get(analysis, frozenset())


def test_a_catalogue_needs_what_its_rules_need() -> None:
    whole = read_catalogue(local="/nowhere")
    assert needed(whole) == {"settings", "counters", "saved", "boot", "daemon", "routes", "addresses"}
    assert needed([kind for kind in whole if kind.id in {"NAT001", "HOS001"}]) == {"settings"}
    assert needed([kind for kind in whole if kind.id == "NAT001"]) == frozenset()

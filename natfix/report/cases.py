"""Findings that are one fault on many hosts: one audit rule, one cure, and rules that differ in addresses and ids."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from natfix.audit import AuditRule, Severity
from natfix.report.gathered import Place

# What differs from host to host though the fault is the same. Order matters: an address holds digits, an id holds them too.
# Ids: what Docker, CNI plugins and kube-proxy name their bridges, devices and chains with, hexadecimal or in capitals.
_OWN: Final = re.compile(
    r"""
    (?P<network> (?<![\w.:]) (?: \d+(?:\.\d+){3} / (?!32\b)[\d.]+ | (?=[0-9a-f]*:[0-9a-f]*:)[0-9a-f:.]+ / (?!128\b)\d+ ) )
  | (?P<address> (?<![\w.:]) (?: \d+(?:\.\d+){3} | (?=[0-9a-f]*:[0-9a-f]*:)[0-9a-f:.]+ ) (?: /(?:32|128) )? (?![\w:]*://) )
  | (?P<port> (?: (?<=port[ ]) | (?<=ports[ ]) ) \d[\d:,-]* )
  | (?P<id> (?<![\w.]) (?: (?=[a-f]*\d)[0-9a-f]{7,} | [A-Z2-7]{16} ) (?![\w]) | (?<=veth)[0-9a-f]{6,} | (?<=cali)[0-9a-f]{11} )
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Case:
    """All findings of one kind whose rules are alike.

    Attributes:
        kind: the audit rule.
        shape: the rule; ``<network>``, ``<address>``, ``<port>`` or ``<id>`` stand where the findings differ.
        places: where it was found, in the order looked at; never empty.
        mask: the rule with such a word for everything that can differ, which is the same in every check.
        own: for each place what its rule has where the shape has such a word, in that order.
    """

    kind: AuditRule
    shape: str
    places: tuple[Place, ...]
    mask: str
    own: tuple[tuple[str, ...], ...]

    @property
    def severity(self) -> Severity:
        """That of all of them."""
        return self.places[0].finding.severity

    @property
    def sources(self) -> int:
        """In how many sources it was found."""
        return len({place.table.origin for place in self.places})


def cases_of(places: Iterable[Place]) -> tuple[Case, ...]:
    """Put findings together by what they have in common: of most sources first, then in the order looked at."""
    found: dict[object, list[Place]] = {}
    for place in places:
        found.setdefault(_likeness(place), []).append(place)
    made = [_case(alike) for alike in found.values()]
    return tuple(sorted(made, key=lambda case: (-case.severity, -case.sources)))


def _likeness(place: Place) -> object:
    finding, table = place.finding, place.table
    unknown = tuple(_parted(words).gaps for words in finding.unknown)
    stands = (
        finding.certain,
        bool(finding.shielded_by),
        finding.behind is not None or finding.first is not None,
        bool(finding.marked),
    )
    return finding.kind.id, table.family, finding.table, _parted(str(finding.rule)).gaps, stands, unknown


class _Parted(NamedTuple):
    """A rule taken apart: what is between a host's own words, each gap but the last with the kind of the word after it."""

    gaps: tuple[tuple[str, str], ...]
    words: tuple[str, ...]


def _parted(rule: str) -> _Parted:
    gaps, words, end = [], [], 0
    for match in _OWN.finditer(rule):
        gaps.append((rule[end : match.start()], str(match.lastgroup)))
        words.append(match.group())
        end = match.end()
    return _Parted((*gaps, (rule[end:], "")), tuple(words))


def _case(alike: Sequence[Place]) -> Case:
    """One case of findings with one likeness, so that each rule has as many words of its own as the others."""
    parted = [_parted(str(place.finding.rule)) for place in alike]
    gaps = parted[0].gaps
    differs = [len(set(column)) > 1 for column in zip(*(each.words for each in parted), strict=True)]
    shown = [f"<{kind}>" if own else word for (_, kind), word, own in zip(gaps[:-1], parted[0].words, differs, strict=True)]
    shape = "".join(gap + word for (gap, _), word in zip(gaps, [*shown, ""], strict=True))
    mask = "".join(gap + (f"<{kind}>" if kind else "") for gap, kind in gaps)
    own = tuple(tuple(word for word, mine in zip(each.words, differs, strict=True) if mine) for each in parted)
    return Case(alike[0].finding.kind, shape, tuple(alike), mask, own)

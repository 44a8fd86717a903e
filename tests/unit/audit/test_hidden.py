"""natfix/audit/hidden.py: what takes the source of packets that must keep it, worked out once."""

from collections.abc import Iterator

from natfix.audit import Subject
from natfix.audit.hidden import any_certain, hidden, once
from tests.unit.audit.subjects import BROAD, CORRECTED, subject


def test_what_is_found_in_a_subject_is_worked_out_once() -> None:
    asked: list[Subject] = []

    @once
    def count(looked: Subject) -> Iterator[int]:
        asked.append(looked)
        yield len(asked)

    one, other = subject(BROAD), subject(BROAD)
    assert (count(one), count(one), count(other)) == ((1,), (1,), (2,))
    assert asked == [one, other]


def test_every_rule_behind_the_first_is_found_too() -> None:
    hits = hidden(subject(BROAD, "-s 172.7.21.0/24 -o eth0 -j MASQUERADE"))
    assert [(hit.rule.number, hit.behind and hit.behind.number) for hit in hits] == [(1, None), (2, 1)]
    assert hidden(subject(CORRECTED)) == ()


def test_one_sure_part_makes_a_finding_sure() -> None:
    (hit,) = hidden(subject("-s 172.7.21.0/24 -m set --match-set x dst -p udp -j ACCEPT", BROAD))
    assert any_certain(hit.outcomes)
    assert not any_certain(outcome for outcome in hit.outcomes if outcome.unknown)

"""natfix/packets/outcome.py: what becomes of packets."""

from dataclasses import replace

from natfix.packets.outcome import Fate, Outcome
from tests.unit.packets.tables import everything


def test_an_outcome_is_certain_unless_something_on_the_way_was_unknown() -> None:
    outcome = Outcome(everything(), Fate.ACCEPT, (), None)
    assert outcome.certain
    assert not replace(outcome, unknown=("-m set --match-set a src",)).certain

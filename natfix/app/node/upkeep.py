"""What is kept right beside routes, in a thread of its own, as it takes other programs: iptables, and Docker's restart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from natfix.app.node import metrics
from natfix.app.node.rule_keeping import RuleKeeper
from natfix.app.node.voice import Voice
from natfix.errors import NatfixError


@dataclass
class Upkeep:
    """Rules first, then Docker once, then rules again and again.

    Args:
        build: makes the keepers of rules, one for each family.
        docker: gives Docker its subnet and corrects its rule; says what it did.
        voice: is told what was done, and once what is in the way.
    """

    build: Callable[[], Sequence[RuleKeeper]]
    docker: Callable[[], str]
    voice: Voice
    _keepers: Sequence[RuleKeeper] | None = None
    _docker_done: bool = False
    _told: set[str] = field(default_factory=set)

    def turn(self) -> None:
        """Look once, and put right what is not; what fails is tried again the next time."""
        failures = self._try(self._settle_rules)
        if not self._docker_done and not failures:
            failures |= self._try(self._settle_docker)
        self._told &= failures
        self.voice.meter.put(metrics.RULES_RIGHT, not failures)

    def _settle_rules(self) -> None:
        if self._keepers is None:
            self._keepers = self.build()
        for keeper in self._keepers:
            keeper.settle()

    def _settle_docker(self) -> None:
        said = self.docker()
        self._docker_done = True
        if said:
            self.voice.did(said)

    def _try(self, step: Callable[[], None]) -> set[str]:
        try:
            step()
        except NatfixError as error:
            if error.message not in self._told:
                self._told.add(error.message)
                self.voice.remark("rules, or Docker, could not be made to fit this host's subnet", error)
            return {error.message}
        return set()

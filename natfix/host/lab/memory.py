"""The in-memory twin of the two hosts: rules as words, and the addresses that follow from them."""

from __future__ import annotations

from collections.abc import Sequence

from natfix.app.lab import CASES, Hosts
from natfix.app.ports import Variant
from natfix.errors import EXIT_FOUND, EXIT_OK
from natfix.report.lab import Case

BROAD = "-s 172.7.21.0/24 ! -o docker0 -j MASQUERADE"
NARROW = "-s 172.7.21.0/24 ! -d 172.7.0.0/16 ! -o docker0 -j MASQUERADE"


class MemoryHosts(Hosts):
    """Two hosts of which only the POSTROUTING rules of host A can change.

    Args:
        repairs: whether its natfix does anything.
    """

    def __init__(self, *, repairs: bool = True) -> None:
        self.backend: Variant = "nft"
        self.docker = ""
        self.cases = CASES
        self.rules: list[str] = []
        self.asked: list[str] = []
        self._repairs = repairs

    def start_docker(self) -> None:
        """Insert Docker's rule at the top."""
        self.rules.insert(0, BROAD)

    def restart_docker(self) -> None:
        """Take Docker's rule away if it is there, and insert it at the top."""
        self.rules = [BROAD, *(rule for rule in self.rules if rule != BROAD)]

    def run_natfix(self, words: Sequence[str]) -> tuple[int, str]:
        """Check the rules, or leave the narrow one alone."""
        if words[0] == "apply":
            if self._repairs:
                self.rules = [NARROW]
            return EXIT_OK, "applied\n"
        return (EXIT_FOUND if BROAD in self.rules else EXIT_OK), "checked\n"

    def source_seen(self, case: Case, label: str) -> str:
        """Tell what the rules make of the source."""
        self.asked.append(label)
        return (case.spoilt or case.expected) if BROAD in self.rules else case.expected

    def server_log(self) -> Sequence[str]:
        """Return what was asked."""
        return self.asked

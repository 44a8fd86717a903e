"""A change of the guard: from what is kept to what shall be, in one transaction for both families, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from natfix.audit.guard import TABLE, Guard, HeldGuards, guard_of, nft_family, table_name
from natfix.audit.subject import Locality
from natfix.plan.diff import text_diff
from natfix.plan.guard_text import edits, guard_text
from natfix.ruleset import Family, parse_network


@dataclass(frozen=True, slots=True)
class GuardChange:
    """One guard instead of another.

    Attributes:
        before: what is kept now, at most one guard for each family.
        after: what shall be kept.
        altered: families whose table is there, not as natfix writes it, and shall go.
    """

    before: tuple[Guard, ...] = ()
    after: tuple[Guard, ...] = ()
    altered: tuple[Family, ...] = ()

    def __bool__(self) -> bool:
        """Whether there is anything to change."""
        return bool(self.families)

    @property
    def families(self) -> tuple[Family, ...]:
        """The families whose table changes."""
        return tuple(
            family
            for family in Family
            if family in self.altered or guard_of(self.before, family) != guard_of(self.after, family)
        )

    @property
    def script(self) -> str:
        """The change as nft takes it."""
        return "".join(self.script_of(family) for family in self.families)

    def script_of(self, family: Family) -> str:
        """The part of the script that is about *family*.

        From one guard to another only members of its sets come and go. A table made anew in the same transaction lets
        packets through unguarded that are on their way through both at that moment: 2 of 4,000 connections.
        """
        before, after = (guard_of(guards, family) for guards in (self.before, self.after))
        if before and after and family not in self.altered:
            return "".join(f"{line}\n" for line in edits(before, after))
        name = f"table {nft_family(family)} {TABLE}"
        return f"add {name}\ndelete {name}\n{guard_text(after) if after else ''}"

    def diff_of(self, family: Family) -> tuple[str, ...]:
        """The lines of a unified diff of the table of *family*."""
        texts = [_bytes(guard_of(guards, family)) for guards in (self.before, self.after)]
        return text_diff(texts[0], texts[1], table_name(family))

    def back(self, now: HeldGuards) -> GuardChange:
        """The change that takes this one back: its tables become what they were, the other ones stay."""
        kept = [guard for guard in now.guards if guard.family not in self.families]
        again = [guard for guard in self.before if guard.family in self.families]
        altered = tuple(family for family in now.altered if family in self.families)
        return GuardChange(now.guards, (*kept, *again), altered)

    def to_json(self) -> dict[str, Any]:
        """The change in JSON types, for the history."""
        return {
            "before": [_guard_to_json(guard) for guard in self.before],
            "after": [_guard_to_json(guard) for guard in self.after],
            "altered": [int(family) for family in self.altered],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> GuardChange:
        """Read what to_json wrote.

        Raises:
            KeyError, ValueError: *data* is something else.
        """
        return cls(
            tuple(_guard_from_json(each) for each in data["before"]),
            tuple(_guard_from_json(each) for each in data["after"]),
            tuple(Family(number) for number in data["altered"]),
        )


def _bytes(guard: Guard | None) -> bytes | None:
    return None if guard is None else guard_text(guard).encode()


def _guard_to_json(guard: Guard) -> dict[str, Any]:
    return {
        "family": int(guard.family),
        "cluster": [str(network) for network in guard.cluster],
        "localities": [
            {"bridge": locality.bridge, "networks": [str(network) for network in locality.networks]}
            for locality in guard.localities
        ],
    }


def _guard_from_json(data: Mapping[str, Any]) -> Guard:
    return Guard.of(
        Family(data["family"]),
        [parse_network(text) for text in data["cluster"]],
        [Locality(tuple(map(parse_network, each["networks"])), each["bridge"]) for each in data["localities"]],
    )

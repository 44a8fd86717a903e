"""Bring this host back to what its administrator wished: the guard where it was turned on, and the corrections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from natfix.app.apply import apply_change
from natfix.app.cluster import Cluster
from natfix.app.guard import ensure
from natfix.app.machine import Machine
from natfix.app.planning import Wishes
from natfix.errors import NatfixError
from natfix.report.changes import Change, ChangeResult


def restore(machine: Machine, clusters: Sequence[Cluster], wishes: Wishes) -> ChangeResult:
    """Put the guard back, then correct the rules: what refuses the one does not keep the other from its work.

    What a person has undone is left alone, and told.

    Args:
        machine: the host.
        clusters: for the guard, those of both families.
        wishes: for the corrections.

    Raises:
        NatfixError: as for turning the guard on, or as for applying; the other of the two was done all the same.
    """
    refusal: NatfixError | None = None
    kept: tuple[Change, ...] = ()
    try:
        kept = ensure(machine, clusters).changes
    except NatfixError as error:
        refusal = error
    result = apply_change(machine, replace(wishes, leave_undone=True))
    if refusal is not None:
        raise refusal
    return replace(result, done=result.done or bool(kept), changes=(*kept, *result.changes))

"""How the agent is, for whoever asks over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Health:
    """How the agent is at one moment.

    Attributes:
        alive: whether it gets on with its work.
        missing: what it has not got yet of what makes it ready, for people; empty when it is ready: it holds a lease, has
            written subnet.env, and the kernel has the routes.
        numbers: for monitoring, by name: ``leases``, ``routes``, ``store_up``, …
    """

    alive: bool = True
    missing: str = ""
    numbers: Mapping[str, float] = field(default_factory=dict)

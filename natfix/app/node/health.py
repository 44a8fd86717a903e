"""How the agent is, for whoever asks over HTTP."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Health:
    """How the agent is at one moment.

    Attributes:
        alive: whether it gets on with its work.
        missing: what it has not got yet of what makes it ready, for people; empty when it is ready: it holds a lease, has
            written subnet.env, and the kernel has the routes.
    """

    alive: bool = True
    missing: str = ""

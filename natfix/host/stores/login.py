"""Who speaks to a store."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Login:
    """A name and a password, which no text of an object shows."""

    user: str
    password: str = field(repr=False)

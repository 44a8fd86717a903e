"""What the far end of a stream saw: moments and source addresses, as a value. Moments are those of time.monotonic()."""

from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple, Self


class Arrival(NamedTuple):
    """A connection that the server accepted.

    Attributes:
        accepted: when; the order of arrivals.
        opened: when the client had opened it: its source address was decided between the two. The same as accepted where the
            client never got the server's answer.
        source: the address it came from.
    """

    accepted: float
    opened: float
    source: str


class Attempt(NamedTuple):
    """A connection that the client opened.

    Attributes:
        opened: when.
        seconds: how long it took.
        outcome: answered, refused, lost (no answer within five seconds) or failed.
    """

    opened: float
    seconds: float
    outcome: str


@dataclass(frozen=True, slots=True)
class Traffic:
    """What arrived, and what became of what the client opened, both in the order of time."""

    arrivals: tuple[Arrival, ...]
    attempts: tuple[Attempt, ...]

    @classmethod
    def parse(cls, server: str, client: str) -> Self:
        """Read what both ends of ``flood.py`` have written."""
        opened, attempts = {}, []
        for line in client.splitlines()[1:]:
            start, end, outcome, accepted = line.split()
            opened[accepted] = int(start) / 1e9
            attempts.append(Attempt(int(start) / 1e9, (int(end) - int(start)) / 1e9, outcome))
        pairs = (line.split() for line in server.splitlines()[1:])
        arrivals = [Arrival(int(moment) / 1e9, opened.get(moment, int(moment) / 1e9), source) for moment, source in pairs]
        return cls(tuple(sorted(arrivals)), tuple(sorted(attempts)))

    def between(self, start: float, end: float) -> Self:
        """Keep connections whose source address was decided between two moments for certain, and attempts opened then."""
        return type(self)(
            tuple(one for one in self.arrivals if start <= one.opened and one.accepted < end),
            tuple(one for one in self.attempts if start <= one.opened < end),
        )

    @property
    def sources(self) -> Counter[str]:
        """How many arrived from each address."""
        return Counter(one.source for one in self.arrivals)

    @property
    def outcomes(self) -> Counter[str]:
        """How many of the client's connections ended how."""
        return Counter(one.outcome for one in self.attempts)

    def windows(self, source: str) -> list[float]:
        """Each stretch of time in which connections came from *source*, in milliseconds.

        One lasts from its first such connection to the next that came from elsewhere, or to its last when none did: the true
        one is longer or shorter by the distance of two connections at most.
        """
        found: list[float] = []
        first = last = None
        for one in self.arrivals:
            if one.source == source:
                first = one.accepted if first is None else first
                last = one.accepted
            elif first is not None:
                found.append((one.accepted - first) * 1000)
                first = None
        if first is not None and last is not None:
            found.append((last - first) * 1000)
        return found

    def longest(self, source: str) -> float:
        """The longest of those stretches, in milliseconds; 0 when nothing came from *source*."""
        return max(self.windows(source), default=0.0)

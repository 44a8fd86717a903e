"""``natfix node verify``: which peers answer, and as whom they see this host's containers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from natfix.report.document import headed
from natfix.report.lines import Line, Style


@dataclass(frozen=True, slots=True)
class PeerAnswer:
    """One peer, in one family.

    Attributes:
        subnet: its containers'.
        host: where it is.
        target: the address that was tried: the first of its subnet, which its bridge has.
        milliseconds: the fastest answer; None when there was none.
        seen: as whom the peer, or the last rule on this host's side, sees what this host's containers send; None when nobody
            tells.
        witness: who says so: ``peer`` (its agent), ``conntrack`` (this host's kernel).
        wanted: as whom it should be seen.
        note: why it cannot be reached, when that is known.
    """

    subnet: str
    host: str
    target: str
    milliseconds: float | None
    seen: str | None
    witness: str
    wanted: str
    note: str = ""

    @property
    def right(self) -> bool:
        """Whether it answers, and nobody says that it sees another address."""
        return self.milliseconds is not None and self.seen in {None, self.wanted}


@dataclass(frozen=True, slots=True)
class Verification:
    """All of them.

    Attributes:
        source: the addresses of this host's bridge that were tried from, one of each family.
        answers: in the order of their subnets.
    """

    source: tuple[str, ...]
    answers: tuple[PeerAnswer, ...]

    @property
    def right(self) -> bool:
        """Whether all is well."""
        return all(answer.right for answer in self.answers)


def verification_lines(report: Verification) -> Iterable[Line]:
    """It for people."""
    yield Line(f"tried from {' and '.join(report.source)}", "strong")
    width = max((len(answer.subnet) for answer in report.answers), default=0)
    for answer in report.answers:
        style: Style = "good" if answer.right else "bad"
        yield Line(f"{answer.subnet:<{width}}  {answer.host:<15}  {_said(answer)}", style)
        if answer.note:
            yield Line(f"    {' '.join(answer.note.split())}", "warn")
    wrong = sum(not answer.right for answer in report.answers)
    if not report.answers:
        yield Line("there are no peers")
    elif wrong:
        yield Line(f"{wrong} of {len(report.answers)} peers do not answer, or see another address")
    else:
        yield Line("every peer answers, and nobody sees another address", "good")


def _said(answer: PeerAnswer) -> str:
    if answer.milliseconds is None:
        return f"no answer from {answer.target}"
    reached = f"{answer.milliseconds:.1f} ms"
    if answer.seen is None:
        return f"{reached}, seen as nobody tells whom"
    by = "the peer says" if answer.witness == "peer" else "by this host's conntrack"
    return f"{reached}, seen as {answer.seen} ({by})" + ("" if answer.seen == answer.wanted else f", not {answer.wanted}")


def verification_document(report: Verification) -> dict[str, Any]:
    """It for programs; docs/schemas/verification-1.json."""
    return headed(
        right=report.right,
        source=list(report.source),
        peers=[
            {
                "subnet": answer.subnet,
                "host": answer.host,
                "target": answer.target,
                "milliseconds": answer.milliseconds,
                "seen": answer.seen,
                "witness": answer.witness or None,
                "wanted": answer.wanted,
                "note": answer.note or None,
                "right": answer.right,
            }
            for answer in report.answers
        ],
    )

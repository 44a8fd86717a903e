"""Who holds which subnet, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

from natfix.report.lines import Line, Style, shown
from natfix.report.network import pool_document
from natfix.routing.capacity import Capacity
from natfix.routing.lease import Lease

Verb: TypeAlias = Literal["reserve", "release"]
Outcome: TypeAlias = Literal["done", "planned", "nothing"]

_IS: dict[Outcome, tuple[Style, str]] = {
    "done": ("good", "is now"),
    "planned": ("warn", "would be"),
    "nothing": ("", "is already"),
}


@dataclass(frozen=True, slots=True)
class LeasesReport:
    """What ``natfix leases`` saw.

    Attributes:
        leases: every lease and reservation, sorted by address.
        capacity: how much is left; None while nobody has configured the network.
        unreadable: entries that are no leases, with the reason.
        notes: what else the reader should know.
    """

    leases: tuple[Lease, ...]
    capacity: Capacity | None
    unreadable: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def right(self) -> bool:
        """Whether the next hosts will find subnets too."""
        return self.capacity is not None and not self.capacity.scarce


@dataclass(frozen=True, slots=True)
class LeaseReport:
    """What ``natfix lease`` did.

    Attributes:
        verb: what it was asked for.
        outcome: whether it was done, would be, or was so already.
        lease: the reservation that was made, or what was let go.
    """

    verb: Verb
    outcome: Outcome
    lease: Lease


def leases_lines(report: LeasesReport) -> Iterator[Line]:
    """What ``natfix leases`` saw."""
    rows = [(str(lease.subnet), host_of(lease), lease.attributes.backend_type, _until(lease)) for lease in report.leases]
    yield from (Line(shown(line)) for line in _columns(rows))
    yield from (Line(shown(f"not a lease: {each}"), "warn") for each in report.unreadable)
    yield from (Line(shown(f"note: {note}"), "warn") for note in report.notes)
    if report.capacity:
        yield from _capacity_lines(report.capacity)


def lease_lines(report: LeaseReport) -> Iterator[Line]:
    """What ``natfix lease`` did."""
    host = host_of(report.lease)
    style, is_ = _IS[report.outcome]
    subnet = ",".join(map(str, report.lease.subnet.networks))
    if report.verb == "reserve":
        yield Line(f"{report.lease.subnet} {is_} reserved{f' for {host}' if host else ''}", style)
        undo = f"natfix lease release {subnet}"
    else:
        yield Line(f"{report.lease.subnet} {is_} free", style)
        undo = f"natfix lease reserve {subnet}{f' --for {host}' if host else ''}"
    if report.outcome == "done" and report.lease.reserved:
        yield Line(f"undo with: {undo}", "dim")


def host_of(lease: Lease) -> str:
    """The host's addresses; empty where it has none."""
    both = (lease.attributes.public_ip, lease.attributes.public_ipv6)
    return ",".join(str(address) for address in both if address)


def _until(lease: Lease) -> str:
    if lease.reserved:
        return "reserved"
    return f"until {moment(lease.expires)}" if lease.expires is not None else ""


def moment(seconds: float) -> str:
    """A time of day in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _columns(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Each row as a line, with the same column beginning at the same place."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(f"{word:{width}}" for word, width in zip(row, widths, strict=True)).rstrip()


def _capacity_lines(capacity: Capacity) -> Iterator[Line]:
    parts = [f"{capacity.used} leased", f"{capacity.reserved} reserved", f"{capacity.free} free"]
    if capacity.expiring:
        parts[0] += f" ({capacity.expiring} of them overdue)"
    if capacity.outside:
        parts.append(f"{capacity.outside} outside the network")
    yield Line(f"{capacity.capacity} subnets in {capacity.pool.network}: {', '.join(parts)}", "strong")
    if capacity.warning:
        yield Line(capacity.warning, "warn")


def leases_document(report: LeasesReport) -> dict[str, Any]:
    """What ``natfix leases`` saw; docs/schemas/leases-1.json."""
    from natfix.report.document import headed  # noqa: PLC0415  (start-up time: it knows of audits)

    return headed(
        right=report.right,
        leases=[lease_entry(lease) for lease in report.leases],
        capacity=_capacity(report.capacity) if report.capacity else None,
        unreadable=list(report.unreadable),
        notes=list(report.notes),
    )


def lease_document(report: LeaseReport) -> dict[str, Any]:
    """What ``natfix lease`` did; docs/schemas/lease-1.json."""
    from natfix.report.document import headed  # noqa: PLC0415  (as above)

    return headed(verb=report.verb, outcome=report.outcome, lease=lease_entry(report.lease))


def lease_entry(lease: Lease) -> dict[str, Any]:
    """One lease or reservation."""
    said = lease.attributes
    return {
        "ipv4": _text(lease.subnet.ipv4),
        "ipv6": _text(lease.subnet.ipv6),
        "public_ip": _text(said.public_ip),
        "public_ipv6": _text(said.public_ipv6),
        "backend": said.backend_type or None,
        "backend_data": dict(said.backend_data) if said.backend_data is not None else None,
        "backend_v6_data": dict(said.backend_v6_data) if said.backend_v6_data is not None else None,
        "reserved": lease.reserved,
        "expires": datetime.fromtimestamp(lease.expires, UTC).isoformat() if lease.expires is not None else None,
    }


def _text(value: object | None) -> str | None:
    return None if value is None else str(value)


def _capacity(capacity: Capacity) -> dict[str, Any]:
    return {
        "pool": pool_document(capacity.pool),
        "used": capacity.used,
        "reserved": capacity.reserved,
        "free": capacity.free,
        "expiring": capacity.expiring,
        "outside": capacity.outside,
        "scarce": capacity.scarce,
    }

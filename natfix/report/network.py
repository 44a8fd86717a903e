"""The configuration of a cluster's network, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from natfix.report.lines import Line, diff_lines, shown
from natfix.routing.network import NetworkConfig
from natfix.routing.pool import Pool

Verb: TypeAlias = Literal["show", "set"]


@dataclass(frozen=True, slots=True)
class NetReport:
    """What ``natfix net`` saw or did.

    Attributes:
        verb: what it was asked for.
        done: whether something was written.
        text: the configuration as it is written, or would be; None where there is none.
        config: what it says; None where there is none, or it cannot be used.
        problem: why it cannot be used; empty when it can.
        before: what was, or would be, replaced; None for nothing.
        diff: the lines of a unified diff of the two.
        notes: what else the reader should know.
    """

    verb: Verb
    done: bool
    text: str | None
    config: NetworkConfig | None = None
    problem: str = ""
    before: str | None = None
    diff: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def right(self) -> bool:
        """Whether hosts can work with what is there."""
        return self.config is not None


def net_lines(report: NetReport) -> Iterator[Line]:
    """What ``natfix net`` saw or did."""
    yield from diff_lines(report.diff)
    if report.diff:
        yield Line()
    if report.config:
        yield from _config_lines(report.config)
    if report.verb == "show" and report.text is not None:
        yield from (Line(f"    {shown(line)}", "dim") for line in report.text.splitlines())
    if report.problem:
        yield Line(shown(report.problem), "bad")
    yield from (Line(f"note: {shown(note)}", "warn") for note in report.notes)
    yield from _outcome(report)


def pool_text(pool: Pool) -> str:
    """Say which subnets hosts may have."""
    return f"{pool.count} subnets /{pool.subnet_len}, {pool.subnet_min} to {pool.subnet_max}"


def _config_lines(config: NetworkConfig) -> Iterator[Line]:
    for pool in config.pools:
        yield Line(f"network {pool.network}: {pool_text(pool)}", "strong")
    told = config.backend.to_fields()
    options = ", ".join(f"{name} {_value(value)}" for name, value in told.items() if name != "Type")
    yield Line(f"backend {config.backend.type}" + (f": {options}" if options else ""), "strong")


def _value(value: object) -> str:
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)


def _outcome(report: NetReport) -> Iterator[Line]:
    if report.verb == "show":
        if report.text is None:
            yield Line("nobody has configured a network yet; natfix net set does", "bad")
    elif report.done:
        yield Line("the network is configured; each host takes it up when its agent starts anew", "good")
        if report.before is not None:
            yield Line(f"undo with: natfix net set {quoted(report.before)}", "dim")
    elif report.diff:
        yield Line("natfix net set would write this", "warn")
    else:
        yield Line("nothing to do: this is the network's configuration")


def quoted(text: str) -> str:
    """Spell a text as one word for a shell."""
    from shlex import quote  # noqa: PLC0415

    return quote(shown(text))


def net_document(report: NetReport) -> dict[str, Any]:
    """What ``natfix net`` saw or did; docs/schemas/net-1.json."""
    from natfix.report.document import headed  # noqa: PLC0415  (start-up time: it knows of audits)

    return headed(
        verb=report.verb,
        done=report.done,
        right=report.right,
        text=report.text,
        before=report.before,
        network=_network(report.config) if report.config else None,
        problem=report.problem or None,
        diff=list(report.diff),
        notes=list(report.notes),
    )


def _network(config: NetworkConfig) -> dict[str, Any]:
    return {"pools": [pool_document(pool) for pool in config.pools], "backend": config.backend.to_fields()}


def pool_document(pool: Pool) -> dict[str, Any]:
    """The subnets of one family that hosts may have."""
    return {
        "family": pool.family.name.lower(),
        "network": str(pool.network),
        "subnet_len": pool.subnet_len,
        "subnet_min": str(pool.subnet_min),
        "subnet_max": str(pool.subnet_max),
        "count": pool.count,
    }

"""What Docker's own switches could do on a host, as values, as text for people and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from natfix.report.document import cluster_document, headed, readable
from natfix.report.lines import Line, diff_lines, shown
from natfix.report.model import ClusterOrigin
from natfix.report.text import cluster_lines
from natfix.ruleset import Network

# docker: Docker's own switch is the better cure; natfix: natfix's correction or guard is; set: the switch is set already;
# nothing: there is nothing to switch.
Verdict: TypeAlias = Literal["docker", "natfix", "set", "nothing"]


@dataclass(frozen=True, slots=True)
class NetworkAdvice:
    """One network of Docker inside the cluster.

    Attributes:
        name: what Docker calls it; empty when nobody could be asked.
        bridge: its device.
        subnets: its networks inside the cluster.
        hidden: whether a rule of Docker hides its containers now.
        dropped: the tables in which Docker drops what other hosts send to them.
        cure: the commands that use Docker's own switch, in order; they interrupt its containers.
        once: the commands that take away what the switch leaves behind, to be run after it.
        passage: what lets other hosts reach its containers again.
    """

    name: str
    bridge: str
    subnets: tuple[Network, ...]
    hidden: bool = False
    dropped: tuple[str, ...] = ()
    cure: tuple[str, ...] = ()
    once: tuple[str, ...] = ()
    passage: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Advice:
    """What natfix says about Docker's own switches.

    Attributes:
        verdict: which cure is the better one.
        why: the reason, one sentence.
        path: Docker's configuration file.
        diff: what --write does to it; empty for nothing.
        obstacle: why --write refuses; empty when it does not.
        networks: Docker's networks inside the cluster.
        limits: what the switch does not cover.
        clusters: the clusters that decided.
        notes: what else the reader should know.
        done: whether the file was written.
        id: names the change for ``natfix undo``.
    """

    verdict: Verdict
    why: str
    path: str
    diff: tuple[str, ...] = ()
    obstacle: str = ""
    networks: tuple[NetworkAdvice, ...] = ()
    limits: tuple[str, ...] = ()
    clusters: tuple[ClusterOrigin, ...] = ()
    notes: tuple[str, ...] = ()
    done: bool = False
    id: str = ""


_BETTER: dict[Verdict, str] = {
    "docker": "better here: Docker's own switch",
    "natfix": "better here: natfix apply, or natfix guard on",
    "set": "Docker's own switch is set",
    "nothing": "nothing to switch",
}


def advice_lines(advice: Advice) -> Iterator[Line]:
    """The advice for people."""
    yield from cluster_lines(advice.clusters)
    yield from (Line(f"note: {shown(note)}", "warn") for note in advice.notes)
    for network in advice.networks:
        yield from _network_lines(network)
    yield Line(f"{_BETTER[advice.verdict]}, as {advice.why}", "strong")
    if advice.diff:
        yield Line()
        yield from diff_lines(advice.diff)
    if advice.limits:
        yield Line()
        yield Line("what it does not cover:")
        yield from (Line(f"  - {limit}") for limit in advice.limits)
    if advice.diff:
        yield Line()
        yield from _ending(advice)


def _network_lines(network: NetworkAdvice) -> Iterator[Line]:
    subnets = ", ".join(map(str, network.subnets))
    name = f", network {network.name}" if network.name else ""
    yield Line(shown(f"{network.bridge} ({subnets}{name}): {_condition(network)}"), "bad" if network.hidden else "")
    for title, commands in (
        ("its own switch", network.cure),
        ("once, afterwards", network.once),
        ("to reach its containers from other hosts", network.passage),
    ):
        if commands:
            yield Line(f"  {title}:", "dim")
            yield from (Line(shown(f"    {command}")) for command in commands)


def _condition(network: NetworkAdvice) -> str:
    hidden = "Docker's rule hides its containers inside the cluster" if network.hidden else "its containers are not hidden"
    return f"{hidden}; Docker drops what other hosts send to them" if network.dropped else hidden


def _ending(advice: Advice) -> Iterator[Line]:
    if advice.done:
        yield Line(f"written: {advice.path}; it counts from the next restart of Docker, which natfix does not do", "good")
        yield Line(f"undo with: natfix undo {advice.id}", "dim")
    elif advice.obstacle:
        yield Line(f"natfix advise --write would refuse: {shown(advice.obstacle)}", "warn")
    else:
        yield Line("write it with: natfix advise --write", "dim")


def advice_document(advice: Advice) -> dict[str, Any]:
    """The advice as JSON; docs/schemas/advise-1.json."""
    return headed(
        verdict=advice.verdict,
        why=advice.why,
        clusters=[cluster_document(cluster) for cluster in advice.clusters],
        networks=[_network(network) for network in advice.networks],
        path=advice.path,
        diff=[readable(line) for line in advice.diff],
        obstacle=advice.obstacle or None,
        limits=list(advice.limits),
        notes=list(advice.notes),
        done=advice.done,
        id=advice.id or None,
    )


def _network(network: NetworkAdvice) -> dict[str, Any]:
    return {
        "name": network.name or None,
        "bridge": network.bridge,
        "subnets": [str(each) for each in network.subnets],
        "hidden": network.hidden,
        "dropped": list(network.dropped),
        "cure": [readable(command) for command in network.cure],
        "once": [readable(command) for command in network.once],
        "passage": [readable(command) for command in network.passage],
    }

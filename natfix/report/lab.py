"""What a run of the lab showed, as values, as lines of text and as a JSON document (docs/schemas/lab-1.json)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from natfix.report.lines import Line

VERSION: Final = 1

# Stands beside a source address that is not the one that applications ought to see.
_MARK = " (!)"


class Moment(StrEnum):
    """When the traffic was looked at."""

    BEFORE = "before"
    AFTER = "after"
    RESTARTED = "after_restart"
    AGAIN = "applied_again"

    @property
    def heading(self) -> str:
        """The words above its column."""
        return self.value.replace("_", " ")

    @property
    def spoilt(self) -> bool:
        """Tell whether Docker's own rule is in force at that moment."""
        return self in {Moment.BEFORE, Moment.RESTARTED}


@dataclass(frozen=True, slots=True)
class Place:
    """One end of a connection: ``pod A`` at 172.7.21.2."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Case:
    """One connection, and the source address its far end ought to see.

    Attributes:
        name: ``pod A to pod B``.
        sender: who opens the connection.
        receiver: who is addressed.
        expected: the source address the receiver ought to see.
        spoilt: what it sees instead while Docker's rule is in force; empty when that rule makes no difference.
        port: the TCP port.
    """

    name: str
    sender: Place
    receiver: Place
    expected: str
    spoilt: str = ""
    port: int = 80

    def predicted(self, moment: Moment) -> str:
        """Name the source address that the far end will see at *moment* when everything is as this project says."""
        return self.spoilt if self.spoilt and moment.spoilt else self.expected


@dataclass(frozen=True, slots=True)
class Row:
    """What the far end of one case saw, moment by moment; an address, or ``no answer``."""

    case: Case
    seen: Mapping[Moment, str]

    @property
    def ok(self) -> bool:
        """Tell whether every moment was as predicted."""
        return all(self.seen.get(moment) == self.case.predicted(moment) for moment in Moment)


@dataclass(frozen=True, slots=True)
class Command:
    """One natfix command that was run on host A, as a user would.

    Attributes:
        moment: the moment it led to, or told about.
        words: the command, from ``natfix`` on.
        wanted: the exit code it ought to have.
        exit_code: the one it had.
        output: what it printed.
    """

    moment: Moment
    words: tuple[str, ...]
    wanted: int
    exit_code: int
    output: str

    @property
    def ok(self) -> bool:
        """Tell whether it ended as it ought to."""
        return self.exit_code == self.wanted


@dataclass(frozen=True, slots=True)
class LabResult:
    """One whole run.

    Attributes:
        backend: ``nft`` or ``legacy``.
        docker: the version of the real dockerd, or empty when its rule was put in by hand.
        places: the hosts, their pods and the machine outside.
        rows: one for each case.
        commands: what was run on host A, in that order.
        server_log: lines of the server in pod B, when it keeps a log.
    """

    backend: str
    docker: str
    places: tuple[Place, ...]
    rows: tuple[Row, ...]
    commands: tuple[Command, ...]
    server_log: tuple[str, ...] = field(default=())

    @property
    def ok(self) -> bool:
        """Tell whether everything was as predicted."""
        return all(row.ok for row in self.rows) and all(command.ok for command in self.commands)


def lab_document(result: LabResult, entrances: Mapping[str, str]) -> dict[str, Any]:
    """Make the JSON document of *result*, with the commands that enter what was kept."""
    return {
        "version": VERSION,
        "ok": result.ok,
        "backend": result.backend,
        "docker": result.docker or None,
        "places": {place.name: place.address for place in result.places},
        "cases": [_case_document(row) for row in result.rows],
        "commands": [_command_document(command) for command in result.commands],
        "server_log": list(result.server_log),
        "entrances": dict(entrances),
    }


def _case_document(row: Row) -> dict[str, Any]:
    case = row.case
    return {
        "name": case.name,
        "from": {"name": case.sender.name, "address": case.sender.address},
        "to": {"name": case.receiver.name, "address": case.receiver.address, "port": case.port},
        "expected": case.expected,
        "predicted": {moment.value: case.predicted(moment) for moment in Moment},
        "seen": {moment.value: row.seen[moment] for moment in Moment},
        "ok": row.ok,
    }


def _command_document(command: Command) -> dict[str, Any]:
    return {
        "moment": command.moment.value,
        "command": list(command.words),
        "wanted_exit_code": command.wanted,
        "exit_code": command.exit_code,
        "output": command.output,
        "ok": command.ok,
    }


def lab_lines(result: LabResult, entrances: Mapping[str, str]) -> Iterator[Line]:
    """Tell of the hosts, each command with its output, the table, the verdict, and how to enter what was kept."""
    yield from _setup(result)
    for command in result.commands:
        yield Line()
        yield from _command(command)
    yield Line()
    if result.server_log:
        yield Line("The log of the server in pod B:")
        yield from (Line(f"    {line}") for line in result.server_log)
        yield Line()
    yield from _table(result.rows)
    yield Line()
    yield from _verdict(result)
    if entrances:
        yield Line()
        yield from _entrances(entrances)


def _setup(result: LabResult) -> Iterator[Line]:
    docker = f"a real dockerd {result.docker} in each" if result.docker else "Docker's rule put in as Docker does"
    yield Line(f"Two container hosts in network namespaces, iptables-{result.backend}, {docker}.")
    yield Line("They are joined to each other and to one outside machine, and to nothing else.")
    yield Line()
    yield from (Line(f"  {place.name:<8} {place.address}") for place in result.places)


def _command(command: Command) -> Iterator[Line]:
    ended = f"exit {command.exit_code}" if command.ok else f"exit {command.exit_code}, and {command.wanted} was wanted"
    shown = f"host A ({command.moment.heading}) $ {' '.join(command.words)}   # {ended}"
    yield Line(shown, "strong" if command.ok else "bad")
    yield from (Line(f"    {line}".rstrip()) for line in command.output.splitlines())


def _table(rows: Sequence[Row]) -> Iterator[Line]:
    head = ["case", "expected", *(moment.heading for moment in Moment), ""]
    body = [_cells(row) for row in rows]
    widths = [max(len(line[column]) for line in [head, *body]) for column in range(len(head))]
    yield Line("The source address that the far end saw:")
    yield Line()
    yield Line(_padded(head, widths), "strong")
    yield Line("  ".join("-" * width for width in widths), "dim")
    yield from (Line(_padded(line, widths), "" if row.ok else "bad") for line, row in zip(body, rows, strict=True))


def _cells(row: Row) -> list[str]:
    seen = [row.seen[moment] for moment in Moment]
    marked = [address if address == row.case.expected else address + _MARK for address in seen]
    return [row.case.name, row.case.expected, *marked, "ok" if row.ok else "WRONG"]


def _padded(cells: Iterable[str], widths: Iterable[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _verdict(result: LabResult) -> Iterator[Line]:
    if result.ok:
        yield Line(f"As it should be:{_MARK} appears only while Docker's own rule is in force, which natfix corrects,", "good")
        yield Line("and which a restart of Docker puts back.", "good")
    else:
        yield Line("NOT as it should be: see WRONG in the table, or a command that ended otherwise than wanted.", "bad")


def _entrances(entrances: Mapping[str, str]) -> Iterator[Line]:
    width = max(len(name) for name in entrances)
    yield Line("The lab stays until you press Ctrl-C here. From another terminal, enter")
    yield from (Line(f"  {name:<{width}}  {command}") for name, command in entrances.items())

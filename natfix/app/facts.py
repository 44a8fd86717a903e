"""What an audit is told of a host beside its rulesets: asked of ports, and only what some audit rule will look at.

A fact that cannot be had is left out, so that no rule speaks by it; a file that cannot be read is told in a note.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from natfix.app.check import Looked
from natfix.app.collect_ports import KernelState, SavedFiles
from natfix.app.ports import Files, Interface, SavedRulesets
from natfix.audit import Finding, HostFacts
from natfix.audit.boot import DOCKER
from natfix.audit.kernel import SYSCTL
from natfix.errors import NatfixError

Read = TypeVar("Read")


class LoadedFiles(SavedFiles):
    """The files that the services of a host load at boot.

    Args:
        saved: knows the services.
        files: reads.
    """

    def __init__(self, saved: SavedRulesets, files: Files) -> None:
        self._saved = saved
        self._files = files

    def paths(self) -> Sequence[str]:
        """Where they lie."""
        return tuple(dict.fromkeys(self._saved.paths().values()))

    def read(self, path: str) -> bytes | None:
        """Read one of them."""
        return self._files.read(path)


@dataclass(frozen=True, slots=True)
class FactPorts:
    """Whom the facts are asked of.

    Attributes:
        kernel: settings and counters.
        saved: files that are loaded at boot.
        order: tells what starts then, as natfix.app.collect_ports.Boot does.
        switches: tells Docker's, as natfix.app.daemon.switches_of does.
    """

    kernel: KernelState
    saved: SavedFiles
    order: Callable[[], Mapping[str, tuple[str, ...]]]
    switches: Callable[[], Mapping[str, bool]]


def devices_of(interfaces: Iterable[Interface]) -> Sequence[str]:
    """The devices whose own settings count: a port of a bridge filters nothing, the bridge is what packets come in by."""
    return [each.name for each in interfaces if not each.bridge]


class FactReading:
    """Asks the ports one after the other.

    Args:
        ports: whom.
        wanted: names of the facts that some rule looks at.
        refused: told of what could not be had, and why.
    """

    def __init__(self, ports: FactPorts, wanted: frozenset[str], refused: Callable[[str, NatfixError], None]) -> None:
        self._ports = ports
        self._wanted = wanted
        self._refused = refused

    def facts(self, devices: Sequence[str]) -> HostFacts:
        """All that is wanted; *devices* are those whose settings count."""
        kernel = self._ports.kernel
        saved = self._saved() if "saved" in self._wanted else {}
        order = self._asked("boot", self._ports.order) if saved else {}
        return HostFacts(
            settings=self._asked("settings", lambda: kernel.settings(devices)),
            counters=self._asked("counters", kernel.counters),
            saved=saved,
            boot=order,
            # Where Docker is not started, nobody needs to know how.
            daemon=self._asked("daemon", self._ports.switches) if DOCKER in order else {},
        )

    def _asked(self, part: str, read: Callable[[], Mapping[str, Read]]) -> Mapping[str, Read]:
        return (self._tried(part, read) or {}) if part in self._wanted else {}

    def _tried(self, part: str, read: Callable[[], Read]) -> Read | None:
        try:
            return read()
        except NatfixError as error:
            self._refused(part, error)
            return None

    def _saved(self) -> dict[str, str]:
        saved = self._ports.saved
        paths = self._tried("saved", saved.paths) or ()
        read = {path: self._tried(f"saved: {path}", partial(saved.read, path)) for path in paths}
        return {path: data.decode("utf-8", "surrogateescape") for path, data in read.items() if data is not None}


def read_facts(ports: FactPorts, wanted: frozenset[str], interfaces: Iterable[Interface], notes: list[str]) -> HostFacts:
    """Ask *ports* for the facts that are *wanted*; what a host refuses to tell is left out, and a note."""

    def refused(part: str, error: NatfixError) -> None:
        notes.append(f"not judged by {part}: {error.message}")

    return FactReading(ports, wanted, refused).facts(devices_of(interfaces))


def told_once(looked: Sequence[Looked]) -> list[Looked]:
    """Leave out of later tables what an earlier one said already of a setting or a saved file, which belong to no table."""
    said = set[tuple[str, str, int, str]]()
    kept = []
    for each in looked:
        keys = [_key(finding) for finding in each.checked.findings]
        pairs = zip(keys, each.checked.findings, strict=True)
        kept.append(replace(each, checked=replace(each.checked, findings=tuple(one for key, one in pairs if key not in said))))
        said.update(key for key in keys if key is not None)
    return kept


def _key(finding: Finding) -> tuple[str, str, int, str] | None:
    """What tells a finding that belongs to no table from others; None for one that belongs to its table."""
    if finding.table != SYSCTL and not finding.table.startswith("/"):
        return None
    return finding.kind.id, finding.table, finding.rule.line, str(finding.rule)

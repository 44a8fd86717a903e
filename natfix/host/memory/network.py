"""Twins of what natfix sees of a host: its links, its routes, what runs on it."""

from __future__ import annotations

from collections.abc import Sequence

from natfix.app.ports import Interface, Links, Process, Processes, Route
from natfix.host.links import in_order


class MemoryLinks(Links):
    """A network that a test describes.

    Args:
        interfaces: its devices.
        routes: its unicast routes.
    """

    def __init__(self, interfaces: Sequence[Interface] = (), routes: Sequence[Route] = ()) -> None:
        self._interfaces = tuple(sorted(interfaces, key=lambda interface: interface.name))
        self._routes = in_order(routes)

    def interfaces(self) -> Sequence[Interface]:
        """Every device, sorted by name."""
        return self._interfaces

    def routes(self) -> Sequence[Route]:
        """The unicast routes, sorted by destination."""
        return self._routes


class MemoryProcesses(Processes):
    """Processes that a test describes.

    Args:
        processes: root's, in natfix's own network namespace.
    """

    def __init__(self, processes: Sequence[Process] = ()) -> None:
        self._processes = tuple(sorted(processes, key=lambda process: process.pid))

    def running(self, *programs: str) -> Sequence[Process]:
        """Those that run one of *programs*, sorted by pid."""
        return tuple(process for process in self._processes if process.program in programs)

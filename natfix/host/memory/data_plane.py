"""A kernel's data plane that lives in this object: devices, addresses, FDB entries, neighbours and routes.

What it refuses, and with which number, is what a Linux kernel refuses: tests/contract/test_data_plane.py holds it to that.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from queue import Empty, SimpleQueue

from natfix.app.node.ports import DataPlane, DataPlaneWatch, Disturbance, Failure
from natfix.host.memory.forwarding import RefusedError, after, without_forwarding, without_link
from natfix.routing.links import Link, Links
from natfix.routing.state import Entry, FdbEntry, LinkAddress, Neighbour, NetState, Network, Operation, Route, VxlanDevice


class MemoryDataPlane(DataPlane):
    """A host's network that a test describes and changes.

    Args:
        host: its devices and ways, without vxlan devices.
        state: what is there at first.

    Attributes:
        state: what is there now; a test looks at it, and changes it through somebody_does.
        refuse: the number with which the kernel refuses an operation, 0 for none; a test puts its own function here.
        batches: the operations of each call of carry_out.
        reads: how often read was called.
    """

    def __init__(self, host: Links | None = None, state: NetState | None = None) -> None:
        self._host = host or Links()
        self.state = state or NetState()
        self.refuse: Callable[[Operation], int] = lambda _: 0
        self.batches: list[tuple[Operation, ...]] = []
        self.reads = 0
        self._watches: list[MemoryDataPlaneWatch] = []

    def links(self, networks: Sequence[Network] = ()) -> Links:
        """The host's devices, the vxlan devices behind them, and the host's ways outside *networks*."""
        tunnels = [
            Link(
                device.name,
                device.mtu,
                tuple(one.address for one in self.state.addresses if one.link == device.name),
                device.up,
                "vxlan",
            )
            for device in sorted(self.state.devices, key=lambda device: device.name)
        ]
        return Links(
            (*self._host.links, *tunnels), tuple(way for way in self._host.ways if not _inside(way.destination, networks))
        )

    def read(self, networks: Sequence[Network], devices: Sequence[str]) -> NetState:
        """What is there of routes inside *networks*, and of all that is on *devices*."""
        self.reads += 1
        state = self.state
        names = {device.name for device in state.devices if device.name in devices}
        return NetState(
            frozenset(device for device in state.devices if device.name in names),
            frozenset(address for address in state.addresses if address.link in names),
            frozenset(route for route in state.routes if _inside(route.destination, networks)),
            frozenset(neighbour for neighbour in state.neighbours if neighbour.link in names),
            frozenset(entry for entry in state.fdb if entry.link in names),
        )

    def carry_out(self, operations: Sequence[Operation]) -> Sequence[Failure]:
        """Do all operations in their order."""
        self.batches.append(tuple(operations))
        failures = []
        for operation in operations:
            code = self.refuse(operation) or self._do(operation)
            if code:
                failures.append(Failure(operation, code, os.strerror(code)))
        return failures

    def watch(self) -> MemoryDataPlaneWatch:
        """Hear of what a test does from now on."""
        watch = MemoryDataPlaneWatch()
        self._watches.append(watch)
        return watch

    def somebody_does(self, *operations: Operation) -> None:
        """Let somebody else change something, and tell the watches.

        Raises:
            OSError: the kernel refuses it.
        """
        for operation in operations:
            code = self._do(operation)
            if code:
                raise OSError(code, os.strerror(code), str(operation))
            self.tell(_disturbance(operation.entry))

    def host_becomes(self, host: Links) -> None:
        """Let the host have other devices and ways, and tell the watches; routes over a device that is gone go untold."""
        before, self._host = self._host, host
        links = sorted({link.name for link in {*before.links} ^ {*host.links}})
        for name in links:
            link = host.named(name)
            if link is None:
                self.state = without_link(self.state, name)
            elif not link.up:
                self.state = without_forwarding(self.state, name)
        ways = sorted({way.destination for way in {*before.ways} ^ {*host.ways}}, key=str)
        self.tell(*(Disturbance("link", link=name) for name in links), *(Disturbance("route", way) for way in ways))

    def tell(self, *disturbances: Disturbance) -> None:
        """Tell the watches, for instance that disturbances were lost."""
        if disturbances:
            for watch in self._watches:
                watch.tell(disturbances)

    def _do(self, operation: Operation) -> int:
        try:
            self.state = after(self.state, self._host, operation)
        except RefusedError as error:
            return error.code
        return 0


class MemoryDataPlaneWatch(DataPlaneWatch):
    """What a test lets somebody else do, as it comes."""

    def __init__(self) -> None:
        self._told: SimpleQueue[tuple[Disturbance, ...] | None] = SimpleQueue()
        self._closed = False

    def __iter__(self) -> Iterator[Sequence[Disturbance]]:
        """Wait for disturbances and give all that are there."""
        while not self._closed:
            first = self._told.get()
            told = [*(first or ()), *self._rest()]
            if told and not self._closed:
                yield tuple(told)

    def close(self) -> None:
        """End the waiting, from any thread."""
        self._closed = True
        self._told.put(None)

    def tell(self, disturbances: tuple[Disturbance, ...]) -> None:
        """Tell something, from any thread."""
        self._told.put(disturbances)

    def _rest(self) -> Iterator[Disturbance]:
        while True:
            try:
                yield from self._told.get_nowait() or ()
            except Empty:
                return


def _inside(destination: Network, networks: Sequence[Network]) -> bool:
    return any(
        destination.version == network.version
        and destination.prefixlen >= network.prefixlen
        and destination.network_address in network
        for network in networks
    )


def _disturbance(entry: Entry) -> Disturbance:
    match entry:
        case VxlanDevice():
            return Disturbance("link", link=entry.name)
        case LinkAddress():
            return Disturbance("address", link=entry.link)
        case Route():
            return Disturbance("route", entry.destination, entry.link)
        case Neighbour():
            return Disturbance("neighbour", link=entry.link)
        case FdbEntry():
            return Disturbance("fdb", link=entry.link)

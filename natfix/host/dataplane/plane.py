"""The kernel's data plane in the network namespace of the thread that makes this object."""

from __future__ import annotations

import errno
import os
from collections.abc import Container, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from natfix.app.node.ports import DataPlane, Failure
from natfix.host.dataplane import decode, encode, reading
from natfix.host.dataplane import numbers as n
from natfix.host.dataplane.channel import Channel, Refusal
from natfix.host.dataplane.messages import Request
from natfix.host.dataplane.own import OwnWrites
from natfix.host.dataplane.watch import HostDataPlaneWatch
from natfix.routing.links import Links
from natfix.routing.state import Entry, FdbEntry, LinkAddress, Neighbour, NetState, Network, Operation, Route, VxlanDevice

# What a kernel answers when the thing to delete, or the device it was on, is no longer there.
_GONE = frozenset({errno.ESRCH, errno.ENOENT, errno.ENODEV, errno.EADDRNOTAVAIL})


class HostDataPlane(DataPlane):
    """The data plane of this host, for one thread; its watch may be another's.

    Raises:
        HostError: the kernel gives no socket.
    """

    def __init__(self) -> None:
        self._channel = Channel()
        self._reader = reading.Reader(self._channel)
        self._own = OwnWrites()

    def close(self) -> None:
        """Let the socket go."""
        self._channel.close()

    def links(self, networks: Sequence[Network] = ()) -> Links:
        """Every device, and every way of the main tables outside *networks*.

        Raises:
            HostError: the kernel does not answer.
        """
        return reading.links(self._channel, networks)

    def read(self, networks: Sequence[Network], devices: Sequence[str]) -> NetState:
        """The routes inside *networks*, and all that is on the vxlan devices named.

        Raises:
            HostError: the kernel does not answer.
        """
        return self._reader.state(networks, devices)

    def carry_out(self, operations: Sequence[Operation]) -> Sequence[Failure]:
        """Do all operations in their order: those on devices one by one, all between them in batches.

        Raises:
            HostError: the kernel does not answer, or no rights.
        """
        failures: list[Failure] = []
        batch: list[Operation] = []
        for operation in operations:
            if isinstance(operation.entry, VxlanDevice):
                failures += self._batch(batch)
                batch = []
                failures += self._device(operation, operation.entry)
            else:
                batch.append(operation)
        return (*failures, *self._batch(batch))

    def watch(self) -> HostDataPlaneWatch:
        """Hear of what others change from now on.

        Raises:
            HostError: the kernel gives no socket.
        """
        self._own.listen()
        return HostDataPlaneWatch(self._own, self._channel.port)

    def _batch(self, operations: Sequence[Operation]) -> list[Failure]:
        indices = self._indices(_link(one) for operation in operations for one in _entries(operation))
        standing = self._there((one.replaces for one in operations if one.replaces), indices)
        lost = [one for one in operations if _link(one.entry) not in indices]
        sent = [one for one in operations if _link(one.entry) in indices]
        requests = [_request(one, indices[_link(one.entry)], standing) for one in sent]
        with self._own.lock:
            self._own.note(sent)
            refusals = self._channel.write(requests)
        failures = [_failure(one, Refusal(errno.ENODEV, "")) for one in lost if one.put]
        return failures + self._true_failures(((sent[place], refusals[place]) for place in sorted(refusals)), indices)

    def _true_failures(self, refused: Iterable[tuple[Operation, Refusal]], indices: Mapping[str, int]) -> list[Failure]:
        """Leave out what is as it should be: deleted by somebody else, or put there before."""
        counted = [each for each in refused if each[0].put or each[1].code not in _GONE]
        entries = (operation.entry for operation, refusal in counted if refusal.code == errno.EEXIST)
        there = self._there((entry for entry in entries if isinstance(entry, Route)), indices)
        return [_failure(*each) for each in counted if not (each[1].code == errno.EEXIST and each[0].entry in there)]

    def _there(self, routes: Iterable[Route], indices: Mapping[str, int]) -> set[Route]:
        """Those of *routes* that the kernel holds."""
        wanted = set(routes)
        return reading.there(self._channel, wanted, {index: name for name, index in indices.items()}) if wanted else set()

    def _device(self, operation: Operation, device: VxlanDevice) -> list[Failure]:
        with self._own.lock:
            self._own.note([operation])
            refusal = self._put(device) if operation.put else self._delete(device)
        return [_failure(operation, refusal)] if refusal else []

    def _put(self, device: VxlanDevice) -> Refusal | None:
        below = self._indices([device.device]).get(device.device)
        if below is None:
            return Refusal(errno.ENODEV, f"there is no device {device.device}")
        old = self._look(device.name)
        if old is None:
            refusal = self._one(encode.make_vxlan(device, below))
            made = None if refusal else self._look(device.name)
            if made is None:
                return refusal or Refusal(errno.ENODEV, "")
            _accept_no_router(device.name)
            old = made
        index, there = old
        if there is None or replace(there, mtu=device.mtu, mac=device.mac, learning=device.learning, up=device.up) != device:
            return Refusal(errno.EEXIST, "there is another device of that name")
        refusals = self._channel.write(encode.change_vxlan(device, index, there))
        return next(iter(refusals.values()), None)

    def _delete(self, device: VxlanDevice) -> Refusal | None:
        old = self._look(device.name)
        if old is None:
            return None
        index, there = old
        if there is None:
            return Refusal(errno.EEXIST, "the device of that name is no vxlan device")
        self._own.end(index)
        refusal = self._one(encode.delete_link(index))
        return None if refusal is None or refusal.code in _GONE else refusal

    def _look(self, name: str) -> tuple[int, VxlanDevice | None] | None:
        """The index of the device of that name, and itself if it is a vxlan device; None if there is none."""
        answer = self._channel.ask(n.GETLINK, encode.ask_link(name))
        if answer is None:
            return None
        device = decode.device(answer)
        return device.index, reading.vxlan(self._channel, device) if device.kind == "vxlan" else None

    def _indices(self, names: Iterable[str]) -> dict[str, int]:
        """The indices of those devices that are there."""
        answers = {name: self._channel.ask(n.GETLINK, encode.ask_link(name)) for name in dict.fromkeys(names) if name}
        return {name: decode.device(answer).index for name, answer in answers.items() if answer is not None}

    def _one(self, request: Request) -> Refusal | None:
        return self._channel.write([request]).get(0)


def _entries(operation: Operation) -> tuple[Entry, ...]:
    return (operation.entry,) if operation.replaces is None else (operation.entry, operation.replaces)


def _link(entry: Entry) -> str:
    return entry.name if isinstance(entry, VxlanDevice) else entry.link


def _request(operation: Operation, index: int, standing: Container[Route]) -> Request:
    """Write a message; a route takes the place of the one it names if that is still there, else none but an empty one."""
    entry, put = operation.entry, operation.put
    match entry:
        case Route():
            replace = operation.replaces in standing
            return encode.put_route(entry, index, replace=replace) if put else encode.delete_route(entry, index)
        case Neighbour():
            return (encode.put_neighbour if put else encode.delete_neighbour)(entry, index)
        case FdbEntry():
            return (encode.put_fdb_entry if put else encode.delete_fdb_entry)(entry, index)
        case LinkAddress():
            return (encode.put_address if put else encode.delete_address)(entry, index)
        case VxlanDevice():
            raise TypeError(entry)


def _failure(operation: Operation, refusal: Refusal) -> Failure:
    words = os.strerror(refusal.code)
    return Failure(operation, refusal.code, f"{words}: {refusal.words}" if refusal.words else words)


def _accept_no_router(name: str) -> None:
    """Keep a device from taking addresses and routes from any router that its peers let in; without IPv6 there is no file."""
    with suppress(OSError):
        Path("/proc/sys/net/ipv6/conf", name, "accept_ra").write_text("0", encoding="ascii")

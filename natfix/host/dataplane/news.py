"""What a notice of the kernel means: a disturbance, an echo of an own write, or nothing.

A device without an address of its own, such as a container's end of a bridge, leads no routes: containers that start and end
wake nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from natfix.app.node.ports import Disturbance
from natfix.host.dataplane import decode, encode
from natfix.host.dataplane import numbers as n
from natfix.host.dataplane.channel import Channel
from natfix.host.dataplane.own import OwnWrites
from natfix.routing.state import Entry, FdbEntry, LinkAddress, Neighbour

# What of a device's flags counts: administratively up, and with a carrier.
_COUNTS = n.IFF_UP | n.IFF_RUNNING


class News:
    """Reads notices, each against what is known of the devices.

    Args:
        own: what this process did itself.
        channel: to ask with.
    """

    def __init__(self, own: OwnWrites, channel: Channel) -> None:
        self._own = own
        self._channel = channel
        self._devices: dict[int, decode.Device] = {}
        self._names: dict[int, str] = {}
        self._addressed: set[int] = set()
        self._look_anew()
        self._read: Mapping[int, Callable[[bytes, bool], Iterator[Disturbance]]] = {
            n.NEWLINK: self._link,
            n.DELLINK: self._link,
            n.NEWADDR: self._address,
            n.DELADDR: self._address,
            n.NEWROUTE: self._route,
            n.DELROUTE: self._route,
            n.NEWNEIGH: self._neighbour,
            n.DELNEIGH: self._neighbour,
        }

    def of(self, heard: Iterable[tuple[int, bytes] | None]) -> Iterator[Disturbance]:
        """Give the disturbances among notices, each once and in their order; None among them is what was lost."""
        given = set()
        for notice in heard:
            for disturbance in self._of(notice):
                if disturbance not in given:
                    given.add(disturbance)
                    yield disturbance

    def _of(self, notice: tuple[int, bytes] | None) -> Iterator[Disturbance]:
        if notice is None:
            self._look_anew()
            yield Disturbance("lost")
            return
        kind, body = notice
        read = self._read.get(kind)
        if read is not None:
            # Kinds come in threes: new, deleted, a question.
            yield from read(body, kind % 4 == 0)

    def _look_anew(self) -> None:
        known = map(decode.device, self._channel.dump(n.GETLINK, encode.ask_links()))
        self._devices = {device.index: device for device in known}
        self._names = {index: device.name for index, device in self._devices.items()}
        held = map(decode.address, self._channel.dump(n.GETADDR, encode.ask_addresses()))
        self._addressed = {one.index for one in held if one and one.scope != n.SCOPE_LINK}

    def _link(self, body: bytes, there: bool) -> Iterator[Disturbance]:  # noqa: FBT001  (one signature for all kinds)
        device = decode.device(body)
        if body[0]:  # The family: a bridge tells of its ports, which are no devices of their own.
            return
        if device.index not in self._addressed and device.kind != "vxlan":
            self._remember(device, there=there)
            return
        if not there:
            self._addressed.discard(device.index)
        with self._own.lock:
            before = self._remember(device, there=there)
            if self._own.ended(device.index) or (there and (_same(before, device) or self._as_made(device))):
                return
        if before is not None and before.name != device.name:
            yield Disturbance("link", link=before.name)
        yield Disturbance("link", link=device.name)

    def _remember(self, device: decode.Device, *, there: bool) -> decode.Device | None:
        """Give what was known of a device until now."""
        before = self._devices.pop(device.index, None)
        self._names.pop(device.index, None)
        if there:
            self._devices[device.index] = device
            self._names[device.index] = device.name
        return before

    def _as_made(self, device: decode.Device) -> bool:
        """Whether a device is as this process made it: now, as making it takes several steps, each with a notice."""
        made = self._own.device(device.name)
        if made is None:
            return False
        answer = self._channel.ask(n.GETLINK, encode.ask_index(device.index))
        now = None if answer is None else decode.device(answer)
        if now is None or now.kind != "vxlan":
            return False
        return replace(now.vxlan({}), device=made.device) == made

    def _address(self, body: bytes, there: bool) -> Iterator[Disturbance]:  # noqa: FBT001
        held = decode.address(body)
        if held is None or held.scope == n.SCOPE_LINK:
            return
        self._addressed.add(held.index)
        name = self._names.get(held.index, "")
        address = LinkAddress(name, held.address)
        with self._own.lock:
            if self._own.ended(held.index):
                return
            if self._own.is_echo(address, address if there else None, lambda: self._address_now(address, held.index)):
                return
        yield Disturbance("address", link=name)

    def _address_now(self, address: LinkAddress, index: int) -> LinkAddress | None:
        """It, if the device has it."""
        every = map(decode.address, self._channel.dump(n.GETADDR, encode.ask_addresses()))
        return address if any(one and (one.index, one.address) == (index, address.address) for one in every) else None

    def _route(self, body: bytes, there: bool) -> Iterator[Disturbance]:  # noqa: ARG002, FBT001
        # What the kernel puts there by itself follows an address, which is told.
        if decode.protocol(body) == n.PROTOCOL_KERNEL or self._own.ended(decode.out(body)):
            return
        for route in decode.routes(body, self._names):
            yield Disturbance("route", route.destination, route.link)

    def _neighbour(self, body: bytes, there: bool) -> Iterator[Disturbance]:  # noqa: FBT001
        family, index, state, _, _ = n.NEIGHBOUR.unpack_from(body)
        device = self._devices.get(index)
        if self._own.ended(index) or (device is not None and device.kind != "vxlan"):
            return
        name = self._names.get(index, "")
        entry = decode.entry(family, name, body)
        if entry is None or (there and not state & n.NUD_PERMANENT):
            return
        if not self._own.is_echo(entry, entry if there else None, lambda: self._now(entry, index)):
            yield Disturbance("fdb" if family == n.BRIDGE else "neighbour", link=name)

    def _now(self, entry: Neighbour | FdbEntry, index: int) -> Entry | None:
        """What stands where *entry* is or was."""
        answer = self._channel.ask(n.GETNEIGH, encode.ask_neighbour(entry, index))
        return None if answer is None else decode.neighbour(answer, self._names)


def _same(before: decode.Device | None, device: decode.Device) -> bool:
    """Whether nothing changed that counts: of what is no vxlan device, its MAC does not."""
    if before is None or (before.mac != device.mac and device.kind == "vxlan"):
        return False
    return (before.name, before.flags & _COUNTS, before.mtu) == (device.name, device.flags & _COUNTS, device.mtu)

"""Echo requests, and what becomes of their source address; see natfix.app.node.verify.Prober.

ICMP through raw sockets (RFC 792, RFC 4443), so that no program is needed and hundreds of peers are tried at once.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import select
import socket
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv6Address, ip_address
from typing import Final

from natfix.errors import HostError
from natfix.host.conntrack import ConntrackTable
from natfix.routing.state import Address

_ECHO: Final = {4: (8, 0), 6: (128, 129)}  # Request and reply.
_HEADER: Final = struct.Struct("!BBHHH")
_BETWEEN: Final = 0.1
_PATIENCE: Final = 1.0
_MOST_BYTES: Final = 1 << 16
_ASK_SECONDS: Final = 2.0


class HostProber:
    """This host."""

    def ping(self, source: Address, targets: Sequence[Address], count: int) -> Mapping[Address, float]:
        """Send *count* echo requests to each; for those that answer the fastest time, in milliseconds."""
        with _opened(source) as channel:
            return _Echo(channel, source.version).all(targets, count)

    def rewritten(self, source: Address, targets: Sequence[Address]) -> Mapping[Address, Address]:
        """As whom this host's kernel lets what it tracks from *source* to each go on its way."""
        wanted = set(targets)
        found = ConntrackTable().connections(source.version)
        return {one.reply_source: one.reply_destination for one in found if one.source == source and one.reply_source in wanted}

    def ask(self, source: Address, target: Address, port: int) -> Address | None:
        """Ask the agent at *target* as whom it sees *source*; None when none answers."""
        connection = http.client.HTTPConnection(str(target), port, timeout=_ASK_SECONDS, source_address=(str(source), 0))
        try:
            connection.request("GET", "/seen")
            answer = connection.getresponse()
            text = answer.read(_MOST_BYTES).decode("ascii", "replace").strip()
            return ip_address(text) if answer.status == http.client.OK else None
        except (OSError, http.client.HTTPException, ValueError):
            return None
        finally:
            connection.close()


class _Echo:
    """A round of echo requests over one socket."""

    def __init__(self, channel: socket.socket, version: int) -> None:
        self._channel = channel
        self._version = version
        self._id = os.getpid() & 0xFFFF
        self._sent: dict[int, tuple[Address, float]] = {}
        self._times: dict[Address, float] = {}

    def all(self, targets: Sequence[Address], count: int) -> Mapping[Address, float]:
        for _ in range(count):
            for target in targets:
                self._send(target)
            self._listen(_BETWEEN)
        end = time.monotonic() + _PATIENCE
        while len(self._times) < len(targets) and time.monotonic() < end:
            self._listen(end - time.monotonic())
        return self._times

    def _send(self, target: Address) -> None:
        number = len(self._sent) & 0xFFFF
        kind, _ = _ECHO[self._version]
        packet = _HEADER.pack(kind, 0, 0, self._id, number)
        if self._version == 4:  # noqa: PLR2004  (the kernel adds the checksum of ICMPv6)
            packet = _HEADER.pack(kind, 0, _checksum(packet), self._id, number)
        self._sent[number] = (target, time.monotonic())
        # No route, or a full queue: then there is no answer.
        with contextlib.suppress(OSError):
            self._channel.sendto(packet, (str(target), 0))

    def _listen(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and select.select([self._channel], [], [], left)[0]:
            data, _ = self._channel.recvfrom(_MOST_BYTES)
            # A raw socket of IPv4 gives the IP header too.
            start = (data[0] & 0xF) * 4 if self._version == 4 else 0  # noqa: PLR2004
            if len(data) >= start + _HEADER.size:
                self._take(_HEADER.unpack_from(data, start))

    def _take(self, fields: tuple[int, ...]) -> None:
        kind, _, _, identity, number = fields
        if kind == _ECHO[self._version][1] and identity == self._id and number in self._sent:
            target, at = self._sent[number]
            took = (time.monotonic() - at) * 1000
            self._times[target] = min(took, self._times.get(target, took))


@contextlib.contextmanager
def _opened(source: Address) -> Iterator[socket.socket]:
    ipv6 = isinstance(source, IPv6Address)
    try:
        with socket.socket(
            socket.AF_INET6 if ipv6 else socket.AF_INET,
            socket.SOCK_RAW,
            socket.IPPROTO_ICMPV6 if ipv6 else socket.IPPROTO_ICMP,
        ) as channel:
            channel.bind((str(source), 0))
            yield channel
    except OSError as error:
        raise HostError(
            f"nothing can be sent from {source}: {error.strerror or error}", hint="Run natfix as root, on the host itself."
        ) from error


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF

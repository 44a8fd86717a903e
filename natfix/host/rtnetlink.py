"""Ask the kernel about links, addresses and routes: rtnetlink, as spoken by the standard library alone.

A message is a header, a fixed part of its kind, and attributes; an attribute may hold attributes (rtnetlink(7),
linux/netlink.h, linux/rtnetlink.h). Numbers are in the machine's own byte order, addresses in the network's.

Why not ``ip -j``: iproute2 before 4.14 (RHEL 7) has no JSON, and two processes cost more than the three questions.
Why not pyroute2: importing it takes longer than all the rest of ``natfix check``.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from natfix.errors import HostError

# linux/rtnetlink.h: what is asked for.
GETLINK = 18
GETADDR = 22
GETROUTE = 26
_ASK_SIZE = 28  # struct nlmsghdr and struct rtmsg, which is the shortest that every kernel takes for all three.

_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_ERROR = struct.Struct("=i")
_NLMSG_ERROR = 2
_NLMSG_DONE = 3
_NLM_F_REQUEST_DUMP = 0x301
_NLM_F_DUMP_INTR = 0x10
_TYPE_MASK = 0x3FFF  # The two highest bits tell how a value is encoded; they are no part of the type.
_BUFFER = 1 << 20
_TRIES = 10
_SECONDS = 5.0


class Message(NamedTuple):
    """One answer: its fixed part, read with the layout asked for, and its attributes by number."""

    fields: tuple[int, ...]
    attributes: Mapping[int, bytes]


class _InterruptedError(Exception):
    """Something changed while the kernel was answering, so the answer may lack something."""


def dump(kind: int, layout: struct.Struct) -> list[Message]:
    """Ask for everything of one kind, in both families, in this thread's network namespace.

    Args:
        kind: GETLINK, GETADDR or GETROUTE.
        layout: the fixed part of an answer.

    Raises:
        HostError: the kernel refused, or changed faster than it could be read.
    """
    for _ in range(_TRIES):
        try:
            return list(_ask(kind, layout))
        except _InterruptedError:
            continue
        except OSError as error:
            raise HostError(
                f"the kernel does not tell its links and routes: {error.strerror or error}",
                hint="A sandbox may forbid netlink sockets; run natfix outside of it.",
            ) from error
    raise HostError(
        f"links and routes changed {_TRIES} times while they were read", hint="Try again when the network is quieter."
    )


def attributes(data: bytes) -> dict[int, bytes]:
    """Read attributes, each a length, a type and a value padded to four bytes; of one that is repeated the last."""
    found = {}
    position = 0
    while position + _ATTRIBUTE.size <= len(data):
        length, number = _ATTRIBUTE.unpack_from(data, position)
        if length < _ATTRIBUTE.size:
            break
        found[number & _TYPE_MASK] = data[position + _ATTRIBUTE.size : position + length]
        position += (length + 3) & ~3
    return found


def _ask(kind: int, layout: struct.Struct) -> Iterator[Message]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as channel:
        channel.settimeout(_SECONDS)
        channel.bind((0, 0))
        channel.send(_HEADER.pack(_ASK_SIZE, kind, _NLM_F_REQUEST_DUMP, 1, 0).ljust(_ASK_SIZE, b"\0"))
        more = True
        while more:
            data = channel.recv(_BUFFER)
            for number, body in _parts(data):
                if number == _NLMSG_DONE:
                    more = False
                    break
                yield Message(layout.unpack_from(body), attributes(body[(layout.size + 3) & ~3 :]))


def _parts(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Cut what was received into messages, each its type and what follows its header."""
    position = 0
    while position + _HEADER.size <= len(data):
        length, number, flags, _, _ = _HEADER.unpack_from(data, position)
        if flags & _NLM_F_DUMP_INTR:
            raise _InterruptedError
        body = data[position + _HEADER.size : position + length]
        if number == _NLMSG_ERROR:
            code = -_ERROR.unpack_from(body)[0]
            raise OSError(code, os.strerror(code))
        yield number, body
        position += (length + 3) & ~3

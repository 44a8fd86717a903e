"""Messages of netlink: a header, a fixed part of its kind, and attributes, which may hold attributes (netlink(7)).

Each attribute is a length, a type and a value padded to four bytes. Numbers are in the machine's own byte order.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from natfix.host.dataplane.numbers import ATTRIBUTE

CODE: Final = struct.Struct("=i")  # struct nlmsgerr begins with it: 0, or an error number below 0.
_HEADER = struct.Struct("=IHHII")
_TYPE_MASK: Final = 0x3FFF  # The two highest bits tell how a value is encoded; they are no part of the type.
_NESTED: Final = 0x8000
_NLM_F_CAPPED, _NLM_F_ACK_TLVS = 0x100, 0x200
_ACK_MESSAGE: Final = 1


class Request(NamedTuple):
    """One message to the kernel: its kind, its flags beside NLM_F_REQUEST, and what follows its header."""

    kind: int
    flags: int
    body: bytes


def attribute(number: int, value: bytes) -> bytes:
    """Write one attribute."""
    return ATTRIBUTE.pack(len(value) + 4, number) + value + b"\0" * (-len(value) % 4)


def nested(number: int, *values: bytes) -> bytes:
    """Write an attribute that holds attributes."""
    return attribute(number | _NESTED, b"".join(values))


def attributes(data: bytes, start: int = 0) -> dict[int, bytes]:
    """Read the attributes from *start* on; of one that is repeated the last."""
    found = {}
    end = len(data) - 4
    unpack = ATTRIBUTE.unpack_from
    while start <= end:
        length, number = unpack(data, start)
        if length < ATTRIBUTE.size:
            break
        found[number & _TYPE_MASK] = data[start + 4 : start + length]
        start += (length + 3) & ~3
    return found


def notices(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Cut what a listener received into messages: the kind of each, and what follows its header."""
    return ((number, body) for number, _, _, body in messages(data))


def packed(request: Request, flags: int, sequence: int) -> bytes:
    """Write a message with its header."""
    length = _HEADER.size + len(request.body)
    return _HEADER.pack(length, request.kind, request.flags | flags, sequence, 0) + request.body


def messages(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Cut what was received into messages: kind, flags, sequence number, and what follows the header."""
    position = 0
    end = len(data) - _HEADER.size
    while position <= end:
        length, number, flags, sequence, _ = _HEADER.unpack_from(data, position)
        yield number, flags, sequence, data[position + 16 : position + length]
        position += max((length + 3) & ~3, _HEADER.size)


def words(body: bytes, flags: int) -> str:
    """What the kernel says of its refusal: behind the error number and the header of what it refuses (NETLINK_EXT_ACK)."""
    if not flags & _NLM_F_ACK_TLVS:
        return ""
    start = CODE.size + _HEADER.size
    if not flags & _NLM_F_CAPPED:
        start = CODE.size + ((int(_HEADER.unpack_from(body, CODE.size)[0]) + 3) & ~3)
    return attributes(body, start).get(_ACK_MESSAGE, b"").partition(b"\0")[0].decode("utf-8", "replace")

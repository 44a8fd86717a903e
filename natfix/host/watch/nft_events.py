"""nftables tells of each commit: one message of 56 bytes with its generation, the pid and the name of who made it.

Everything else that the kernel multicasts about a commit (each rule of a restore of 100,000) is dropped by a filter inside the
kernel, so that nothing is lost: unfiltered listeners lose messages from 1,000 rules on.
"""

from __future__ import annotations

import ctypes
import errno
import socket
import struct
import time
from collections.abc import Callable, Collection, Iterator
from typing import Final

from natfix.app.watch_ports import Event
from natfix.errors import HostError
from natfix.host.nfnetlink import NF_TABLES, attributes, needs_root
from natfix.host.watch.writers import writer

_NETLINK_NETFILTER: Final = 12
_GROUP: Final = 7  # NFNLGRP_NFTABLES, linux/netfilter/nfnetlink.h
_NEW_GENERATION: Final = NF_TABLES << 8 | 15  # NFT_MSG_NEWGEN, linux/netfilter/nf_tables.h
_GEN_ID, _GEN_PID, _GEN_NAME = 1, 2, 3
_SO_ATTACH_FILTER: Final = 26
_HEADER = struct.Struct("=IHHII")
_GENERIC_SIZE: Final = 4
_BUFFER: Final = 1 << 16
# A filter's instruction: code, jump if true, jump if false, operand (linux/filter.h).
_INSTRUCTION = struct.Struct("=HBBI")
_LOAD_HALF, _JUMP_EQUAL, _RETURN = 0x28, 0x15, 0x06


class NftListener:
    """Hears of every commit in this thread's network namespace.

    Args:
        own: pids of natfix's own programs, whose commits wake nobody.
        buffer: bytes of the receive buffer; 0 is the system's default.

    Raises:
        HostError: no rights, or a kernel without nftables.
    """

    def __init__(self, own: Collection[int] = (), buffer: int = 0) -> None:
        self._own = own
        try:
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER)
            self._attach_filter()
            if buffer:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            self._socket.settimeout(0)
            self._socket.bind((0, 1 << (_GROUP - 1)))
        except PermissionError as error:
            raise needs_root() from error
        except OSError as error:
            raise HostError(f"nftables does not tell what changes: {error.strerror or error}") from error

    def fileno(self) -> int:
        """The handle to wait on."""
        return self._socket.fileno()

    def close(self) -> None:
        """Hear no more."""
        self._socket.close()

    def read(self, clock: Callable[[], float] = time.monotonic) -> Iterator[Event]:
        """Give what was heard, without waiting."""
        while True:
            try:
                data = self._socket.recv(_BUFFER)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise HostError(f"nftables no longer tells what changes: {error.strerror}") from error
                yield Event("overrun", clock(), "nft")
                continue
            yield from self._events(data, clock())

    def _events(self, data: bytes, now: float) -> Iterator[Event]:
        position = 0
        while position + _HEADER.size <= len(data):
            length, kind = _HEADER.unpack_from(data, position)[:2]
            if kind == _NEW_GENERATION:
                event = _event(data[position + _HEADER.size + _GENERIC_SIZE : position + length], now)
                if event.writer is None or event.writer.pid not in self._own:
                    yield event
            position += max((length + 3) & ~3, _HEADER.size)

    def _attach_filter(self) -> None:
        # A filter reads in network byte order what the header holds in the machine's own.
        kind = int.from_bytes(struct.pack("=H", _NEW_GENERATION), "big")
        program = b"".join(
            _INSTRUCTION.pack(*instruction)
            for instruction in (
                (_LOAD_HALF, 0, 0, 4),
                (_JUMP_EQUAL, 0, 1, kind),
                (_RETURN, 0, 0, 0xFFFFFFFF),
                (_RETURN, 0, 0, 0),
            )
        )
        held = ctypes.create_string_buffer(program, len(program))
        described = struct.pack("HL", len(program) // _INSTRUCTION.size, ctypes.addressof(held))
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, described)


def _event(data: bytes, now: float) -> Event:
    told = dict(attributes(data))
    pid = int.from_bytes(told.get(_GEN_PID, b""), "big")
    name = told.get(_GEN_NAME, b"").rstrip(b"\0").decode("utf-8", "replace")
    # Kernels before 4.18 tell no more than the generation.
    who = writer(pid, name) if pid else None
    return Event("commit", now, "nft", int.from_bytes(told.get(_GEN_ID, b""), "big"), who)

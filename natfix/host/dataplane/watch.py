"""Hear of what others change in the data plane.

Two filters keep the idle agent asleep. One is inside the kernel: what this process's own socket asked for, and neighbours that
come and go as traffic does. The other is here: what follows from own writes without saying so, and what changes nothing.
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final

from natfix.app.node.ports import DataPlaneWatch, Disturbance
from natfix.errors import HostError
from natfix.host.dataplane import numbers as n
from natfix.host.dataplane.channel import Channel
from natfix.host.dataplane.messages import notices
from natfix.host.dataplane.news import News
from natfix.host.dataplane.own import OwnWrites

# RTNLGRP_LINK, _NEIGH, _IPV4_IFADDR, _IPV4_ROUTE, _IPV6_IFADDR, _IPV6_ROUTE of linux/rtnetlink.h.
_GROUPS: Final = sum(1 << (group - 1) for group in (1, 3, 5, 7, 9, 11))
_ATTACH_FILTER: Final = 26
_RCVBUFFORCE: Final = 33
# An FDB entry's notice takes a kilobyte while it waits; a change of all peers of a big cluster has to fit.
_ROOM: Final = 16 << 20
_BUFFER: Final = 1 << 16
_AT_ONCE: Final = 4096
# A filter's instruction: code, jump if true, jump if false, operand (linux/filter.h).
_INSTRUCTION = struct.Struct("=HBBI")
_LOAD_WORD, _LOAD_HALF, _JUMP_EQUAL, _JUMP_SET, _RETURN = 0x20, 0x28, 0x15, 0x45, 0x06


class HostDataPlaneWatch(DataPlaneWatch):
    """Disturbances of the network namespace of the thread that makes this object.

    Args:
        own: what this process did itself.
        port: of the socket that it writes with.
        room: bytes for notices that wait to be read; what does not fit is told as lost.

    Raises:
        HostError: the kernel gives no socket.
    """

    def __init__(self, own: OwnWrites, port: int, room: int = _ROOM) -> None:
        self._lock = threading.Lock()
        self._waiting = self._closed = False
        self._socket = _listener(port, room)
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._questions = Channel()
        self._news = News(own, self._questions)

    def __iter__(self) -> Iterator[Sequence[Disturbance]]:
        """Wait for disturbances and give all that are there.

        Raises:
            HostError: the kernel does not tell.
        """
        with self._lock:
            if self._closed:
                return
            self._waiting = True
        try:
            while not self._closed:
                told = tuple(self._news.of(self._heard()))
                if told and not self._closed:
                    yield told
        finally:
            self._end()

    def close(self) -> None:
        """End the waiting, from any thread; a second time does nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            if self._waiting:
                os.eventfd_write(self._wake, 1)
            else:
                self._free()

    def _end(self) -> None:
        with self._lock:
            self._waiting = False
            if self._closed:
                self._free()

    def _free(self) -> None:
        self._socket.close()
        self._questions.close()
        os.close(self._wake)

    def _heard(self) -> list[tuple[int, bytes] | None]:
        """Wait, and give what is there; None for what was lost."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        poll.poll()
        heard: list[tuple[int, bytes] | None] = []
        while len(heard) < _AT_ONCE:
            try:
                heard.extend(notices(self._socket.recv(_BUFFER)))
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise HostError(f"the kernel no longer tells what changes: {error.strerror or error}") from error
                heard.append(None)
        return heard


def _listener(port: int, room: int) -> socket.socket:
    """Make the socket that hears, with its filter and a big buffer, before it joins any group."""
    listener = None
    try:
        listener = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        _attach_filter(listener, port)
        with suppress(OSError):
            listener.setsockopt(socket.SOL_SOCKET, _RCVBUFFORCE, room)
        listener.setblocking(False)  # noqa: FBT003  (the standard library's own way)
        listener.bind((0, _GROUPS))
    except OSError as error:
        if listener is not None:
            listener.close()
        raise HostError(f"the kernel does not tell what changes: {error.strerror or error}") from error
    return listener


def _attach_filter(listener: socket.socket, port: int) -> None:
    """Let through what another socket asked for, and of new neighbours the permanent ones."""
    program = b"".join(
        _INSTRUCTION.pack(*instruction)
        for instruction in (
            (_LOAD_HALF, 0, 0, 4),  # struct nlmsghdr: the kind
            (_JUMP_EQUAL, 0, 2, _half(n.NEWNEIGH)),
            (_LOAD_HALF, 0, 0, 24),  # struct ndmsg, behind the header of 16 bytes: the state
            (_JUMP_SET, 0, 3, _half(n.NUD_PERMANENT)),
            (_LOAD_WORD, 0, 0, 12),  # struct nlmsghdr: the port of who asked
            (_JUMP_EQUAL, 1, 0, int.from_bytes(struct.pack("=I", port), "big")),
            (_RETURN, 0, 0, 0xFFFFFFFF),
            (_RETURN, 0, 0, 0),
        )
    )
    held = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: how many instructions, and where.
    listener.setsockopt(
        socket.SOL_SOCKET, _ATTACH_FILTER, struct.pack("@HP", len(program) // _INSTRUCTION.size, ctypes.addressof(held))
    )


def _half(value: int) -> int:
    """A filter reads in network byte order what the header holds in the machine's own."""
    return int.from_bytes(struct.pack("=H", value), "big")

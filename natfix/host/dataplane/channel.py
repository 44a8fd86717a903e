"""A socket to rtnetlink: questions that are answered whole, and writes in batches.

A batch is one send of many messages, of which the last alone asks for an acknowledgement: the kernel answers each message
that fails by itself, and takes up the next one. So a batch costs two system calls and an answer, and its failures.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from natfix.errors import HostError
from natfix.host.dataplane.messages import CODE, Request, messages, packed, words
from natfix.host.dataplane.numbers import ACK, DUMP, DUMP_INTERRUPTED, REQUEST

_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_SOL_NETLINK: Final = 270
_CAP_ACK, _EXT_ACK, _STRICT = 10, 11, 12
_RCVBUFFORCE: Final = 33
_BUFFER: Final = 1 << 16
_RECEIVE: Final = 4 << 20
_SECONDS: Final = 10.0
_TRIES: Final = 10
_ABSENT: Final = frozenset({errno.ENODEV, errno.ENOENT, errno.ESRCH})
# As many answers as fit into a receive buffer that could not be enlarged.
BATCH: Final = 256


class Refusal(NamedTuple):
    """Why the kernel refused a message: its error number, and its own words where it has some."""

    code: int
    words: str


class Channel:
    """A socket to the network namespace of the thread that makes it; for one thread.

    Raises:
        HostError: a sandbox forbids it.

    Attributes:
        port: by which the kernel tells, in its notices, who made a change.
    """

    def __init__(self) -> None:
        try:
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
            self._socket.bind((0, 0))
        except OSError as error:
            raise HostError(
                f"the kernel does not tell its links and routes: {error.strerror or error}",
                hint="A sandbox may forbid netlink sockets; run natfix outside of it.",
            ) from error
        self._socket.settimeout(_SECONDS)
        for option in (_CAP_ACK, _EXT_ACK, _STRICT):  # Kernels before 4.20 lack the last: they answer more than was asked.
            with suppress(OSError):
                self._socket.setsockopt(_SOL_NETLINK, option, 1)
        with suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, _RCVBUFFORCE, _RECEIVE)
        self.port: int = self._socket.getsockname()[0]
        self._sequence = 0

    def close(self) -> None:
        """Let the socket go."""
        self._socket.close()

    def dump(self, kind: int, body: bytes) -> list[bytes]:
        """Ask for everything of a kind; again when it changed while the kernel was answering.

        Returns:
            What follows the header of each answer.

        Raises:
            HostError: the kernel refuses, is silent, or changes faster than it can be read.
        """
        for _ in range(_TRIES):
            try:
                return self._ask(Request(kind, DUMP, body))
            except InterruptedError:
                continue
            except OSError as error:
                raise _refused(error) from error
        raise HostError(f"links and routes changed {_TRIES} times while they were read", hint="Try again when it is quieter.")

    def ask(self, kind: int, body: bytes, absent: Container[int] = _ABSENT) -> bytes | None:
        """Ask for one thing; None where there is none.

        Args:
            kind: of the question.
            body: what follows its header.
            absent: the error numbers that say so.

        Raises:
            HostError: the kernel refuses or is silent.
        """
        try:
            return self._ask(Request(kind, ACK, body))[0]
        except OSError as error:
            if error.errno in absent:
                return None
            raise _refused(error) from error

    def write(self, requests: Sequence[Request]) -> Mapping[int, Refusal]:
        """Send messages in batches; one that is refused keeps none of the others back.

        Returns:
            The refusals, by the place of their message in *requests*.

        Raises:
            HostError: no rights, or the kernel is silent.
        """
        refusals: dict[int, Refusal] = {}
        for start in range(0, len(requests), BATCH):
            try:
                for place, refusal in self._write(requests[start : start + BATCH]):
                    refusals[start + place] = refusal
            except OSError as error:
                raise _refused(error) from error
        return refusals

    def _write(self, batch: Sequence[Request]) -> Iterator[tuple[int, Refusal]]:
        first = self._sequence + 1
        self._sequence += len(batch)
        last = len(batch) - 1
        self._socket.send(
            b"".join(
                packed(request, REQUEST | (ACK if place == last else 0), first + place) for place, request in enumerate(batch)
            )
        )
        done = False
        while not done:
            for number, flags, sequence, body in messages(self._socket.recv(_BUFFER)):
                if number != _NLMSG_ERROR or not first <= sequence <= self._sequence:
                    continue
                done |= sequence == self._sequence
                code = -CODE.unpack_from(body)[0]
                if code == errno.EPERM:
                    raise OSError(code, os.strerror(code))
                if code:
                    yield sequence - first, Refusal(code, words(body, flags))

    def _ask(self, request: Request) -> list[bytes]:
        self._sequence += 1
        self._socket.send(packed(request, REQUEST, self._sequence))
        answers: list[bytes] = []
        interrupted = False
        while True:
            for number, flags, sequence, body in messages(self._socket.recv(_BUFFER)):
                if sequence != self._sequence:
                    continue
                interrupted |= bool(flags & DUMP_INTERRUPTED)
                if number not in {_NLMSG_ERROR, _NLMSG_DONE}:
                    answers.append(body)
                    continue
                code = -CODE.unpack_from(body)[0]
                if code:
                    raise OSError(code, os.strerror(code))
                if interrupted:
                    raise InterruptedError(errno.EINTR, os.strerror(errno.EINTR))
                return answers


def _refused(error: OSError) -> HostError:
    if error.errno == errno.EPERM:
        return HostError(
            "changing this host's links and routes needs root (CAP_NET_ADMIN)", hint="Run natfix as root, or look only."
        )
    if isinstance(error, TimeoutError):
        return HostError(f"the kernel has not answered a question about links and routes for {_SECONDS:g} s")
    return HostError(f"the kernel refuses a question about links and routes: {error.strerror or error}")

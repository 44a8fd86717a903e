"""The nat table of nftables as bytes, through GETCHAIN and GETRULE: 30 microseconds a chain, whatever else the table holds.

This runs between a program's rule and its correction, on hosts where POSTROUTING leads to a chain for each pod. So it reads
into one buffer, and looks at no more of a message than it must (natfix.host.nfnetlink is the readable form of the same).
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Final

from natfix.errors import BusyError, HostError
from natfix.host.iptables import IptablesStore
from natfix.host.listing import POSTROUTING, read_chain
from natfix.host.nfnetlink import NF_TABLES, Nfnetlink, attributes, protocol_family, text
from natfix.host.nftables import generation
from natfix.host.watch.learned import RawChain, RawRule
from natfix.ruleset import Chain

# linux/netfilter/nf_tables.h
_NETLINK_NETFILTER: Final = 12
_GETCHAIN, _GETRULE = 4, 7
_CHAIN_TABLE, _CHAIN_NAME, _CHAIN_POLICY, _CHAIN_COUNTERS = 1, 3, 5, 8
_RULE_TABLE, _RULE_CHAIN = 1, 2
_RULE_HANDLE, _RULE_EXPRESSIONS = 3, 4
_VERDICT_CHAIN: Final = 2
# What makes a rule what it is: its expressions, compat, user data. Its handle and its place do not.
_TELLING: Final = frozenset({_RULE_EXPRESSIONS, 5, 7})
_COUNTER_BYTES, _COUNTER_PACKETS = 1, 2
_REQUEST_DUMP: Final = 0x301
_DUMP_INTERRUPTED: Final = 0x10
_ERROR, _DONE = 2, 3
_HEADER = struct.Struct("=IHHII")
_GENERIC_SIZE: Final = 4
_ATTRIBUTE = struct.Struct("=HH")
_TYPE_MASK: Final = 0x3FFF
# NFTA_LIST_ELEM holding NFTA_EXPR_NAME "counter" and NFTA_EXPR_DATA, which begins with NFTA_COUNTER_BYTES: two numbers follow.
_COUNTER: Final = (
    _ATTRIBUTE.pack(44, 1) + _ATTRIBUTE.pack(12, 1) + b"counter\0" + _ATTRIBUTE.pack(28, 2) + _ATTRIBUTE.pack(12, 1)
)
_NUMBERS = struct.Struct(">Q4xQ")
_COUNTER_SIZE: Final = 44
# NFTA_VERDICT_CODE with NFT_JUMP and NFT_GOTO; the name of the chain follows.
_JUMP_OR_GOTO: Final = tuple(_ATTRIBUTE.pack(8, 1) + struct.pack(">i", code) for code in (-3, -4))
_TRIES: Final = 10
_NONE: Final = (0, 0)
_BUFFER: Final = 1 << 17
_SECONDS: Final = 10.0


class RawNft:
    """The nat table of one family.

    Args:
        store: the same table through its programs.
    """

    def __init__(self, store: IptablesStore) -> None:
        self._store = store
        self._number = protocol_family(store.backend.family)
        self._open = ExitStack()
        self._kernel = self._open.enter_context(Nfnetlink())
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER)
        self._open.enter_context(self._socket)
        self._socket.settimeout(_SECONDS)
        self._socket.bind((0, 0))
        self._buffer = memoryview(bytearray(_BUFFER))
        self._sequence = 0

    def stamp(self) -> int:
        """The generation of the ruleset."""
        return generation(self._kernel)

    def close(self) -> None:
        """Read no more."""
        self._open.close()

    def begin(self) -> None:
        """Do nothing: each chain is read when it is asked for."""

    def leads(self, key: bytes, name: str) -> bool:
        """Whether a rule's verdict is a jump to the chain *name*, or a goto."""
        return bool(name) and any(code + text(_VERDICT_CHAIN, name) in key for code in _JUMP_OR_GOTO)

    def ask(self, name: str) -> Sequence[Chain]:
        """Let iptables-nft print the chain, and hold it against what the kernel says."""
        return [read_chain(self._kernel, self._store.backend, self._store.tools, "nat", name)]

    def chain(self, name: str) -> RawChain | None:
        """Read one chain."""
        policy, counters = "-", _NONE
        if name == POSTROUTING:
            # Of chains that a rule leads to it is known that they are there, and that they have no policy.
            answer = self._kernel.ask(NF_TABLES, _GETCHAIN, self._number, text(_CHAIN_TABLE, "nat") + text(_CHAIN_NAME, name))
            if not answer:
                return None
            told = dict(attributes(answer[0]))
            policy = "ACCEPT" if int.from_bytes(told.get(_CHAIN_POLICY, b"\1"), "big") else "DROP"
            counters = _counters(told.get(_CHAIN_COUNTERS, b""))
        for _ in range(_TRIES):
            try:
                found = list(self._rules(name))
            except InterruptedError:
                continue
            except OSError as error:
                raise HostError(f"nftables does not show the chain {name}: {error.strerror or error}") from error
            return RawChain(name, policy, counters, [rule for _, rule in found], [handle for handle, _ in found])
        raise BusyError(f"the chain {name} changed {_TRIES} times while it was read", hint="Try again later.")

    def _rules(self, name: str) -> Iterator[tuple[bytes, RawRule]]:
        """Ask for the rules of a chain, each with its handle.

        Raises:
            InterruptedError: something changed while the kernel answered in several parts.
        """
        self._sequence += 1
        which = struct.pack("=BBH", self._number, 0, 0) + text(_RULE_TABLE, "nat") + text(_RULE_CHAIN, name)
        kind = NF_TABLES << 8 | _GETRULE
        self._socket.send(_HEADER.pack(_HEADER.size + len(which), kind, _REQUEST_DUMP, self._sequence, 0) + which)
        interrupted = 0
        while True:
            size = self._socket.recv_into(self._buffer)
            data = bytes(self._buffer[:size])
            position = 0
            while position < size:
                length, kind, flags, sequence, _ = _HEADER.unpack_from(data, position)
                start, stop = position + _HEADER.size, position + length
                position += (length + 3) & ~3
                if sequence != self._sequence:
                    continue
                interrupted |= flags & _DUMP_INTERRUPTED
                if kind in {_ERROR, _DONE}:
                    _raise_for(data[start:stop])
                    if interrupted:
                        raise InterruptedError
                    return
                yield _rule(data, start + _GENERIC_SIZE, stop)


def _raise_for(body: bytes) -> None:
    code = -int.from_bytes(body[:4], "little" if struct.pack("=H", 1)[0] else "big", signed=True)
    # A chain that is gone has no rules.
    if code > 0 and code != 2:  # noqa: PLR2004  (ENOENT)
        raise OSError(code, os.strerror(code))


def _rule(data: bytes, position: int, stop: int) -> tuple[bytes, RawRule]:
    counters = _NONE
    key = handle = b""
    while position < stop:
        length, number = _ATTRIBUTE.unpack_from(data, position)
        number &= _TYPE_MASK
        if number == _RULE_EXPRESSIONS:
            value, counters = _without_counter(data[position : position + length])
            key += value
        elif number == _RULE_HANDLE:
            handle = data[position : position + length]
        elif number in _TELLING:
            key += data[position : position + length]
        position += (length + 3) & ~3
    return handle, RawRule(key, counters)


def _without_counter(expressions: bytes) -> tuple[bytes, tuple[int, int]]:
    """Cut the counter out of a rule, and give its numbers; iptables gives each rule one."""
    place = expressions.find(_COUNTER)
    if place < 0:
        return expressions, _NONE
    size, packets = _NUMBERS.unpack_from(expressions, place + len(_COUNTER))
    return expressions[:place] + b"counter" + expressions[place + _COUNTER_SIZE :], (packets, size)


def _counters(data: bytes) -> tuple[int, int]:
    told = dict(attributes(data))
    packets, size = (int.from_bytes(told.get(number, b""), "big") for number in (_COUNTER_PACKETS, _COUNTER_BYTES))
    return packets, size

"""The legacy nat table as bytes: one getsockopt gives it whole, of which only what POSTROUTING reaches is looked at.

The kernel hands out no part of a legacy table; but handing out 50,000 rules takes it 20 ms, where iptables-legacy-save takes
170. An entry is a head (addresses, interfaces, flags, offsets, counters), its matches, its target. A user-defined chain is an
entry with the target ERROR that holds its name, its rules, and an entry that returns. A jump is the offset of a chain's first
rule (linux/netfilter_ipv4/ip_tables.h, linux/netfilter/x_tables.h).
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import socket
import struct
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Final, NamedTuple

from natfix.errors import BusyError, HostError
from natfix.host.iptables import IptablesStore
from natfix.host.listing import POSTROUTING
from natfix.host.nfnetlink import needs_root
from natfix.host.watch.learned import RawChain, RawRule
from natfix.ruleset import Chain, Family

_GET_INFO, _GET_ENTRIES = 64, 65  # IPT_SO_GET_INFO and IP6T_SO_GET_INFO, and so on
_INFO = struct.Struct("=32sI5I5III")  # struct ipt_getinfo: name, valid hooks, entries, underflows, number, size
_ENTRIES_HEAD: Final = 40  # struct ipt_get_entries up to its entries
_POSTROUTING: Final = 4  # NF_INET_POST_ROUTING
_TARGET_SIZE: Final = 32  # struct xt_entry_target: two bytes size, 29 name, one revision
_VERDICT = struct.Struct("=i")
_ERROR_NAME: Final = 32  # bytes that the name in an ERROR target takes, at the end of its entry
_ACCEPT: Final = struct.pack("=i", -2)  # -NF_ACCEPT - 1
_TRIES: Final = 10
_KEPT: Final = 1 << 20
_libc = ctypes.CDLL(None, use_errno=True)


class _Layout(NamedTuple):
    """Where things stand in an entry.

    Attributes:
        level: of its socket options.
        family: of its socket.
        scratch: where what the kernel scribbles begins, up to the end of the head; *head* reads it.
        head: nfcache, offset of the target, offset of the next entry, comefrom, packets, bytes.
    """

    level: int
    family: socket.AddressFamily
    scratch: int
    head: struct.Struct


_LAYOUTS: Final = {
    Family.IPV4: _Layout(socket.IPPROTO_IP, socket.AF_INET, 84, struct.Struct("=IHHIQQ")),
    Family.IPV6: _Layout(socket.IPPROTO_IPV6, socket.AF_INET6, 136, struct.Struct("=IHHI4xQQ")),
}


class RawLegacy:
    """The nat table of one family; the programs must be of the same word size as this Python.

    Args:
        store: the same table through its programs.
    """

    def __init__(self, store: IptablesStore) -> None:
        self._store = store
        self._layout = _LAYOUTS[store.backend.family]
        self._socket = socket.socket(self._layout.family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._chains: dict[str, RawChain] = {}
        self._kept = mmap.mmap(-1, _KEPT)

    def stamp(self) -> None:
        """Nothing: a change that keeps the number of rules leaves no trace but itself."""
        return

    def close(self) -> None:
        """Read no more."""
        self._socket.close()
        self._kept.close()

    def begin(self) -> None:
        """Read the table."""
        self._chains = self._read()

    def leads(self, key: bytes, name: str) -> bool:
        """Whether a rule jumps or goes to the chain *name*."""
        return bool(name) and key.endswith(_to(name))

    def ask(self, name: str) -> Sequence[Chain]:  # noqa: ARG002
        """Let iptables-legacy-save print the table; it prints all of it, so all that POSTROUTING reaches is given."""
        (table,) = self._store.read().tables
        return [chain for name in table.declared if (chain := table.chain(name))]

    def chain(self, name: str) -> RawChain | None:
        """Give one chain, as it was at the beginning."""
        return self._chains.get(name)

    def _read(self) -> dict[str, RawChain]:
        for _ in range(_TRIES):
            info = bytearray(_INFO.pack(b"nat", 0, *[0] * 12))
            self._ask(_GET_INFO, info)
            numbers = _INFO.unpack(info)
            entry, underflow, size = numbers[2 + _POSTROUTING], numbers[7 + _POSTROUTING], numbers[13]
            # A mapping of its own goes back to the system at once; a table of 50,000 rules takes 30 MB.
            with self._room(_ENTRIES_HEAD + size) as data:
                data[:_ENTRIES_HEAD] = struct.pack("=32sI4x", b"nat", size)
                try:
                    self._ask(_GET_ENTRIES, memoryview(data)[: _ENTRIES_HEAD + size])
                except BlockingIOError:
                    continue
                return _Walk(data, self._layout).chains(entry, underflow)
        raise BusyError(f"the legacy nat table changed {_TRIES} times while it was read", hint="Try again later.")

    def _room(self, size: int) -> AbstractContextManager[mmap.mmap]:
        """Memory for a table: for a small one always the same."""
        return mmap.mmap(-1, size) if size > _KEPT else nullcontext(self._kept)

    def _ask(self, option: int, data: bytearray | memoryview) -> None:
        place = (ctypes.c_char * len(data)).from_buffer(data)
        length = ctypes.c_uint32(len(data))
        failed = _libc.getsockopt(self._socket.fileno(), self._layout.level, option, place, ctypes.byref(length))
        code = ctypes.get_errno()
        del place
        if not failed:
            return
        if code == errno.EAGAIN:
            raise BlockingIOError(code, os.strerror(code))
        if code == errno.EPERM:
            raise needs_root()
        raise HostError(f"the kernel does not show its legacy nat table: {os.strerror(code)}")


class _Walk:
    """A walk over the entries of a table, from POSTROUTING to what it reaches."""

    def __init__(self, data: mmap.mmap, layout: _Layout) -> None:
        self._data = data
        self._layout = layout

    def chains(self, entry: int, underflow: int) -> dict[str, RawChain]:
        """The chains, by name, in the order met."""
        (policy,), _ = self._rules(underflow, underflow + self._length(underflow))
        rules, waiting = self._rules(entry, underflow)
        met = {POSTROUTING: _chain(POSTROUTING, "ACCEPT" if policy.key.endswith(_ACCEPT) else "DROP", policy.counters, rules)}
        while waiting:
            offset = waiting.pop(0)
            name = self._name(offset)
            if name not in met:
                rules, further = self._rules(offset, None)
                # The last entry of a user-defined chain is the return to where it was called.
                met[name] = _chain(name, "-", (0, 0), rules[:-1])
                waiting.extend(further)
        return met

    def _rules(self, start: int, stop: int | None) -> tuple[list[RawRule], list[int]]:
        """The rules from *start* to *stop*, or to the head of the next chain, and the offsets they jump to.

        This runs between a program's rule and its correction, for each rule that POSTROUTING reaches, so it is one loop.
        """
        data, (_, _, scratch, head_layout) = self._data, self._layout
        unpack, head_size = head_layout.unpack_from, head_layout.size
        rules: list[RawRule] = []
        jumps: list[int] = []
        while start != stop:
            place = _ENTRIES_HEAD + start
            head = place + scratch
            _, target, following, _, packets, size = unpack(data, head)
            at = place + target
            start += following
            # What stands before the scratch, where the target stands, the matches and the target.
            key = data[place:head] + data[head + 4 : head + 6]
            if data[at + 2]:
                if stop is None and data[at + 2 : at + 8] == b"ERROR\0":
                    break
                key += data[head + head_size : place + following]
            else:
                (verdict,) = _VERDICT.unpack_from(data, at + _TARGET_SIZE)
                key += data[head + head_size : at + _TARGET_SIZE]
                if verdict < 0:
                    key += _VERDICT.pack(verdict)
                elif verdict != start:  # Else the rule has no target: it goes on with the next one.
                    key += _to(self._name(verdict))
                    jumps.append(verdict)
            rules.append(RawRule(key, (packets, size)))
        return rules, jumps

    def _length(self, offset: int) -> int:
        length: int = self._layout.head.unpack_from(self._data, _ENTRIES_HEAD + offset + self._layout.scratch)[2]
        return length

    def _name(self, offset: int) -> str:
        """The name of the chain whose first rule stands at *offset*: it ends the entry before."""
        place = _ENTRIES_HEAD + offset - _ERROR_NAME
        return self._data[place : place + _ERROR_NAME].partition(b"\0")[0].decode("utf-8", "surrogateescape")


def _chain(name: str, policy: str, counters: tuple[int, int], rules: Sequence[RawRule]) -> RawChain:
    return RawChain(name, policy, counters, rules, [rule.key for rule in rules])


def _to(name: str) -> bytes:
    """What the key of a rule that leads to a chain ends with."""
    return b"->" + name.encode("utf-8", "surrogateescape")

"""What the kernel does with packets beside rules, addresses and routes: settings, counters, routing rules.

Numbers are those of linux/fib_rules.h and linux/rtnetlink.h.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from natfix.app.collect_ports import Identity, KernelState
from natfix.host.rtnetlink import Message, dump

_GETRULE: Final = 34
_RULE: Final = struct.Struct("=BBBBBBBBI")  # struct fib_rule_hdr: family, prefix lengths, tos, table, …, action, flags
_DESTINATION, _SOURCE, _IN, _GOTO, _PRIORITY, _MARK, _TABLE, _MASK, _OUT = 1, 2, 3, 4, 6, 10, 15, 16, 17
_TO_TABLE, _TO_RULE = 1, 2
_ACTIONS: Final = {3: "nop", 6: "blackhole", 7: "unreachable", 8: "prohibit"}
_INVERT: Final = 2
_FAMILIES: Final[Mapping[int, str]] = {socket.AF_INET: "ipv4", socket.AF_INET6: "ipv6"}
_ALL_BITS: Final = 0xFFFFFFFF

_SETTINGS: Final = (
    "net.ipv4.ip_forward",
    "net.ipv6.conf.all.forwarding",
    "net.bridge.bridge-nf-call-iptables",
    "net.bridge.bridge-nf-call-ip6tables",
)


class HostKernelState(KernelState):
    """The kernel of this host, in the network namespace of this process.

    Args:
        proc: where procfs is mounted.
    """

    def __init__(self, proc: str = "/proc") -> None:
        self._proc = proc

    def identity(self) -> Identity:
        """Which host and which kernel it is."""
        about = os.uname()
        return Identity(about.nodename, about.release)

    def settings(self, devices: Sequence[str]) -> Mapping[str, str]:
        """Forwarding, reverse path filters and what bridges show to iptables."""
        found = {name: self._read(f"sys/{name.replace('.', '/')}") for name in _SETTINGS}
        for device in ("all", "default", *devices):
            # A device may have a dot in its name; the file has it there, too.
            found[f"net.ipv4.conf.{device}.rp_filter"] = self._read(f"sys/net/ipv4/conf/{device}/rp_filter")
        return {name: text.strip() for name, text in found.items() if text}

    def counters(self) -> Mapping[str, int]:
        """The counters of the connection tracking table; a line of hexadecimal numbers for each processor."""
        names, *rows = [line.split() for line in self._read("thread-self/net/stat/nf_conntrack").splitlines()] or [[]]
        # The number of entries is the same in each line, and another one a moment later.
        places = [(place, name) for place, name in enumerate(names) if name != "entries"]
        return {name: sum(int(row[place], 16) for row in rows if place < len(row)) for place, name in places}

    def policies(self) -> Mapping[str, Sequence[str]]:
        """The routing rules of each family."""
        found: dict[str, list[str]] = {name: [] for name in _FAMILIES.values()}
        for message in dump(_GETRULE, _RULE):
            family = _FAMILIES.get(message.fields[0])
            if family:
                found[family].append(" ".join(_words(message)))
        return found

    def _read(self, name: str) -> str:
        try:
            with open(f"{self._proc}/{name}", encoding="ascii", errors="replace") as file:  # noqa: PTH123  (pathlib costs 10 ms)
                return file.read()
        except OSError:
            return ""


def _words(rule: Message) -> Iterator[str]:
    """A rule as ``ip rule`` spells it, with the numbers of tables."""
    family, to_length, from_length, tos, _, _, _, action, flags = rule.fields
    said = rule.attributes
    yield f"{_number(said.get(_PRIORITY))}:"
    if flags & _INVERT:
        yield "not"
    yield f"from {_network(family, said.get(_SOURCE), from_length) or 'all'}"
    if to := _network(family, said.get(_DESTINATION), to_length):
        yield f"to {to}"
    if tos:
        yield f"tos {tos:#x}"
    if _MARK in said or _MASK in said:
        mark, mask = _number(said.get(_MARK)), _number(said.get(_MASK), _ALL_BITS)
        yield f"fwmark {mark:#x}" if mask == _ALL_BITS else f"fwmark {mark:#x}/{mask:#x}"
    for word, attribute in (("iif", _IN), ("oif", _OUT)):
        if attribute in said:
            yield f"{word} {said[attribute].partition(bytes(1))[0].decode('utf-8', 'surrogateescape')}"
    yield _action(action, said, rule.fields[4])


def _action(action: int, said: Mapping[int, bytes], table: int) -> str:
    if action == _TO_TABLE:
        return f"lookup {_number(said.get(_TABLE), table)}"
    if action == _TO_RULE:
        return f"goto {_number(said.get(_GOTO))}"
    return _ACTIONS.get(action, f"action {action}")


def _network(family: int, address: bytes | None, length: int) -> str:
    return f"{socket.inet_ntop(family, address)}/{length}" if address else ""


def _number(value: bytes | None, otherwise: int = 0) -> int:
    return otherwise if value is None else int.from_bytes(value, sys.byteorder)

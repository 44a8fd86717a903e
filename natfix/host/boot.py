"""What systemd starts at boot that has to do with NAT rules, read from its files: systemctl takes 100 ms to say less.

A unit is started at boot when a ``.wants`` or ``.requires`` folder holds a link of its name (systemd.unit(5), [Install]). It
is started before another one when ``Before=`` and ``After=`` of them, and of the targets between them, say so.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from natfix.app.collect_ports import Boot

_LOADERS: Final = ("netfilter-persistent.service", "iptables.service", "ip6tables.service", "nftables.service")
_WRITERS: Final = ("docker.service", "firewalld.service")
_OWN: Final = "natfix-"
# Files of a folder that comes first stand in for those of the same name in a later one (systemd.unit(5), UNIT FILE LOAD PATH).
_FOLDERS: Final = (
    "etc/systemd/system", "run/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system", "lib/systemd/system",
)  # fmt: skip
# systemd.special(7): the targets that services of the network stand between.
_TARGETS: Final = (("network-pre.target", "network.target"), ("network.target", "network-online.target"))
# The same watcher, or agent, under supervisor: started by it, in no order that systemd knows.
_SUPERVISED: Final = tuple(
    f"{folder}/natfix-{program}{ending}"
    for folder, ending in (("etc/supervisord.d", ".ini"), ("etc/supervisor/conf.d", ".conf"))
    for program in ("watch", "node")
)


class HostBoot(Boot):
    """The boot of this host.

    Args:
        root: its root directory.
    """

    def __init__(self, root: str = "/") -> None:
        self._root = root.rstrip("/")

    def order(self) -> Mapping[str, tuple[str, ...]]:
        """The services that load or write NAT rules, or correct them, that are started at boot, with those before each."""
        started = sorted(self._started())
        earlier: dict[str, set[str]] = {}
        for one, other in (*_TARGETS, *(pair for name in started for pair in self._pairs(name))):
            earlier.setdefault(other, set()).add(one)
        before = {name: _reached(name, earlier) for name in started}
        # Of two that wait for each other systemd starts neither surely first.
        found = {one: tuple(other for other in started if other in before[one] and one not in before[other]) for one in started}
        own = {name.rpartition("/")[2].rpartition(".")[0] for name in _SUPERVISED if self._text(name)}
        return {**found, **dict.fromkeys(sorted(own), ())}

    def _started(self) -> Iterator[str]:
        """The names of the units that are enabled."""
        named = {name for folder in _FOLDERS for wants in self._names(folder) for name in self._wanted(folder, wants)}
        return (name for name in named if name in {*_LOADERS, *_WRITERS} or name.startswith(_OWN))

    def _wanted(self, folder: str, name: str) -> Iterable[str]:
        return self._names(f"{folder}/{name}") if name.endswith((".wants", ".requires")) else ()

    def _names(self, folder: str) -> list[str]:
        try:
            return os.listdir(f"{self._root}/{folder}")  # noqa: PTH208  (pathlib costs 10 ms)
        except OSError:
            return []

    def _pairs(self, name: str) -> Iterator[tuple[str, str]]:
        """What a unit says of its place: pairs of which the first comes before the second."""
        for line in self._lines(name):
            key, _, value = line.partition("=")
            for other in value.split():
                if key.strip() == "After":
                    yield other, name
                elif key.strip() == "Before":
                    yield name, other

    def _lines(self, name: str) -> Iterator[str]:
        """The lines of a unit's file, and of its drop-ins."""
        texts = (self._text(f"{folder}/{name}") for folder in _FOLDERS)
        yield from next(filter(None, texts), "").splitlines()
        for folder in _FOLDERS:
            for drop_in in sorted(self._names(f"{folder}/{name}.d")):
                if drop_in.endswith(".conf"):
                    yield from self._text(f"{folder}/{name}.d/{drop_in}").splitlines()

    def _text(self, path: str) -> str:
        try:
            with open(f"{self._root}/{path}", encoding="utf-8", errors="replace") as file:  # noqa: PTH123  (pathlib costs 10 ms)
                return file.read().replace("\\\n", " ")
        except OSError:
            return ""


def _reached(name: str, earlier: Mapping[str, set[str]]) -> set[str]:
    """Everything that comes before *name*, step by step."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        new = earlier.get(waiting.pop(), set()) - found
        found |= new
        waiting += new
    return found - {name}

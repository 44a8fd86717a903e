"""The place of a trial: run by natfix.host.judge as a process of its own, in a network namespace of its own.

Each device that a packet comes in or leaves by is one end of a cable; the other end lies in the same namespace, where nothing
listens but a raw socket. A frame put into one cable comes in by its device, is forwarded by the kernel as any container's
packet, and is caught at the other end of the cable it leaves by. Without ARP nobody asks who has an address, so any address
can be reached.

Reads a trial as JSON from standard input, writes what arrived as JSON to standard output.
"""

from __future__ import annotations

import json
import os
import select
import shlex
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from natfix.errors import HostError, NatfixError
from natfix.host.judge.frames import frame, seen_in
from natfix.host.nfnetlink import CONNTRACK, Nfnetlink
from natfix.host.programs import run
from natfix.packets import Packet

_CONNTRACK_DELETE = 2
_EVERY_PROTOCOL = 3
_PATIENCE = 3.0
_SHORTLY = 0.1
# Of every device: each is alone on its cable, and /sys shows those of another namespace.
_MAC = bytes.fromhex("026e61746678")
_SETTINGS = {
    "ipv4/ip_forward": "1",
    "ipv4/conf/all/rp_filter": "0",
    "ipv4/conf/default/rp_filter": "0",
    "ipv6/conf/all/forwarding": "1",
    "ipv6/conf/default/accept_dad": "0",
}
# Addresses for documentation (RFC 5737, RFC 3849), for devices of which nobody knows an address.
_SPARE = {4: "192.0.2.{}/32", 6: "2001:db8::{}/128"}


def main() -> None:
    """Hold the trial that standard input describes."""
    try:
        seen = hold(json.load(sys.stdin))
    except NatfixError as error:
        sys.stdout.write(json.dumps({"problem": error.message, "hint": error.hint}))
    else:
        sys.stdout.write(json.dumps({"seen": seen}))


def hold(trial: Mapping[str, Any]) -> list[str | None]:
    """Lay the ground, load the rules, send the packets one after the other."""
    packets = [_packet(each) for each in trial["packets"]]
    cables = _lay([*_devices(packets), *trial["devices"]], trial["addresses"])
    if trial["ipsets"]:
        _must("ipset", "restore", data=trial["ipsets"])
    if trial["native"]:
        _load("nft", trial["native"], "-j", "-f", "-")
    for line in trial["replacing"]:
        _must(*shlex.split(line))
    if trial["rules"]:
        # What others keep in the same tables is to stay.
        _load(trial["program"], trial["rules"], "--noflush")
    with ExitStack() as open_ends:
        ends = {device: open_ends.enter_context(_end(cable)) for device, cable in cables.items()}
        return _sent(packets, ends)


def _packet(words: Mapping[str, Any]) -> Packet:
    return Packet(**{**words, "source": ip_address(words["source"]), "destination": ip_address(words["destination"])})


def _lay(devices: Sequence[str], addresses: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Make a cable for each device; gives for each device the name of the cable's other end."""
    for name, value in _SETTINGS.items():
        try:
            Path("/proc/sys/net", name).write_text(value)
        except OSError as error:
            raise HostError(f"a namespace cannot be made to forward: {name}: {error.strerror}") from error
    _must("ip", "link", "set", "lo", "up")
    cables = {}
    for number, device in enumerate(dict.fromkeys(devices)):
        cables[device] = f"natfix-end{number}"
        _must("ip", "link", "add", device, "address", _MAC.hex(":"), "type", "veth", "peer", "name", cables[device])
        for end in (device, cables[device]):
            _must("ip", "link", "set", end, "arp", "off", "up")
        given = list(addresses.get(device, ()))
        versions = {ip_address(each.partition("/")[0]).version for each in given}
        spare = [text.format(number + 1) for version, text in _SPARE.items() if version not in versions]
        for each in (*given, *spare):
            _must("ip", "address", "add", each, "dev", device, *(["nodad"] if ":" in each else []))
    return cables


def _devices(packets: Sequence[Packet]) -> Iterator[str]:
    for packet in packets:
        yield packet.in_interface
        yield packet.out_interface


def _load(program: str, rules: str, *options: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        # Another namespace, another xtables: the host's lock need not be held, and may be out of reach.
        environment = {"XTABLES_LOCKFILE": f"{folder}/xtables.lock"}
        done = run(program, *options, data=rules.encode("utf-8", "surrogateescape"), environment=environment)
    if done.code:
        raise HostError(f"the rules cannot be loaded here: {done}: {done.complaint}")


def _end(cable: str) -> socket.socket:
    """Open the far end of a cable."""
    end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_EVERY_PROTOCOL))
    end.bind((cable, _EVERY_PROTOCOL))
    return end


def _sent(packets: Sequence[Packet], ends: Mapping[str, socket.socket]) -> list[str | None]:
    """Send packets one after the other; the source address of each as it arrives, or None."""
    arrived: dict[tuple[str, int], str] = {}
    awaited = [(packet.out_interface, number) for number, packet in enumerate(packets)]
    for packet, place in zip(packets, awaited, strict=True):
        _send(packet, place[1], ends)
        _take_in(ends, arrived, [place], _SHORTLY)
    # What was dropped never comes: it is waited for once, and not for each.
    _take_in(ends, arrived, awaited, _PATIENCE)
    return [arrived.get(place) for place in awaited]


def _send(packet: Packet, number: int, ends: Mapping[str, socket.socket]) -> None:
    """Send one packet on its way."""
    host = "32" if packet.destination.version == 4 else "128"  # noqa: PLR2004  (the version)
    route = f"{packet.destination}/{host}"
    _must("ip", "route", "replace", route, "dev", packet.out_interface)
    # A packet like one before it would belong to its connection, and be treated as that was.
    with Nfnetlink() as kernel:
        kernel.ask(CONNTRACK, _CONNTRACK_DELETE)
    ends[packet.in_interface].send(frame(packet, number, _MAC))


def _take_in(
    ends: Mapping[str, socket.socket], arrived: dict[tuple[str, int], str], awaited: Sequence[tuple[str, int]], seconds: float
) -> None:
    """Take in what comes by any device, until all that is awaited is there or the time is over."""
    devices = {end: device for device, end in ends.items()}
    limit = time.monotonic() + seconds
    while not arrived.keys() >= set(awaited) and (left := limit - time.monotonic()) > 0:
        for end in select.select(list(devices), [], [], left)[0]:
            found = seen_in(end.recv(2048))
            if found is not None:
                arrived.setdefault((devices[end], found[0]), found[1])


def _must(*command: str, data: str = "") -> None:
    done = run(*command, data=data.encode("utf-8", "surrogateescape"))
    if done.code:
        raise HostError(f"{done} failed: {done.complaint}")


if __name__ == "__main__":
    os.environ.pop("PYTHONPATH", None)
    main()

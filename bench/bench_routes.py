"""Time leases to routes in the kernel beside `ip -batch` of the same routes, the full look, and one changed lease among many.

Every round begins with an empty table in a fresh network namespace. natfix does all that lies between the leases and the
kernel: who is on the link, what is wanted, what differs, the writing; `ip` is given its lines as they are. Both take turns.
Processor time holds what the kernel does for each; other work on the machine disturbs it less than the clock on the wall.

One changed lease is timed with natfix's own part by itself: to give a route another next hop, Linux walks a chain of all next
hops of one device and protocol (net/ipv4/fib_semantics.c, fib_find_info), whoever asks.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from ipaddress import IPv4Address, IPv4Network
from typing import TypeAlias

from measure import enter_fresh_network, verdict

from natfix.host.dataplane.plane import HostDataPlane
from natfix.routing.backends import Here, HostGwBackend, VxlanBackend, backend_of
from natfix.routing.difference import diff
from natfix.routing.lease import Attributes, Lease
from natfix.routing.links import Links
from natfix.routing.network import NetworkConfig
from natfix.routing.state import NetState
from natfix.routing.subnet import Subnet

SIZES = (1000, 5000, 10000)
ROUNDS = 3
TARGET_BATCH, TARGET_LOOK, TARGET_ONE, TARGET_GROWTH = 1.5, 60.0, 5.0, 1.5
Times: TypeAlias = tuple[float, float]
OWN = Subnet(IPv4Network("172.0.0.0/26"))
LINKS = """\
link add eth0 type veth peer name switch
addr add 10.0.0.1/8 dev eth0
link set switch up
link set eth0 up
"""


def lease(number: int, kind: str, *, host: int | None = None) -> Lease:
    """The lease of a host: a /26 of 172.0.0.0/8, and an address of 10.0.0.0/8 of its own."""
    mac = f"02:00:00:{number >> 16:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"
    data = {"VNI": 1, "VtepMAC": mac} if kind == "vxlan" else None
    address = IPv4Address("10.0.1.0") + (number if host is None else host)
    subnet = Subnet(IPv4Network((int(IPv4Address("172.0.0.0")) + (number << 6), 26)))
    return Lease(subnet, Attributes(address, None, kind, data))


def backend(plane: HostDataPlane, kind: str) -> HostGwBackend | VxlanBackend:
    """The backend of this host."""
    config = NetworkConfig.parse(f'{{"Network": "172.0.0.0/8", "SubnetLen": 26, "Backend": {{"Type": "{kind}"}}}}')
    link = plane.links().named("eth0")
    if link is None:
        sys.exit("eth0 is not there")
    return backend_of(config, Here(OWN, link, IPv4Address("10.0.0.1"), None, "02:00:00:ff:ff:ff"))


def wanted(host: HostGwBackend | VxlanBackend, leases: list[Lease], links: Links) -> NetState:
    """What the leases want of the kernel."""
    states = [host.peer(each, links).state for each in leases]
    own = host.own()
    return NetState(
        own.devices,
        own.addresses,
        frozenset(route for state in states for route in state.routes),
        frozenset(one for state in states for one in state.neighbours),
        frozenset(one for state in states for one in state.fdb),
    )


def processor() -> float:
    """Seconds of processor time of this process and of those it waited for."""
    usages = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def timed(work: Callable[[], object]) -> Times:
    """Seconds on the wall, and of processor time."""
    start, used = time.perf_counter(), processor()
    work()
    return time.perf_counter() - start, processor() - used


def in_fresh_network(work: Callable[[HostDataPlane], Times]) -> Times:
    """Do *work* in a child with a network of its own, so that no round pays for the tables of the one before."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        enter_fresh_network()
        subprocess.run(["ip", "-batch", "-"], input=LINKS, text=True, check=True)
        with closing(HostDataPlane()) as plane:
            os.write(write, " ".join(map(str, work(plane))).encode())
        os._exit(0)
    os.close(write)
    told = os.read(read, 256)
    os.close(read)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        sys.exit("a round failed")
    first, second = map(float, told.split())
    return first, second


def medians(work: Callable[[HostDataPlane], Times], rounds: int) -> Times:
    """The median of each figure of some rounds."""
    first, second = zip(*(in_fresh_network(work) for _ in range(rounds)), strict=True)
    return statistics.median(first), statistics.median(second)


def natfix_puts(count: int, kind: str) -> Callable[[HostDataPlane], Times]:
    """Bring *count* leases into an empty kernel."""

    def work(plane: HostDataPlane) -> Times:
        host, leases = backend(plane, kind), [lease(number, kind) for number in range(1, count + 1)]

        def put() -> None:
            desired = wanted(host, leases, plane.links(host.networks))
            actual = plane.read(host.networks, host.devices)
            if plane.carry_out(diff(actual, desired, host.domain)):
                sys.exit("the kernel refuses")

        times = timed(put)
        desired = wanted(host, leases, plane.links(host.networks))
        if diff(plane.read(host.networks, host.devices), desired, host.domain):
            sys.exit("the kernel is not as it was wanted")
        return times

    return work


def ip_puts(count: int, kind: str) -> Callable[[HostDataPlane], Times]:
    """Let `ip -batch` put the same; `bridge -batch` the FDB entries."""

    def work(plane: HostDataPlane) -> Times:
        host, leases = backend(plane, kind), [lease(number, kind) for number in range(1, count + 1)]
        plane.carry_out(diff(NetState(), host.own(), host.domain))
        desired = wanted(host, leases, plane.links(host.networks))
        fdb = [f"fdb replace {one.mac} dev {one.link} dst {one.remote} self permanent\n" for one in desired.fdb]
        neighbours = [
            f"neigh replace {one.address} lladdr {one.mac} nud permanent dev {one.link}\n" for one in desired.neighbours
        ]
        routes = [
            f"route replace {one.destination} via {one.gateway} dev {one.link} proto 110{' onlink' if one.onlink else ''}\n"
            for one in sorted(desired.routes, key=lambda route: route.destination)
        ]

        def put() -> None:
            if fdb:
                subprocess.run(["bridge", "-batch", "-"], input="".join(fdb), text=True, check=True)
            subprocess.run(["ip", "-batch", "-"], input="".join(neighbours + routes), text=True, check=True)

        return timed(put)

    return work


def full_look(count: int, kind: str) -> Callable[[HostDataPlane], Times]:
    """Read all and compare, as the agent does again and again: the median of nine."""

    def work(plane: HostDataPlane) -> Times:
        host = backend(plane, kind)
        desired = wanted(host, [lease(number, kind) for number in range(1, count + 1)], plane.links(host.networks))
        plane.carry_out(diff(NetState(), desired, host.domain))

        def look() -> None:
            if diff(plane.read(host.networks, host.devices), desired, host.domain):
                sys.exit("something differs")

        look()
        walls, processors = zip(*(timed(look) for _ in range(9)), strict=True)
        return statistics.median(walls), statistics.median(processors)

    return work


def one_change(count: int, kind: str) -> Callable[[HostDataPlane], Times]:
    """Let a peer move to another address, back and forth, until the kernel has said yes: the whole, and natfix's part of it."""

    def work(plane: HostDataPlane) -> Times:
        host = backend(plane, kind)
        links = plane.links(host.networks)
        leases = [lease(number, kind) for number in range(1, count + 1)]
        plane.carry_out(diff(NetState(), wanted(host, leases, links), host.domain))
        there, away = lease(count // 2, kind), lease(count // 2, kind, host=1_000_000)
        wholes, parts = [], []
        for place in range(300):
            before = host.peer(away if place % 2 else there, links)
            start = time.perf_counter()
            after = host.peer(there if place % 2 else away, links)
            operations = diff(before.state, after.state, host.domain)
            thought = time.perf_counter()
            if plane.carry_out(operations):
                sys.exit("the kernel refuses")
            wholes.append(time.perf_counter() - start)
            parts.append(thought - start)
        return statistics.median(wholes), statistics.median(parts)

    return work


def compare(kind: str) -> None:
    """Leases to the kernel, beside ip."""
    print(f"\n### {kind}: leases to the kernel\n")
    print(
        "| leases | natfix | processor | ip -batch | processor | ratio | of processor |\n|---:|---:|---:|---:|---:|---:|---:|"
    )
    ratios = []
    for count in SIZES:
        rounds = [(*in_fresh_network(natfix_puts(count, kind)), *in_fresh_network(ip_puts(count, kind))) for _ in range(ROUNDS)]
        ours, our_cpu, theirs, their_cpu = (statistics.median(column) for column in zip(*rounds, strict=True))
        ratios.append(ours / theirs)
        shown = " | ".join(f"{seconds * 1000:.1f} ms" for seconds in (ours, our_cpu, theirs, their_cpu))
        print(f"| {count} | {shown} | {ours / theirs:.3f} | {our_cpu / their_cpu:.3f} |", flush=True)
    verdict(f"{kind}, leases to the kernel beside ip -batch, worst", max(ratios), TARGET_BATCH)


def main() -> None:
    """Measure and print."""
    for kind in ("host-gw", "vxlan"):
        compare(kind)
        wall, used = medians(full_look(5000, kind), 3)
        verdict(f"{kind}, full look over 5000 leases ({used * 1000:.0f} ms of processor)", wall * 1000, TARGET_LOOK, " ms")
        # By turns, so that other work on the machine meets both alike.
        turns = [(*in_fresh_network(one_change(10, kind)), *in_fresh_network(one_change(10000, kind))) for _ in range(3)]
        few, few_own, many, many_own = (statistics.median(column) for column in zip(*turns, strict=True))
        print(f"\none lease changed: {few * 1e6:.0f} us among 10, {many * 1e6:.0f} us among 10000,", end=" ")
        print(f"of which natfix's own part is {few_own * 1e6:.0f} us and {many_own * 1e6:.0f} us")
        verdict(f"{kind}, one lease changed among 10000, until the kernel's yes", many * 1000, TARGET_ONE, " ms")
        verdict(f"{kind}, growth of the whole from 10 to 10000", many / few, TARGET_GROWTH)
        verdict(f"{kind}, growth of natfix's own part", many_own / few_own, TARGET_GROWTH)


if __name__ == "__main__":
    main()

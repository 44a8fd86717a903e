"""Time new connections out of a container with natfix's guard before Docker's rule, and without it.

Each is one UDP packet to a port of its own: the kernel tracks a new connection, asks the nat chains, and forwards it. Host,
container and far end are network namespaces of this machine: the sender waits for all of the way, and the guard's part shows.
Configurations take turns, each with an empty connection table.
"""

from __future__ import annotations

import shlex
import statistics
import subprocess
import sys
from collections.abc import Mapping

from measure import verdict

from natfix.audit import Locality
from natfix.audit.guard import Guard
from natfix.plan.guard import GuardChange
from natfix.ruleset import Family, parse_network

ROUNDS = 41
CONNECTIONS = 8000
TARGET = 1.05
SUBNETS = 100
INSIDE = "--inside"
NONE, ONE, MANY = "Docker's rule alone", "with the guard", f"with the guard of {SUBNETS} subnets"
PLACES = {"to a pod of another host": "172.7.22.2", "to the outside": "203.0.113.5"}
HOST = """\
link set lo up
link add docker0 type bridge
addr add 172.7.21.1/24 dev docker0
link set docker0 up
link add to-pod type veth peer name eth0 netns pod
link set to-pod master docker0 up
link add eth0 type veth peer name eth0 netns far
addr add 10.4.7.21/24 dev eth0
link set eth0 up
route add default via 10.4.7.22
"""
POD = "addr add 172.7.21.2/24 dev eth0\nlink set eth0 up\nroute add default via 172.7.21.1\n"
FAR = (
    "addr add 10.4.7.22/24 dev eth0\nlink set eth0 up\nroute add blackhole 172.7.22.0/24\nroute add blackhole 203.0.113.0/24\n"
)
# The far end takes no part beyond its device.
SENDER = """
import os, socket, sys, time
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
    sender.sendto(b"", (sys.argv[1], 9))
    start = time.perf_counter()
    for port in range(10000, 10000 + int(sys.argv[2])):
        sender.sendto(b"", (sys.argv[1], port))
    print(time.perf_counter() - start)
"""


def run(*words: str, data: str = "") -> str:
    """Run a program that must succeed."""
    return subprocess.run(words, input=data, text=True, check=True, stdout=subprocess.PIPE).stdout


def build() -> None:
    """Make container, host and far end; Docker's rule is in force."""
    for place in ("pod", "far"):
        run("ip", "netns", "add", place)
    run("ip", "-batch", "-", data=HOST)
    run("ip", "-n", "pod", "-batch", "-", data=POD)
    run("ip", "-n", "far", "-batch", "-", data=FAR)
    run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    run("iptables-nft", "-t", "nat", *shlex.split("-A POSTROUTING -s 172.7.21.0/24 ! -o docker0 -j MASQUERADE"))


def guard(subnets: int) -> tuple[Guard, ...]:
    """The guard of docker0 and of other bridges, so many subnets in all; none for 0."""
    bridges = {f"br-{number}": f"172.7.{100 + number}.0/24" for number in range(1, subnets)}
    localities = [Locality((parse_network(text),), name) for name, text in {**bridges, "docker0": "172.7.21.0/24"}.items()]
    return (Guard.of(Family.IPV4, [parse_network("172.7.0.0/16")], localities),) if subnets else ()


def seconds(address: str, guards: tuple[Guard, ...]) -> float:
    """How long a connection takes to *address* behind *guards*."""
    run("nft", "-f", "-", data=GuardChange((), guards, (Family.IPV4,)).script)
    subprocess.run(["conntrack", "-F"], check=True, capture_output=True)
    sent = run("nsenter", "--net=/run/netns/pod", sys.executable, "-I", "-S", "-c", SENDER, address, str(CONNECTIONS))
    return float(sent) / CONNECTIONS


def compare(address: str) -> dict[str, float]:
    """The median of each configuration; they take turns, after one round that does not count."""
    guards = {NONE: guard(0), ONE: guard(1), MANY: guard(SUBNETS)}
    times: Mapping[str, list[float]] = {name: [] for name in guards}
    for number in range(ROUNDS + 1):
        for name, each in guards.items():
            taken = seconds(address, each)
            if number:
                times[name].append(taken)
    return {name: statistics.median(several) for name, several in times.items()}


def main() -> None:
    """Measure and print."""
    if INSIDE not in sys.argv:
        command = ["unshare", "--net", "--mount", "--propagation", "private", sys.executable, *sys.argv, INSIDE]
        sys.exit(subprocess.run(command, check=False).returncode)
    run("mount", "-t", "tmpfs", "none", "/run")
    build()
    for place, address in PLACES.items():
        medians = compare(address)
        print(f"\n### A new connection {place}\n\n| host | median | ratio |\n|---|---:|---:|")
        for name, taken in medians.items():
            print(f"| {name} | {taken * 1e6:.2f} us | {taken / medians[NONE]:.3f} |")
        verdict(f"guard, a new connection {place}", medians[ONE] / medians[NONE], TARGET)


if __name__ == "__main__":
    main()

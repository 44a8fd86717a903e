"""Time a real `natfix node run` on a real etcd: leases to routes, one lease among many, a deleted route, memory, idleness.

One observer times everything: it hears the kernel tell of each route, and etcd tell of each lease. So the agent is timed from
the moment at which anybody could know. `ip -batch` puts the same routes by turns in the same run.
flanneld 0.11 on a machine like this one took 11.9 s for 5,000 leases, 17 to 23 ms for one lease among 5,000, 6.9 s until a
deleted route was back, 39 MB of memory, and 1.2 % of a core for doing nothing.

    bench_node.py [SECONDS]     for how long the idle agent is looked at; a minute without it
"""

from __future__ import annotations

import os
import select
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Final

from bench_routes import LINKS, lease
from bench_store import PREFIX, URL, call, etcd
from measure import NATFIX, enter_fresh_network, environment, verdict

from natfix.routing.lease import Lease
from natfix.routing.lease_codec import encode_attributes

SIZES: Final = (1000, 5000, 10000)
FEW, MANY = 10, 10000
ROUNDS, TURNS, CHANGES = 5, 3, 60
TARGET_BATCH, TARGET_ONE, TARGET_GROWTH, TARGET_BACK, TARGET_MEMORY, TARGET_IDLE = 1.5, 5.0, 1.5, 100.0, 39.0, 1.2
IDLE_AT = 5000
CONFIG = '{"Network": "172.0.0.0/8", "SubnetLen": 26, "Backend": {"Type": "host-gw"}}'
PATIENCE = 120.0
# linux/rtnetlink.h
_ROUTE_GROUP: Final = 0x40
_NEWROUTE, _DELROUTE = 24, 25
_HEAD: Final = struct.Struct("=IHHII")
_AT_ONCE: Final = 128


class Ear:
    """Hears of every IPv4 route that comes or goes in this namespace."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, 33, 256 << 20)  # SO_RCVBUFFORCE: nothing may be lost
        self._socket.bind((0, _ROUTE_GROUP))

    def fileno(self) -> int:
        """To wait for."""
        return self._socket.fileno()

    def hear(self) -> tuple[float, list[int]]:
        """The next notices: when, and of which kinds."""
        data, now = self._socket.recv(1 << 16), time.perf_counter()
        kinds, place = [], 0
        while place < len(data):
            length, kind, *_ = _HEAD.unpack_from(data, place)
            kinds.append(kind)
            place += (length + 3) & ~3
        return now, kinds

    def until(self, kind: int, count: int, *, seconds: float = PATIENCE) -> tuple[float, float]:
        """When the first and the last of *count* notices of one kind came.

        Raises:
            SystemExit: they do not come.
        """
        first, end = 0.0, time.perf_counter() + seconds
        while count > 0:
            if not select.select([self], [], [], max(0.0, end - time.perf_counter()))[0]:
                sys.exit(f"{count} notices of routes are missing")
            now, kinds = self.hear()
            found = kinds.count(kind)
            first = first or (now if found else 0.0)
            count -= found
        return first, now

    def drain(self) -> None:
        """Forget what has been told, until nothing comes for a moment."""
        while select.select([self], [], [], 0.3)[0]:
            self.hear()


class Agent:
    """A running agent; its words are read by a program of its own, so that nobody waits for them here.

    Args:
        folder: for its files.
    """

    def __init__(self, folder: Path) -> None:
        words = [*NATFIX, "node", "run", "--iface", "eth0", "--etcd-endpoints", URL, "--etcd-api", "v3", "--grace", "5"]
        words += ["--subnet-file", str(folder / "subnet.env"), "--no-iptables-forward-rules"]
        self.log = folder / "agent.log"
        with self.log.open("wb") as log:
            self.began = time.perf_counter()
            self._process = subprocess.Popen(words, stdout=log, stderr=log, env=environment())

    def ready(self) -> None:
        """Wait until it says that its routes are there.

        Raises:
            SystemExit: it does not.
        """
        end = time.perf_counter() + PATIENCE
        while "node-ready" not in self.log.read_text():
            if time.perf_counter() > end or self._process.poll() is not None:
                sys.exit(f"the agent is not ready:\n{self.log.read_text()[-2000:]}")
            time.sleep(0.05)

    def end(self) -> None:
        """End it; all it did stays."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(PATIENCE)

    @contextmanager
    def asleep(self) -> Iterator[None]:
        """Let it do nothing meanwhile."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def memory(self) -> tuple[float, float]:
        """MB that it holds, and held at most."""
        said = dict(line.split(":", 1) for line in Path(f"/proc/{self._process.pid}/status").read_text().splitlines())
        return int(said["VmRSS"].split()[0]) / 1000, int(said["VmHWM"].split()[0]) / 1000

    def used(self) -> float:
        """Seconds of processor time so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def woke(self) -> int:
        """How often one of its threads began to wait of its own will."""
        tasks = Path(f"/proc/{self._process.pid}/task").glob("*/status")
        lines = [line for task in tasks for line in task.read_text().splitlines()]
        return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))


@contextmanager
def agent(folder: Path) -> Iterator[Agent]:
    """Run an agent until its routes are there, and end it afterwards."""
    running = Agent(folder)
    try:
        running.ready()
        yield running
    finally:
        running.end()


def key_of(one: Lease) -> str:
    """The key of a lease, as the gateway wants it."""
    return b64encode(f"{PREFIX}/subnets/{one.subnet.key}".encode()).decode()


def put_of(one: Lease, held: str) -> dict[str, str]:
    """What writes a lease."""
    return {"key": key_of(one), "value": b64encode(encode_attributes(one.attributes).encode()).decode(), "lease": held}


class Store:
    """The other hosts, as etcd knows them: as many as are wanted, the first ones."""

    def __init__(self) -> None:
        value = b64encode(CONFIG.encode()).decode()
        call("kv/put", {"key": b64encode(f"{PREFIX}/config".encode()).decode(), "value": value})
        self.held = call("lease/grant", {"TTL": "86400"})["ID"]
        self.count = 0

    def hold(self, count: int) -> None:
        """Let there be *count* other hosts."""
        # Numbers from 2: this host's own subnet follows its address, 10.0.0.1.
        numbers = range(self.count + 1, count + 1)
        more = [{"request_put": put_of(lease(number + 1, "host-gw"), self.held)} for number in numbers]
        gone = [key_of(lease(number + 1, "host-gw")) for number in range(count + 1, self.count + 1)]
        fewer = [{"request_delete_range": {"key": key}} for key in gone]
        steps = more or fewer
        for start in range(0, len(steps), _AT_ONCE):
            call("kv/txn", {"success": steps[start : start + _AT_ONCE]})
        self.count = count


class Wire:
    """A watch of one key and a line for puts, both as bare as can be."""

    def __init__(self, one: Lease) -> None:
        body = f'{{"create_request": {{"key": "{key_of(one)}"}}}}'.encode()
        self.watch = socket.create_connection(("127.0.0.1", 2379))
        self.watch.sendall(
            b"POST /v3/watch HTTP/1.1\r\nHost: etcd\r\nContent-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body
        )
        if b"created" not in self.watch.recv(1 << 16):
            sys.exit("etcd does not watch")
        self._line = HTTPConnection("127.0.0.1", 2379)
        self._line.connect()

    def put(self, body: bytes) -> None:
        """Send a put, and do not wait."""
        self._line.request("POST", "/v3/kv/put", body)

    def answered(self) -> None:
        """Wait for the answer."""
        self._line.getresponse().read()


def one_change(ear: Ear, store: Store) -> tuple[float, float]:
    """Let a peer move back and forth: seconds from etcd's event to the route, and from the put to the route; medians."""
    import json  # noqa: PLC0415

    number = store.count // 2
    places = (lease(number, "host-gw", host=1_000_000), lease(number, "host-gw"))
    bodies = [json.dumps(put_of(one, store.held)).encode() for one in places]
    wire = Wire(places[0])
    events, wholes = [], []
    ear.drain()
    for turn in range(CHANGES):
        start = time.perf_counter()
        wire.put(bodies[turn % 2])
        told = there = 0.0
        while not (told and there):
            heard = select.select([ear, wire.watch], [], [], PATIENCE)[0]
            if not heard:
                sys.exit("a change was not told, or did not come to the kernel")
            if ear in heard:
                now, kinds = ear.hear()
                there = now if _NEWROUTE in kinds else there
            if wire.watch in heard:
                wire.watch.recv(1 << 16)
                told = told or time.perf_counter()
        events.append(there - told)
        wholes.append(there - start)
        wire.answered()
        time.sleep(0.02)  # So that no change waits for the end of the one before.
    wire.watch.close()
    return statistics.median(events), statistics.median(wholes)


def bare_change(ear: Ear, store: Store, running: Agent) -> float:
    """Let an `ip -batch` that waits for its line move the same route while the agent is asleep: seconds; the median."""
    number = store.count // 2
    subnet = lease(number, "host-gw").subnet
    hosts = [lease(number, "host-gw", host=host).attributes.public_ip for host in (1_000_000, number)]
    found = []
    ear.drain()
    with running.asleep(), subprocess.Popen(["ip", "-batch", "-"], stdin=subprocess.PIPE, text=True, bufsize=1) as writing:
        assert writing.stdin  # noqa: S101
        for turn in range(CHANGES):
            start = time.perf_counter()
            writing.stdin.write(f"route replace {subnet} via {hosts[turn % 2]} dev eth0 proto 110\n")
            _, now = ear.until(_NEWROUTE, 1)
            found.append(now - start)
            time.sleep(0.02)
    return statistics.median(found)


def put_back(ear: Ear) -> tuple[float, float]:
    """Delete a route by hand: seconds until it is back; the median and the most of ten."""
    found = []
    for number in range(2, 12):
        time.sleep(1.3)  # The whole look that follows each repair is over.
        ear.drain()
        subnet = lease(number, "host-gw").subnet
        deleting = subprocess.Popen(["ip", "route", "del", str(subnet), "proto", "110"])
        gone, _ = ear.until(_DELROUTE, 1)
        back, _ = ear.until(_NEWROUTE, 1)
        deleting.wait()
        found.append(back - gone)
    return statistics.median(found), max(found)


def flush(ear: Ear) -> None:
    """Let no route of natfix be left."""
    subprocess.run(["ip", "route", "flush", "proto", "110"], check=False, capture_output=True)
    ear.drain()


def start_round(ear: Ear, folder: Path, count: int) -> tuple[float, float]:
    """Start an agent with an empty kernel: seconds from its start to the last route, and from the first route to the last."""
    flush(ear)
    running = Agent(folder)
    try:
        first, last = ear.until(_NEWROUTE, count)
        running.ready()
    finally:
        running.end()
    return last - running.began, last - first


def batch_round(ear: Ear, count: int) -> tuple[float, float]:
    """The same for ip."""
    flush(ear)
    leases = [lease(number + 1, "host-gw") for number in range(1, count + 1)]
    lines = [f"route replace {one.subnet} via {one.attributes.public_ip} dev eth0 proto 110\n" for one in leases]
    with tempfile.TemporaryFile("w+") as text:
        text.writelines(lines)
        text.seek(0)
        start = time.perf_counter()
        writing = subprocess.Popen(["ip", "-batch", "-"], stdin=text)
        first, last = ear.until(_NEWROUTE, count)
        if writing.wait():
            sys.exit("ip failed")
    return last - start, last - first


def compare(ear: Ear, store: Store, folder: Path) -> None:
    """Leases of the store to routes in the kernel, beside ip."""
    print("\n### Leases in etcd to routes in the kernel\n")
    print("| leases | natfix, start to last route | first to last route | ip -batch | first to last | ratio of the routes |")
    print("|---:|---:|---:|---:|---:|---:|")
    ratios = []
    for count in SIZES:
        store.hold(count)
        rounds = [(*start_round(ear, folder, count), *batch_round(ear, count)) for _ in range(ROUNDS)]
        whole, ours, program, theirs = (statistics.median(column) for column in zip(*rounds, strict=True))
        ratios.append(ours / theirs)
        shown = " | ".join(f"{seconds * 1000:.1f} ms" for seconds in (whole, ours, program, theirs))
        print(f"| {count} | {shown} | {ours / theirs:.3f} |", flush=True)
    verdict("routes to the kernel beside ip -batch, worst", max(ratios), TARGET_BATCH)


def idle(running: Agent, seconds: float) -> None:
    """Look at an agent that has nothing to do."""
    time.sleep(8)  # Its grace period, and the look at the end of it, are over.
    used, woke = running.used(), running.woke()
    time.sleep(seconds)
    share = (running.used() - used) / seconds * 100
    print(f"\nidle among {IDLE_AT}: {(running.woke() - woke) / seconds:.2f} waits of its threads a second")
    verdict(f"processor of the idle agent over {seconds:g} s", share, TARGET_IDLE, " % of a core")


def live(ear: Ear, store: Store, folder: Path, seconds: float) -> None:
    """What happens while an agent runs."""
    store.hold(IDLE_AT)
    with agent(folder) as running:
        print(f"\nmemory among {IDLE_AT}: {running.memory()[0]:.1f} MB, {running.memory()[1]:.1f} MB at most")
        idle(running, seconds)
        store.hold(MANY)
        ear.drain()
        verdict(f"memory of the agent among {MANY}", running.memory()[0], TARGET_MEMORY, " MB")
        back, worst = put_back(ear)
        verdict(f"a deleted route is back among {MANY} (at most {worst * 1000:.1f} ms)", back * 1000, TARGET_BACK, " ms")
        changes(ear, store, running)


def changes(ear: Ear, store: Store, running: Agent) -> None:
    """One lease changed, among few and among many, by turns."""
    turns = []
    for _ in range(TURNS):
        figures: list[float] = []
        for count in (FEW, MANY):
            store.hold(count)
            ear.drain()
            time.sleep(2)  # The agent's own look is over.
            figures += [*one_change(ear, store), bare_change(ear, store, running)]
        turns.append(figures)
    columns = [statistics.median(column) * 1000 for column in zip(*turns, strict=True)]
    few, many = columns[:3], columns[3:]
    names = ("etcd's event to the route", "put to etcd to the route", "a line to a waiting ip -batch to the route")
    print(f"\n| one lease changed | among {FEW} | among {MANY} | growth |\n|---|---:|---:|---:|")
    for name, small, large in zip(names, few, many, strict=True):
        print(f"| {name} | {small:.2f} ms | {large:.2f} ms | {large / small:.2f} |")
    verdict(f"one lease changed among {MANY}, from the event", many[0], TARGET_ONE, " ms")
    verdict(f"growth from {FEW} to {MANY}, from the event", many[0] / few[0], TARGET_GROWTH)


def main() -> None:
    """Measure and print."""
    seconds = float(sys.argv[1]) if sys.argv[1:] else 60.0
    enter_fresh_network()
    subprocess.run(["ip", "-batch", "-"], input=LINKS, text=True, check=True)
    with tempfile.TemporaryDirectory() as name, etcd(Path(name)):
        ear, store, folder = Ear(), Store(), Path(name)
        compare(ear, store, folder)
        live(ear, store, folder, seconds)


if __name__ == "__main__":
    main()

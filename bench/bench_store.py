"""Time a snapshot of 5,000 leases in etcd beside one `etcdctl get --prefix` of the same keys.

Both ask once, over a connection of their own. What the node agent does whenever it starts, or has lost its watch, is the
snapshot inside a process that runs already; etcdctl is a program that begins with every call, and so is `natfix leases`.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from urllib.request import Request, urlopen

from measure import NATFIX, Command, Cost, enter_fresh_network, show, verdict

from natfix.cli.node_wiring import lease_store
from natfix.cli.store_options import EtcdApi, StoreOrders
from natfix.host.stores.endpoints import Endpoints, Service
from natfix.host.stores.endpoints import Request as Sent
from natfix.routing.lease import Attributes
from natfix.routing.lease_codec import encode_attributes

LEASES = 5_000
ROUNDS = 9
TARGET = 2.0
URL = "http://127.0.0.1:2379"
PREFIX = "/coreos.com/network"
CONFIG = '{"Network": "10.0.0.0/8", "SubnetLen": 24, "Backend": {"Type": "vxlan"}}'
# etcd takes no more operations than this in one transaction.
_AT_ONCE = 128


@contextmanager
def etcd(folder: Path) -> Iterator[None]:
    """Run an etcd with both stores until the measurement is over.

    Raises:
        SystemExit: it does not answer.
    """
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(["etcd", "--data-dir", str(folder / "data"), "--enable-v2"], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while subprocess.run(["etcdctl", "get", "nothing"], check=False, capture_output=True).returncode:
            if time.monotonic() > deadline:
                sys.exit("etcd does not answer")
            time.sleep(0.1)
        yield
    finally:
        server.kill()
        server.wait()


def entries() -> Iterator[tuple[str, str]]:
    """Key and value of each lease, as flannel's hosts would have written them."""
    yield f"{PREFIX}/config", CONFIG
    for number in range(LEASES):
        subnet = IPv4Network((0x0A010000 + (number << 8), 24))
        host = Attributes(IPv4Address(0xC0A80000 + number), None, "vxlan", {"VNI": 1, "VtepMAC": f"c6:d2:32:6f:{number:04x}"})
        yield f"{PREFIX}/subnets/{str(subnet).replace('/', '-')}", encode_attributes(host)


def call(method: str, message: object) -> dict[str, str]:
    """Call etcd's v3 gateway."""
    with urlopen(Request(f"{URL}/v3/{method}", json.dumps(message).encode())) as answer:  # noqa: S310  (to loopback)
        return dict(json.load(answer))


def fill() -> None:
    """Put all leases into the v3 store; one of etcd's leases holds them all, as its number does not count here."""
    held = call("lease/grant", {"TTL": "86400"})["ID"]
    puts = [
        {"request_put": {"key": b64encode(key.encode()).decode(), "value": b64encode(value.encode()).decode(), "lease": held}}
        for key, value in entries()
    ]
    for start in range(0, len(puts), _AT_ONCE):
        call("kv/txn", {"success": puts[start : start + _AT_ONCE]})


def snapshot() -> None:
    """Read all leases over a new connection."""
    found = lease_store(StoreOrders(etcd_endpoints=URL, etcd_api=EtcdApi.V3)).snapshot()
    if len(found.leases) != LEASES or found.unreadable:
        sys.exit(f"{len(found.leases)} leases were read, not {LEASES}")


def bare() -> None:
    """Let etcd's gateway say the same, and look at none of it."""
    key = f"{PREFIX}/subnets/".encode()
    body = json.dumps({"key": b64encode(key).decode(), "range_end": b64encode(key[:-1] + b"0").decode()}).encode()
    Endpoints(Service("etcd", (URL,))).ask(Sent("POST", "/v3/kv/range", body))


def timed(work: Callable[[], None]) -> Cost:
    """What doing it in this process takes."""
    start, before = time.perf_counter(), time.process_time()
    work()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Cost(time.perf_counter() - start, memory, time.process_time() - before)


def main() -> None:
    """Measure and print."""
    enter_fresh_network()
    with tempfile.TemporaryDirectory() as folder, etcd(Path(folder)):
        fill()
        peer = Command(["etcdctl", "get", "--prefix", f"{PREFIX}/subnets/"])
        program = Command([*NATFIX, "leases", "--no-expiry", "--etcd-endpoints", URL, "--etcd-api", "v3"])
        runs: dict[str, Callable[[], Cost]] = {
            "snapshot in a process that runs": lambda: timed(snapshot),
            "the gateway's answer alone, unread": lambda: timed(bare),
            "natfix leases --no-expiry": program.run,
            "etcdctl get --prefix": peer.run,
        }
        costs: dict[str, list[Cost]] = {name: [] for name in runs}
        for number in range(ROUNDS + 1):
            for name, run in runs.items():
                cost = run()
                if number:
                    costs[name].append(cost)
    medians = {
        name: Cost(*(statistics.median(getattr(cost, part) for cost in several) for part in ("seconds", "memory", "processor")))
        for name, several in costs.items()
    }
    show(f"{LEASES:,} leases in etcd's v3 store", medians, "etcdctl get --prefix")
    beside = medians["etcdctl get --prefix"].seconds
    verdict("snapshot / etcdctl get --prefix", medians["snapshot in a process that runs"].seconds / beside, TARGET)


if __name__ == "__main__":
    main()

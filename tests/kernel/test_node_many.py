"""Two hundred agents that start at the same moment on one real etcd: each gets a subnet, and routes to all others."""

import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_interface, ip_network
from pathlib import Path

import pytest

from natfix.app.node.agent import Agent
from natfix.app.node.follow import StoreFollower
from natfix.app.node.interface import InterfaceWish
from natfix.app.node.news import Inbox, Stop
from natfix.app.node.opening import Opened, open_node
from natfix.app.node.orders import Orders, Site
from natfix.app.node.ports import LeaseStore
from natfix.app.node.voice import Voice
from natfix.cli.node_wiring import lease_store
from natfix.cli.store_options import EtcdApi, StoreOrders
from natfix.host.memory.data_plane import MemoryDataPlane
from natfix.host.memory.files import MemoryFiles
from natfix.host.memory.watch import MemoryChronicle, MemoryNotifier
from natfix.host.metrics.meter import NoMeter
from natfix.routing.links import Link, Links, Way
from tests.etcd import PREFIX, Etcd, etcd
from tests.kernel.nodes import HOST_GW

pytestmark = [pytest.mark.kernel("etcd", "etcdctl"), pytest.mark.slow]

HOSTS = 200
# Far more than a slow machine needs; who tried for ever would be seen.
PATIENCE = 300.0


@dataclass
class Node:
    """A host with an agent; everything of it but the store is a twin.

    Attributes:
        address: its own. That of every host here follows the same subnet, so that all but one have to choose by chance.
        server: where leases live.
        api: in which of its stores.
    """

    address: str
    server: Etcd
    api: EtcdApi
    inbox: Inbox = field(default_factory=Inbox)
    chronicle: MemoryChronicle = field(default_factory=MemoryChronicle)
    followers: list[StoreFollower] = field(default_factory=list)

    def __post_init__(self) -> None:
        link = Link("eth0", 1500, (ip_interface(f"{self.address}/8"),))
        self.plane = MemoryDataPlane(Links((link,), (Way(ip_network("10.0.0.0/8"), None, "eth0"),)))
        self.orders = Orders(InterfaceWish(names=("eth0",)))
        self.seed = self.address.encode()
        self.site = Site(
            store=self.store(),
            plane=self.plane,
            inbox=self.inbox,
            files=MemoryFiles(folders=("/run/flannel",)),
            voice=Voice(self.chronicle, MemoryNotifier(), NoMeter()),
            clock=time.monotonic,
            chance=random.Random(self.address).randrange,  # noqa: S311  (no secret)
            send=lambda _: None,
            forget=lambda _: None,
            settle=lambda *_: None,
        )

    @property
    def waited(self) -> list[str]:
        """What it told that it had to wait for, such as hosts that were faster ten times in a row."""
        return [entry.message for entry in self.chronicle.entries if entry.what == "node-waiting"]

    def store(self) -> LeaseStore:
        """Come to etcd with connections of its own."""
        return lease_store(StoreOrders(etcd_endpoints=self.server.url, etcd_api=self.api, etcd_timeout=PATIENCE))

    def open(self, together: threading.Barrier) -> Opened:
        """Take a lease when all are ready to."""
        together.wait(PATIENCE)
        opened = open_node(self.site, self.orders, self.seed)
        assert opened is not None
        return opened

    def run(self, together: threading.Barrier) -> None:
        """Be an agent until it is told to end."""
        agent = Agent(self.site, self.orders, self.open(together), self.seed)
        follower = StoreFollower(self.store(), self.inbox.put, random.random)
        self.followers.append(follower)
        hearing = threading.Thread(target=follower.run)
        hearing.start()
        agent.run()
        follower.close()
        hearing.join(PATIENCE)

    def end(self) -> None:
        """Tell it to end."""
        for follower in self.followers:
            follower.close()
        self.inbox.put(Stop())


@contextmanager
def hosts(folder: Path, api: EtcdApi) -> Iterator[list[Node]]:
    """Make an etcd, and the hosts."""
    with etcd(folder / "etcd") as server:
        if api is EtcdApi.V3:
            server.ctl("put", f"{PREFIX}/config", HOST_GW)
        else:
            server.ctl_v2("set", f"{PREFIX}/config", HOST_GW)
        yield [Node(f"10.{number}.7.21", server, api) for number in range(1, HOSTS + 1)]


def routed(node: Node) -> bool:
    """Whether it has a route to each other host."""
    return len(node.plane.state.routes) == HOSTS - 1


def test_each_gets_a_subnet_of_its_own_in_a_store_of_2019(tmp_path: Path) -> None:
    together = threading.Barrier(HOSTS)
    with hosts(tmp_path, EtcdApi.V2) as nodes, ThreadPoolExecutor(HOSTS) as workers:
        begun = [workers.submit(node.open, together) for node in nodes]
        subnets = {one.result(PATIENCE).lease.subnet.key for one in begun}
        assert len(subnets) == HOSTS
        assert {key.rpartition("/")[2] for key in nodes[0].server.ctl_v2("ls", f"{PREFIX}/subnets").split()} == subnets
        # Nobody tried more than ten times, from 255 subnets: who did would have told that it waits.
        assert [node.waited for node in nodes] == [[]] * HOSTS


def test_each_gets_a_subnet_of_its_own_and_routes_to_all_others(tmp_path: Path) -> None:
    together = threading.Barrier(HOSTS)
    with hosts(tmp_path, EtcdApi.V3) as nodes, ThreadPoolExecutor(HOSTS) as workers:
        running = [workers.submit(node.run, together) for node in nodes]
        try:
            end = time.monotonic() + PATIENCE
            while not all(routed(node) for node in nodes):
                assert time.monotonic() < end, [
                    (node.address, node.chronicle.entries[-1:]) for node in nodes if not routed(node)
                ]
                time.sleep(0.1)
        finally:
            for node in nodes:
                node.end()
        for one in running:
            one.result(PATIENCE)
        # The destinations of the 199 routes and the own subnet are the 200 leases.
        kept = nodes[0].server.ctl("get", "--prefix", "--keys-only", f"{PREFIX}/subnets/").split()
        subnets = {key.rpartition("/")[2].replace("-", "/") for key in kept}
        assert len(subnets) == HOSTS
        for node in nodes:
            assert {str(route.destination) for route in node.plane.state.routes} < subnets
        assert [node.waited for node in nodes] == [[]] * HOSTS

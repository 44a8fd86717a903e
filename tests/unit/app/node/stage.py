"""An agent on twins: a store, a kernel and a clock that stand still until a test moves them."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, ip_interface, ip_network

from natfix.app.node.agent import Agent
from natfix.app.node.news import Answered, Away, Changed, Disturbed, Inbox, News, Written
from natfix.app.node.opening import open_node
from natfix.app.node.orders import Orders, Site
from natfix.app.node.tenancy import LEASE_SECONDS, Errand, Held
from natfix.app.node.voice import Voice
from natfix.errors import ConflictError, HostError, NatfixError
from natfix.host.memory.data_plane import MemoryDataPlane, MemoryDataPlaneWatch
from natfix.host.memory.files import MemoryFiles
from natfix.host.memory.leases import MemoryLeaseStore
from natfix.host.memory.metrics import MemoryMeter
from natfix.host.memory.watch import MemoryChronicle, MemoryNotifier
from natfix.routing.lease import Attributes, Lease
from natfix.routing.links import Link, Links, Way
from natfix.routing.network import NetworkConfig
from natfix.routing.state import Network, Route
from natfix.routing.subnet import Subnet

HOST_GW = '{"Network": "172.7.0.0/16", "Backend": {"Type": "host-gw"}}'
VXLAN = '{"Network": "172.7.0.0/16", "Backend": {"Type": "vxlan"}}'
DIRECT = '{"Network": "172.7.0.0/16", "Backend": {"Type": "vxlan", "Directrouting": true}}'
HOST = Links(
    (Link("eth0", 1500, (ip_interface("10.4.7.21/24"),)),),
    (
        Way(ip_network("10.4.7.0/24"), None, "eth0"),
        Way(ip_network("0.0.0.0/0"), IPv4Address("10.4.7.1"), "eth0"),
    ),
)
OWN = Subnet(IPv4Network("172.7.21.0/24"))
SEED = b"machine"


def subnet(number: int) -> Subnet:
    return Subnet(IPv4Network(f"172.7.{number}.0/24"))


def host_gw(number: int) -> Attributes:
    return Attributes(IPv4Address(f"10.4.7.{number}"), backend_type="host-gw")


def vxlan(number: int, mac: int = 0, network: str = "10.4.7") -> Attributes:
    address = IPv4Address(f"{network}.{number}")
    data = {"VNI": 1, "VtepMAC": f"0e:00:00:00:00:{mac or number:02x}"}
    return Attributes(address, backend_type="vxlan", backend_data=data)


def direct_route(number: int, via: str = "") -> Route:
    return Route(IPv4Network(f"172.7.{number}.0/24"), IPv4Address(via or f"10.4.7.{number}"), "eth0")


@dataclass
class Stage:
    """The machine, and who plays on it."""

    store: MemoryLeaseStore = field(default_factory=lambda: MemoryLeaseStore(HOST_GW))
    plane: MemoryDataPlane = field(default_factory=lambda: MemoryDataPlane(HOST))
    files: MemoryFiles = field(default_factory=lambda: MemoryFiles(folders=("/run/flannel",)))
    orders: Orders = field(default_factory=lambda: Orders(grace=30.0))
    chronicle: MemoryChronicle = field(default_factory=MemoryChronicle)
    notifier: MemoryNotifier = field(default_factory=MemoryNotifier)
    meter: MemoryMeter = field(default_factory=MemoryMeter)
    inbox: Inbox = field(default_factory=Inbox)
    now: float = 1000.0
    forgotten: list[Network] = field(default_factory=list)
    settled: list[Subnet] = field(default_factory=list)
    chances: list[int] = field(default_factory=list)
    errands: list[Errand] = field(default_factory=list)
    hold_errands: bool = False

    @property
    def site(self) -> Site:
        return Site(
            store=self.store,
            plane=self.plane,
            inbox=self.inbox,
            files=self.files,
            voice=Voice(self.chronicle, self.notifier, self.meter),
            clock=lambda: self.now,
            chance=self._chance,
            send=self._send,
            forget=self._forget,
            settle=self._settle,
        )

    def told(self, what: str) -> list[str]:
        return [entry.message for entry in self.chronicle.entries if entry.what == what]

    def routes(self) -> set[Route]:
        return set(self.plane.state.routes)

    def join(self, number: int, attributes: Attributes | None = None) -> Lease:
        return self.store.create(subnet(number), attributes or host_gw(number), seconds=LEASE_SECONDS)

    def _chance(self, below: int) -> int:
        return min(self.chances.pop(0) if self.chances else 0, below - 1)

    def _forget(self, networks: Collection[Network]) -> None:
        self.forgotten += networks

    def _settle(self, config: NetworkConfig, subnet: Subnet) -> None:
        self.settled.append(subnet)

    def _send(self, errand: Errand) -> None:
        if self.hold_errands:
            self.errands.append(errand)
        else:
            self.inbox.put(Written(_outcome(errand)))


def _outcome(errand: Errand) -> Held | NatfixError:
    try:
        return errand()
    except NatfixError as error:
        return error


class Player:
    """A running agent, and the threads that listen, played step by step."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        opened = open_node(stage.site, stage.orders, SEED)
        assert opened is not None
        self.opened = opened
        self.watch: MemoryDataPlaneWatch = stage.plane.watch()
        self.agent = Agent(stage.site, stage.orders, opened, SEED)
        self._position: int | None = None
        self._connection = 0
        self._again = 0.0
        self.play()

    def play(self, seconds: float = 0.0) -> None:
        """Let time go by, let the listeners hear, and the agent work until nothing is left to do."""
        end = self.stage.now + seconds
        while True:
            for _ in range(50):
                news = [*self._listen(), *self.stage.inbox.take(0)]
                self.agent.turn(news)
                if not news and (self.agent.sleep() > 0 or self.stage.now >= end):
                    break
            else:
                raise AssertionError("it spins")
            if self.stage.now >= end:
                return
            step = min(max(min(self.agent.sleep(), self._pause()), 0.001), end - self.stage.now)
            self.stage.now += step
            self.stage.store.elapse(step)

    def _pause(self) -> float:
        return self._again - self.stage.now if self._again > self.stage.now else 3600.0

    def _listen(self) -> Iterator[News]:
        disturbances = tuple(self.watch._rest())
        if disturbances:
            yield Disturbed(disturbances)
        if self.stage.now < self._again:
            return
        try:
            if self._position is None:
                snapshot = self.stage.store.snapshot()
                self._position, self._connection = snapshot.revision, self.stage.store.connect()
                yield Answered(snapshot, self.stage.store.config())
            self._position, changes = self.stage.store.news(self._position, self._connection)
            if changes:
                yield Changed(changes)
        except ConflictError:
            self._position = None
        except HostError as error:
            self._position = None
            self._again = self.stage.now + 1
            yield Away(error)


def play(stage: Stage) -> Player:
    """Start an agent; it is ready when this returns."""
    return Player(stage)

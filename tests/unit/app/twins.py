"""A host made of twins, for tests of the use cases; what they do to it is written down in order."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from ipaddress import ip_interface

from natfix.app.change_ports import Record, Rewritten
from natfix.app.cluster import Cluster
from natfix.app.machine import Machine
from natfix.app.planning import Wishes
from natfix.app.ports import Backend, Interface
from natfix.audit import AuditRule
from natfix.errors import HostError, NatfixError
from natfix.host.catalogue import read_catalogue
from natfix.host.memory.clock import MemoryClock, MemoryTurnstile, MemoryWatchdog
from natfix.host.memory.connections import MemoryConnections
from natfix.host.memory.files import MemoryFiles, MemoryHistory, MemorySavedRulesets
from natfix.host.memory.guard import MemoryGuardStore
from natfix.host.memory.network import MemoryLinks
from natfix.host.memory.rulesets import MemoryRulesetStore
from natfix.ruleset import Family, parse_network

NFT4, LEGACY4 = Backend(Family.IPV4, "nft"), Backend(Family.IPV4, "legacy")
NFT6 = Backend(Family.IPV6, "nft")
CLUSTER4 = Cluster((parse_network("172.7.0.0/16"),), "--cluster-cidr")
CLUSTER6 = Cluster((parse_network("fd07::/16"),), "--cluster-cidr")
BROAD = "-s 172.7.21.0/24 ! -o docker0 -j MASQUERADE"
CORRECTED = "-s 172.7.21.0/24 ! -d 172.7.0.0/16 ! -o docker0 -j MASQUERADE"
BROAD6 = "-s fd07:21::/64 ! -o docker0 -j MASQUERADE"
CORRECTED6 = "-s fd07:21::/64 ! -d fd07::/16 ! -o docker0 -j MASQUERADE"
OTHER = "-o eth9 -j MASQUERADE"
DOCKER0 = Interface("docker0", "bridge", (ip_interface("172.7.21.1/24"), ip_interface("fd07:21::1/64")))
ETH0 = Interface("eth0", "", (ip_interface("10.4.7.21/24"),))
RULES4, RULES6 = "/etc/iptables/rules.v4", "/etc/iptables/rules.v6"
CATALOGUE: tuple[AuditRule, ...] = read_catalogue(local="/nowhere")


def nat(*specs: str) -> str:
    """A text with these rules in POSTROUTING."""
    return "\n".join(["*nat", ":POSTROUTING ACCEPT [0:0]", *(f"-A POSTROUTING {spec}" for spec in specs), "COMMIT", ""])


class Table(MemoryRulesetStore):
    """A nat table that writes down what is done to it.

    Attributes:
        steps: what was done to the host, shared by all of its twins.
        unproved: what a rehearsal says that cannot be made.
        before: what happens right before the commits to come, in order; it may raise.
        behind: what happens right behind them.
    """

    def __init__(self, backend: Backend, steps: list[str], *specs: str) -> None:
        super().__init__(backend, nat(*specs))
        self.steps = steps
        self.unproved = ""
        self.before: list[Callable[[], None]] = []
        self.behind: list[Callable[[], None]] = []

    def rehearse(self, script: str) -> str:
        self.steps.append(f"rehearse {self.backend}")
        return super().rehearse(script) or self.unproved

    def commit(self, script: str) -> None:
        self.steps.append(f"commit {self.backend}")
        if self.before:
            self.before.pop(0)()
        super().commit(script)
        if self.behind:
            self.behind.pop(0)()

    @property
    def specs(self) -> list[str]:
        """The rules of POSTROUTING."""
        return [rule.spec for rule in self.chains["POSTROUTING"]]

    def insert(self, *specs: str) -> None:
        """Put rules on top, as Docker does."""
        super().commit("\n".join(["*nat", *(f"-I POSTROUTING {spec}" for spec in specs), "COMMIT", ""]))


def refuse(error: NatfixError) -> Callable[[], None]:
    """Something that happens and ends in *error*."""

    def happen() -> None:
        raise error

    return happen


class Disk(MemoryFiles):
    """Files that write down what is done to them."""

    def __init__(self, steps: list[str]) -> None:
        super().__init__(folders=["/etc/iptables"])
        self.steps = steps

    def replace(self, path: str, data: bytes, *, mode: int = 0o600) -> None:
        self.steps.append(f"write {path}")
        super().replace(path, data, mode=mode)


class Diary(MemoryHistory):
    """A history that writes down when it is written.

    Attributes:
        refusals: errors for what is saved from now on, by state.
    """

    def __init__(self, steps: list[str]) -> None:
        super().__init__()
        self.steps = steps
        self.refusals: dict[str, HostError] = {}

    def save(self, record: Record) -> None:
        state = record.data["state"]
        self.steps.append(f"note {state}")
        if state in self.refusals:
            raise self.refusals[state]
        super().save(record)

    @property
    def states(self) -> list[str]:
        """The state of each change, oldest first."""
        return [record.data["state"] for record in self.records()]


class Tracked(MemoryConnections):
    """A connection table that writes down what was asked of it."""

    def __init__(self, steps: list[str]) -> None:
        super().__init__()
        self.steps = steps
        self.asked: list[Rewritten] = []
        self.refusal: HostError | None = None

    def forget(self, which: Iterable[Rewritten]) -> int:
        self.steps.append("forget connections")
        self.asked += which
        if self.refusal:
            raise self.refusal
        return len(self.asked)


@dataclass
class Host:
    """A Debian-like host with docker0, and every part of it for a test to look at."""

    tables: list[Table]
    steps: list[str]
    interfaces: tuple[Interface, ...] = (DOCKER0, ETH0)
    saves: bool = True
    clock: MemoryClock = field(default_factory=MemoryClock)
    turnstile: MemoryTurnstile = field(default_factory=MemoryTurnstile)
    watchdog: MemoryWatchdog = field(default_factory=MemoryWatchdog)
    refused: Callable[[Family, bytes], str] | None = None
    guard: MemoryGuardStore = field(default_factory=MemoryGuardStore)

    def __post_init__(self) -> None:
        self.files = Disk(self.steps)
        self.history = Diary(self.steps)
        self.connections = Tracked(self.steps)

    @property
    def machine(self) -> Machine:
        """The host as use cases see it."""
        return Machine(
            stores=self.tables,
            links=MemoryLinks(self.interfaces),
            files=self.files,
            connections=self.connections,
            history=self.history,
            turnstile=self.turnstile,
            watchdog=self.watchdog,
            saved=MemorySavedRulesets({Family.IPV4: RULES4, Family.IPV6: RULES6} if self.saves else {}, self.refused),
            clock=self.clock,
            guard=self.guard,
        )

    @property
    def table(self) -> Table:
        """Its first nat table."""
        return self.tables[0]

    def saved(self, path: str = RULES4) -> str:
        """What a file holds."""
        return self.files.contents[path].decode()

    def done(self) -> list[str]:
        """What was done since the last look."""
        steps = list(self.steps)
        self.steps.clear()
        return steps


def host(*specs: str, backend: Backend = NFT4, more: Iterable[tuple[Backend, str]] = ()) -> Host:
    """Make a host whose POSTROUTING holds *specs*; *more* are tables of one rule each."""
    steps: list[str] = []
    tables = [Table(backend, steps, *(specs or (BROAD,))), *(Table(other, steps, spec) for other, spec in more)]
    return Host(tables, steps)


def wishes(*clusters: Cluster, **others: object) -> Wishes:
    """What the user wants: the cluster of tests, unless others are named."""
    return Wishes(clusters or (CLUSTER4, CLUSTER6), CATALOGUE, **others)  # type: ignore[arg-type]

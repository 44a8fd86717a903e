"""A host with a watcher, on the twins of all its ports."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from natfix.app.ledger import Audience
from natfix.app.machine import Machine
from natfix.app.ports import Backend, Links
from natfix.app.pursuit import Situation
from natfix.app.vigil import Patience
from natfix.app.watch import Post, Watch
from natfix.app.watch_ports import Event, Writer
from natfix.app.watch_state import STATE_PATH, StateFile
from natfix.errors import NatfixError
from natfix.host.memory.guard import MemoryGuardStore
from natfix.host.memory.metrics import MemoryMeter
from natfix.host.memory.watch import (
    MemoryChronicle,
    MemoryEvents,
    MemoryNotifier,
    MemoryTables,
    MemoryTime,
    MemoryWatchedStore,
)
from natfix.ruleset import Family
from tests.unit.app.twins import BROAD, Host, host, wishes

NFT = Backend(Family.IPV4, "nft")
LEGACY = Backend(Family.IPV4, "legacy")
FIXED = "-s 172.7.21.0/24 ! -d 172.7.0.0/16 ! -o docker0 -j MASQUERADE"
OTHER = "-s 172.7.21.0/24 ! -o br-1 -j MASQUERADE"
WRITER = Writer(812, "iptables", "iptables -t nat -I", 800, "bash fight.sh")
START = 100.0


def store(*specs: str, backend: Backend = NFT) -> MemoryWatchedStore:
    rules = "".join(f"[5:600] -A POSTROUTING {spec}\n" for spec in specs)
    return MemoryWatchedStore(backend, f"*nat\n:POSTROUTING ACCEPT [0:0]\n{rules}COMMIT\n")


def refuse(error: NatfixError) -> Callable[[], None]:
    def happen() -> None:
        raise error

    return happen


@dataclass
class Scene:
    """A host with a watcher, and what a test lets happen to it."""

    stores: list[MemoryWatchedStore]
    seconds: float = 50.0
    host: Host = field(default_factory=host)
    situation: Situation = field(default_factory=lambda: Situation(wishes(persist=False), Patience()))

    def __post_init__(self) -> None:
        self.host.saves = False
        self.time = MemoryTime(START)
        self.events = MemoryEvents(self.time, START + self.seconds)
        self.chronicle = MemoryChronicle()
        self.notifier = MemoryNotifier()
        self.meter = MemoryMeter()
        self.guard = MemoryGuardStore()
        self.tables = MemoryTables(*self.stores)
        self.host.files._folders.add(Path("/run/natfix"))
        self.host.files.contents["/proc/42/stat"] = b"42 (python3) S 1 " + b"0 " * 17 + b"777 0"
        self.states: list[str] = []
        self.seen: list[list[str]] = []
        self.links: Links | None = None
        self.situate: Callable[[], Situation] = lambda: self.situation

    @property
    def machine(self) -> Machine:
        machine = self.host.machine
        return replace(machine, stores=(), guard=self.guard, links=self.links or machine.links)

    def put_back(self, after: float, *specs: str, which: int = 0, writer: Writer | None = WRITER) -> None:
        """Let somebody insert rules."""
        store = self.stores[which]

        def happens() -> Event:
            script = "".join(f"-I POSTROUTING {spec}\n" for spec in specs or (BROAD,))
            store.change(f"*nat\n{script}COMMIT\n")
            return Event("commit", self.time.now, store.backend.variant, store.generation, writer)

        self.events.plan(START + after, happens)

    def happens(self, after: float, event: Event, what: Callable[[], object] = lambda: None) -> None:
        def happen() -> Event:
            what()
            return replace(event, at=self.time.now)

        self.events.plan(START + after, happen)

    def run(self) -> None:
        post = Post(
            self.machine, self.tables, self.events,
            Audience(self.chronicle, self.notifier, self.meter, StateFile(self.host.files), self.host.clock),
            self._situate, self.time, 42,
        )  # fmt: skip
        Watch(post).run()

    def _situate(self) -> Situation:
        return self.situate()

    def keep_state(self) -> None:
        self.states.append(self.host.files.contents[STATE_PATH].decode())

    def specs(self, which: int = 0) -> list[str]:
        return [rule.spec for rule in self.stores[which].chains["POSTROUTING"]]

    def told(self, what: str) -> list[str]:
        return [entry.message for entry in self.chronicle.told(what)]

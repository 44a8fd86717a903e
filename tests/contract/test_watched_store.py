"""WatchedStore: what is read by way of bytes is what the programs read, rule for rule, of every dump there is."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import cast

import pytest
from _pytest.mark import ParameterSet

from natfix.app.ports import Backend, Variant
from natfix.app.watch_ports import WatchedStore
from natfix.errors import ConflictError, HostError, UnsupportedError
from natfix.host.iptables import open_store
from natfix.host.links import HostLinks
from natfix.host.memory.watch import MemoryWatchedStore
from natfix.host.watch.learned import LearnedStore, RawChain, RawRule
from natfix.host.watch.links import WatchedLinks
from natfix.host.watch.program import Program
from natfix.host.watch.tables import HostTables
from natfix.ruleset import Chain, Family, Ruleset, parse
from tests.netns import command

BROAD = "-s 172.7.21.0/24 ! -o docker0 -j MASQUERADE"
FIXED = "-s 172.7.21.0/24 ! -d 172.7.0.0/16 ! -o docker0 -j MASQUERADE"
DUMPS = sorted((Path(__file__).parents[1] / "data" / "dumps").glob("ipv*.save"))
VARIANTS: tuple[Variant, ...] = ("nft", "legacy")
STORES = [
    pytest.param(("memory", Backend(Family.IPV4, "nft")), id="twin"),
    *(
        pytest.param(("kernel", Backend(family, variant)), id=str(Backend(family, variant)), marks=pytest.mark.kernel)
        for family in Family
        for variant in VARIANTS
    ),
]


@contextmanager
def learned(backend: Backend) -> Iterator[LearnedStore]:
    with closing(HostTables([open_store(backend)])) as tables:
        (store,) = tables.active()
        assert isinstance(store, LearnedStore)
        yield store


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> Iterator[WatchedStore]:
    kind, backend = request.param
    if kind == "memory":
        yield MemoryWatchedStore(backend)
        return
    request.getfixturevalue("netns")
    command(str(backend), "-t", "nat", "-N", "REACHED")
    with learned(backend) as found:
        yield found


def script(*lines: str) -> str:
    return "\n".join(["*nat", *lines, "COMMIT", ""])


def rules(ruleset: Ruleset) -> dict[str, list[str]]:
    (table,) = ruleset.tables
    chains = [chain for name in table.declared if (chain := table.chain(name))]
    return {chain.name: [f"{rule.counters} {rule}" for rule in chain.rules] for chain in chains}


def specs(store: WatchedStore) -> list[str]:
    chain = store.read().tables[0].chain("POSTROUTING")
    return [rule.spec for rule in chain.rules] if chain else []


def test_what_is_committed_is_read_back_again_and_again(store: WatchedStore) -> None:
    for number in range(3):
        store.commit(script(f"-I POSTROUTING -o eth{number} -j MASQUERADE"))
        assert specs(store) == [f"-o eth{each} -j MASQUERADE" for each in range(number, -1, -1)]


def test_the_stamp_is_another_one_after_a_change_and_the_same_after_a_look(store: WatchedStore) -> None:
    before = store.stamp()
    store.read()
    assert store.stamp() == before
    store.commit(script(f"-A POSTROUTING {BROAD}" if store.backend.family is Family.IPV4 else "-A POSTROUTING -j MASQUERADE"))
    assert before is None or store.stamp() != before


def test_a_rule_that_is_gone_refuses_the_whole_change(store: WatchedStore) -> None:
    with pytest.raises(ConflictError, match="nothing was changed"):
        store.commit(script("-D POSTROUTING -o eth9 -j MASQUERADE", "-I POSTROUTING -j MASQUERADE"))
    assert specs(store) == []


def pairs() -> Iterator[ParameterSet]:
    for path in DUMPS:
        family = Family.IPV4 if path.name.startswith("ipv4") else Family.IPV6
        yield pytest.param(path, Backend(family, "legacy" if "legacy" in path.name else "nft"), id=path.stem)


@pytest.mark.kernel
@pytest.mark.parametrize(("path", "backend"), list(pairs()))
def test_every_dump_is_read_as_the_programs_read_it(netns: str, path: Path, backend: Backend) -> None:
    table = parse(path.read_bytes(), path.name, backend.family).table("nat", backend.family)
    assert table is not None
    # A set would have to be there first.
    text = "\n".join([*(line for line in table.lines[table.start : table.stop + 1] if "--match-set" not in line), ""])
    command(f"{backend}-restore", "-c", data=text)
    programs = rules(open_store(backend).read())
    with learned(backend) as store:
        assert rules(store.read()) == programs
        asked = store.asked
        assert rules(store.read()) == programs
        assert store.asked == asked, "the second look needs no program"


@pytest.mark.kernel
@pytest.mark.parametrize("variant", VARIANTS)
def test_jumps_gotos_and_rules_without_a_target_are_told_apart(netns: str, variant: Variant) -> None:
    backend = Backend(Family.IPV4, variant)
    command(
        f"{backend}-restore",
        data=script(
            ":MASQ - [0:0]", ":BEHIND - [0:0]", ":ALONE - [0:0]", "-A POSTROUTING -s 10.1.0.0/16 -j MASQ",
            "-A POSTROUTING -s 10.1.0.0/16 -g MASQ", "-A POSTROUTING -s 10.1.0.0/16", "-A POSTROUTING -j RETURN",
            "-A POSTROUTING -s 10.1.0.0/16 -j MASQUERADE", "-A MASQ -j BEHIND", "-A BEHIND -j ACCEPT", "-A ALONE -j MASQ",
        ),
    )  # fmt: skip
    with learned(backend) as store:
        assert rules(store.read()) == rules(open_store(backend).read())
        assert rules(store.read()) == rules(open_store(backend).read())


@pytest.mark.kernel
@pytest.mark.parametrize("variant", VARIANTS)
def test_counters_are_those_of_now(netns: str, variant: Variant) -> None:
    backend = Backend(Family.IPV4, variant)
    command(f"{backend}-restore", "-c", data=script(f"[7:700] -A POSTROUTING {BROAD}", f"[9:1] -A POSTROUTING {BROAD}"))
    with learned(backend) as store:
        store.read()
        assert [line[:7] for line in store.read().lines if BROAD in line] == ["[7:700]", "[9:1] -"]


@pytest.mark.kernel
def test_a_rule_that_iptables_shows_wrongly_is_refused_also_when_others_are_known(netns: str) -> None:
    backend = Backend(Family.IPV4, "nft")
    command("iptables-nft", "-t", "nat", "-A", "POSTROUTING", *BROAD.split())
    with learned(backend) as store:
        store.read()
        command("nft", "add", "rule", "ip", "nat", "POSTROUTING", "ip", "saddr", "{ 10.0.0.1, 10.0.0.2 }", "counter", "accept")
        for _ in range(2):
            with pytest.raises(UnsupportedError, match="incompatible"):
                store.read()


@pytest.mark.kernel
def test_links_are_asked_for_again_only_after_they_changed(netns: str) -> None:
    with closing(WatchedLinks(HostLinks())) as links:
        interfaces, routes = links.interfaces(), links.routes()
        assert links.interfaces() is interfaces
        assert links.routes() is routes
        command("ip", "link", "add", "br-1", "type", "bridge")
        assert [each.name for each in links.interfaces()] == ["br-1", "lo"]
        command("ip", "address", "add", "10.1.0.1/24", "dev", "br-1")
        assert str(links.interfaces()[0].addresses[0]) == "10.1.0.1/24"
        command("ip", "link", "set", "br-1", "up")
        assert "10.1.0.0/24" in [str(route.destination) for route in links.routes()]


@pytest.mark.kernel
def test_the_program_that_waits_takes_no_lock_and_one_that_was_killed_is_replaced(netns: str) -> None:
    own: set[int] = set()
    words = ("iptables-legacy-restore", "--noflush", "--wait=1")
    program = Program(words, {}, own, ready=True)
    program.prepare()
    command("iptables-legacy", "-w", "1", "-t", "nat", "-A", "POSTROUTING", *BROAD.split())
    waiting = program._waiting
    assert waiting is not None
    waiting.kill()
    waiting.wait()
    assert program.run(script(f"-D POSTROUTING {BROAD}", f"-I POSTROUTING {FIXED}").encode()).code == 0
    assert len(own) == 1
    program.prepare()
    program.close()
    assert command("iptables-legacy", "-t", "nat", "-S", "POSTROUTING").splitlines()[1:] == [f"-A POSTROUTING {FIXED}"]


def test_a_program_that_is_not_installed_is_told() -> None:
    with pytest.raises(HostError, match="not installed"):
        Program(("/nowhere/iptables-legacy-restore",), {}, set(), ready=True).prepare()


class Haunted:
    """A chain in which a rule of others, that iptables cannot show, comes and goes while iptables prints it.

    Attributes:
        visits: how often it still comes.
    """

    def __init__(self, visits: int) -> None:
        self.visits = visits
        self._generation = 0

    def stamp(self) -> int | None:
        return self._generation

    def begin(self) -> None:
        """As nft does it: nothing."""

    def close(self) -> None:
        """Nothing is open."""

    def leads(self, key: bytes, name: str) -> bool:
        return key == name.encode()

    def chain(self, name: str) -> RawChain | None:
        return RawChain(name, "ACCEPT", (0, 0), [RawRule(b"broad", (0, 0))], [b"7"])

    def ask(self, name: str) -> Sequence[Chain]:
        if self.visits:
            self.visits -= 1
            self._generation += 2
            raise UnsupportedError("the chain holds a rule that iptables-nft cannot show as it is (incompatible)")
        table = parse(script(f":{name} ACCEPT [0:0]", f"-A {name} {BROAD}").encode(), "iptables", Family.IPV4).tables[0]
        chain = table.chain(name)
        return [chain] if chain else []


def test_a_rule_that_came_and_went_while_the_program_printed_it_is_no_reason_to_give_up() -> None:
    store = LearnedStore(open_store(Backend(Family.IPV4, "nft")), Haunted(3))
    store._program = cast("Program", Idle())
    assert specs(store) == [BROAD]


class Idle:
    """A program that need not run."""

    def prepare(self) -> None:
        """Nothing is to be prepared."""

"""python-iptables beside the iptables programs: after the same script the kernel holds the same bytes."""

import random
from dataclasses import replace
from ipaddress import ip_network

import pytest

from natfix.app.ports import Backend
from natfix.errors import ConflictError
from natfix.host.iptables import open_store
from natfix.host.libiptc import LibiptcStore
from natfix.host.script import read_script
from natfix.host.swaps import swaps_of
from natfix.plan import compile_script
from natfix.plan.edit import Edit, Plan
from natfix.ruleset import Family, Rule
from tests.netns import command, enter, namespace

pytestmark = pytest.mark.kernel

POD = {Family.IPV4: "172.7.{}.0/24", Family.IPV6: "fd07:{}::/64"}
CLUSTER = {Family.IPV4: "172.7.0.0/16", Family.IPV6: "fd07::/16"}
SNAT = {Family.IPV4: "10.4.7.21", Family.IPV6: "fd00:10::21"}
MATCHES = (
    '-m comment --comment "a \\"b\\" *nat COMMIT"',
    "-m comment --comment plain",
    "-m mark ! --mark 0x4000/0x4000",
    "-m addrtype ! --dst-type LOCAL",
    "-m conntrack --ctstate NEW",
    "-p tcp -m tcp --dport 80:90",
    "-p udp -m udp ! --sport 53",
    "-p tcp -m multiport --dports 80,443",
    "-m statistic --mode nth --every 3 --packet 1",
    "-m limit --limit 5/min",
)
DEVICES = ("! -o docker0", "-o eth+", "", "! -o br-0123456789ab")


def targets(family: Family) -> tuple[str, ...]:
    return (
        "-j MASQUERADE",
        "-j MASQUERADE --random-fully",
        f"-j SNAT --to-source {SNAT[family]}",
        f"-j SNAT --to-source {SNAT[family]} --random-fully --persistent",
        "-j RETURN",
        "-j ACCEPT",
        "-j OWN",
        "-g OWN",
        "",
    )


def a_rule(chance: random.Random, family: Family) -> str:
    source = chance.choice(["", f"-s {POD[family].format(chance.randrange(20, 24))}"])
    matches = chance.sample(MATCHES, chance.randrange(3))
    if sum("-p " in match for match in matches) > 1:
        matches = matches[:1]
    matches.sort(key=lambda match: "-p " not in match)
    counters = f"-c {chance.randrange(9)} {chance.randrange(900)}"
    return " ".join(filter(None, [source, chance.choice(DEVICES), *matches, counters, chance.choice(targets(family))]))


def a_table(chance: random.Random, family: Family) -> str:
    rules = [f"-A {chance.choice(['POSTROUTING', 'OWN2'])} {a_rule(chance, family)}" for _ in range(8)]
    rules += chance.sample(rules, 2)
    return "\n".join(["*nat", ":OWN - [0:0]", ":OWN2 - [0:0]", "-A POSTROUTING -j OWN2", *rules, "COMMIT", ""])


def state(backend: Backend) -> str:
    saved = command(f"{backend}-save", "-c", "-t", "nat")
    return "\n".join(line for line in saved.splitlines() if not line.startswith("#"))


def a_swap(rule: Rule, family: Family) -> Edit:
    """Add ``! -d CIDR`` where iptables-save prints it."""
    stop = rule.source.stop if rule.source else 0
    spec = f"{rule.spec[:stop]} ! -d {ip_network(CLUSTER[family])} {rule.spec[stop:].strip()}".strip()
    return Edit(rule, Rule(rule.chain, spec, rule.counters))


@pytest.mark.parametrize("family", list(Family))
@pytest.mark.parametrize("seed", range(25))
def test_both_leave_the_same_bytes_in_the_kernel(seed: int, family: Family) -> None:
    chance = random.Random(seed)  # noqa: S311
    backend = Backend(family, "legacy")
    binary = open_store(backend)
    without_program = LibiptcStore(replace(binary, tools=binary.tools._replace(restore="/bin/false")))
    table = a_table(chance, family)
    results = []
    script = ""
    for store in (binary, without_program):
        with namespace() as name, enter(name):
            command(f"{backend}-restore", data=table)
            loaded = binary.read().tables[0]
            rules = [rule for chain in ("POSTROUTING", "OWN2") for rule in loaded.chain(chain).rules]  # type: ignore[union-attr]
            chosen = random.Random(seed).sample(list(dict.fromkeys(rules)), 3)  # noqa: S311
            script = compile_script(Plan(tuple(a_swap(rule, family) for rule in chosen)), loaded)
            before = state(backend)
            store.commit(script)
            results.append(state(backend))
            assert results[-1] != before
    assert len(swaps_of(read_script(script))) >= 3
    assert results[0] == results[1]


BROAD = "-s 172.7.21.0/24 ! -o docker0 -j MASQUERADE"
FIXED = "-s 172.7.21.0/24 ! -d 172.7.0.0/16 ! -o docker0 -j MASQUERADE"
LEGACY = Backend(Family.IPV4, "legacy")


@pytest.mark.parametrize(
    "lines",
    [
        (f"-A POSTROUTING {BROAD}",),
        (f"-D POSTROUTING {BROAD}", f"-A POSTROUTING {FIXED}"),
        (f"-D POSTROUTING {BROAD}", f"-I POSTROUTING 1 {BROAD}"),
        (f"-D POSTROUTING {BROAD}", f"-I POSTROUTING 1 {FIXED} --random-fully"),
        (f"-D POSTROUTING {BROAD}", f"-I POSTROUTING 1 {FIXED.replace('! -d', '-d')}"),
        (f"-D POSTROUTING {FIXED}", f"-I POSTROUTING 1 {FIXED.replace('/16', '/8')}"),
        (":OWN - [0:0]", f"-D POSTROUTING {BROAD}"),
        (f"-D POSTROUTING {BROAD}", "-F OWN", "-X OWN"),
        ("-D POSTROUTING -j ONE", f"-I OTHER 1 {FIXED}"),
    ],
)
def test_what_is_no_swap_is_left_to_the_programs(lines: tuple[str, ...]) -> None:
    assert swaps_of(read_script("\n".join(["*nat", *lines, "COMMIT"]))) == ()


def test_a_failed_change_leaves_nothing_behind_for_the_next_one(netns: str) -> None:
    store = LibiptcStore(open_store(LEGACY))
    command("iptables-legacy", "-t", "nat", "-A", "POSTROUTING", *BROAD.split())
    before = state(LEGACY)
    bad = f"*nat\n-D POSTROUTING {BROAD}\n-I POSTROUTING 1 {FIXED}\n-D POSTROUTING {BROAD}\nCOMMIT\n"
    with pytest.raises(ConflictError):
        store.commit(bad)
    assert state(LEGACY) == before
    store.commit(f"*nat\n-D POSTROUTING {BROAD}\n-I POSTROUTING 1 {FIXED}\nCOMMIT\n")
    assert FIXED in state(LEGACY)


def test_it_works_in_the_namespace_it_is_called_in() -> None:
    """The library keeps one table object for the whole process."""
    for _ in range(2):
        with namespace() as name, enter(name):
            command("iptables-legacy", "-t", "nat", "-A", "POSTROUTING", *BROAD.split())
            LibiptcStore(open_store(LEGACY)).commit(f"*nat\n-D POSTROUTING {BROAD}\nCOMMIT\n")
            assert BROAD not in state(LEGACY)


def test_without_python_iptables_the_programs_serve(netns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "iptc", None)
    command("iptables-legacy", "-t", "nat", "-A", "POSTROUTING", *BROAD.split())
    LibiptcStore(open_store(LEGACY)).commit(f"*nat\n-D POSTROUTING {BROAD}\nCOMMIT\n")
    assert BROAD not in state(LEGACY)


def test_it_is_made_for_legacy_tables_alone() -> None:
    with pytest.raises(ValueError, match="sees nothing of iptables-nft"):
        LibiptcStore(open_store(Backend(Family.IPV4, "nft")))

"""Filters: its twin, and the tables beside nat of a namespace, nft and legacy, of both families."""

from collections.abc import Callable

import pytest

from natfix.app.ports import Backend, Filters, Variant
from natfix.host.filtering import HostFilters
from natfix.host.memory.filtering import MemoryFilters
from natfix.host.programs import run
from natfix.ruleset import Family, Ruleset

ADDRESS = {Family.IPV4: "172.7.21.2/32", Family.IPV6: "fd07:21::2/128"}
VARIANTS: tuple[Variant, ...] = ("nft", "legacy")
BACKENDS = [
    pytest.param(("memory", Backend(Family.IPV4, "nft")), id="twin"),
    *(
        pytest.param(("host", Backend(family, variant)), id=str(Backend(family, variant)), marks=pytest.mark.kernel)
        for family in Family
        for variant in VARIANTS
    ),
]
DROP = "! -i docker0 -o docker0 -j DROP"
Load = Callable[[str], Filters]
Read = Callable[[str], Ruleset]


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Backend:
    found: Backend = request.param[1]
    return found


@pytest.fixture
def load(request: pytest.FixtureRequest, backend: Backend) -> Load:
    """Put tables there."""
    (kind, _) = request.node.callspec.params["backend"]
    if kind == "host":
        request.getfixturevalue("netns")

    def give(text: str) -> Filters:
        if kind == "memory":
            return MemoryFilters({backend: text})
        done = run(f"{backend}-restore", data=text.encode())
        assert done.code == 0, done.complaint
        return HostFilters()

    return give


@pytest.fixture
def read(load: Load, backend: Backend) -> Read:
    """Put tables there, and read what filters."""
    return lambda text: load(text).read(backend)


@pytest.fixture
def before_nat(load: Load, backend: Backend) -> Read:
    """Put tables there, and read what packets pass before nat POSTROUTING."""
    return lambda text: load(text).before_nat(backend)


def filter_table(*docker: str) -> str:
    lines = ["*filter", ":FORWARD DROP [0:0]", ":DOCKER - [0:0]", ":DOCKER-USER - [0:0]", ":DOCKER-FORWARD - [0:0]"]
    lines += ["-A FORWARD -j DOCKER-USER", "-A FORWARD -j DOCKER-FORWARD", "-A DOCKER-FORWARD -o docker0 -j DOCKER"]
    return "\n".join([*lines, *(f"-A DOCKER {spec}" for spec in docker), "COMMIT", ""])


def specs(ruleset: Ruleset, backend: Backend, table: str, chain: str) -> list[str] | None:
    found = ruleset.table(table, backend.family)
    held = found.chain(chain) if found else None
    return [rule.spec for rule in held.rules] if held else None


def test_without_docker_s_chain_nothing_is_read_of_a_forward_that_lets_packets_pass(read: Read, backend: Backend) -> None:
    ruleset = read("*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -i eth9 -j DROP\nCOMMIT\n")
    assert (ruleset.tables, ruleset.source) == ((), str(backend))


@pytest.mark.parametrize(
    "closing", ["-A FORWARD -j DROP", "-A FORWARD -j REJECT --reject-with REJECTION", ":FORWARD DROP [0:0]"]
)
def test_a_forward_that_lets_nothing_pass_is_read_without_docker(read: Read, backend: Backend, closing: str) -> None:
    refusal = "icmp-port-unreachable" if backend.family is Family.IPV4 else "icmp6-port-unreachable"
    rule = closing.replace("REJECTION", refusal) if closing.startswith("-A") else ""
    policy = closing if closing.startswith(":") else ":FORWARD ACCEPT [0:0]"
    ruleset = read(f"*filter\n{policy}\n:SITE - [0:0]\n-A FORWARD -i eth9 -j SITE\n{rule}\n-A SITE -j ACCEPT\nCOMMIT\n")
    assert specs(ruleset, backend, "filter", "FORWARD") == ["-i eth9 -j SITE", *([rule[11:]] if rule else [])]
    assert specs(ruleset, backend, "filter", "SITE") == ["-j ACCEPT"]


def test_a_large_table_is_not_read_for_that(read: Read, backend: Backend) -> None:
    chains = "".join(f":SITE{number} - [0:0]\n" for number in range(41))
    jumps = "".join(f"-A FORWARD -i eth{number} -j SITE{number}\n" for number in range(41))
    assert read(f"*filter\n:FORWARD DROP [0:0]\n{chains}{jumps}COMMIT\n").tables == ()


def test_all_that_comes_before_docker_s_drop_is_read(read: Read, backend: Backend) -> None:
    raw = f"*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -d {ADDRESS[backend.family]} ! -i docker0 -j DROP\nCOMMIT\n"
    ruleset = read(filter_table("-i docker0 -j RETURN", DROP) + raw)
    assert specs(ruleset, backend, "filter", "FORWARD") == ["-j DOCKER-USER", "-j DOCKER-FORWARD"]
    assert specs(ruleset, backend, "filter", "DOCKER-USER") == []
    assert specs(ruleset, backend, "filter", "DOCKER-FORWARD") == ["-o docker0 -j DOCKER"]
    assert specs(ruleset, backend, "filter", "DOCKER") == ["-i docker0 -j RETURN", DROP]
    assert [table.name for table in ruleset.tables] == ["filter"]
    forward = ruleset.tables[0].chain("FORWARD")
    assert forward is not None
    assert forward.policy == "DROP"


def table(name: str, *rules: str, hook: str = "PREROUTING", chains: tuple[str, ...] = ()) -> str:
    declared = [f":{hook} ACCEPT [0:0]", *(f":{chain} - [0:0]" for chain in chains)]
    return "\n".join([f"*{name}", *declared, *(f"-A {rule}" for rule in rules), "COMMIT", ""])


def test_raw_and_mangle_are_read_where_they_have_rules(before_nat: Read, backend: Backend) -> None:
    drop, mark = f"-d {ADDRESS[backend.family]} ! -i docker0 -j DROP", "-i docker0 -j MARK --set-xmark 0x1/0x1"
    ruleset = before_nat(
        table("raw", f"PREROUTING {drop}")
        + table("mangle", "FORWARD -j SITE", f"SITE {mark}", hook="FORWARD", chains=("SITE",))
        + filter_table(DROP)
    )
    assert ([each.name for each in ruleset.tables], ruleset.source) == (["raw", "mangle"], str(backend))
    assert specs(ruleset, backend, "raw", "PREROUTING") == [drop]
    assert specs(ruleset, backend, "mangle", "FORWARD") == ["-j SITE"]
    assert specs(ruleset, backend, "mangle", "SITE") == [mark]


def test_tables_without_rules_are_none(before_nat: Read, backend: Backend) -> None:
    ruleset = before_nat(table("raw") + table("mangle", hook="POSTROUTING") + filter_table(DROP))
    assert (ruleset.tables, ruleset.source) == ((), str(backend))


def test_of_a_large_table_what_the_hooks_reach_is_read(before_nat: Read, backend: Backend) -> None:
    others = tuple(f"SITE{number}" for number in range(60))
    rules = ["PREROUTING -j SITE7", "SITE7 -j MARK --set-xmark 0x1/0x1"]
    ruleset = before_nat(table("mangle", *rules, chains=others))
    assert specs(ruleset, backend, "mangle", "PREROUTING") == ["-j SITE7"]
    assert specs(ruleset, backend, "mangle", "SITE7") == ["-j MARK --set-xmark 0x1/0x1"]


@pytest.mark.kernel
def test_a_backend_that_is_not_there_has_nothing_before_nat(netns: str) -> None:
    assert netns
    assert all(HostFilters().before_nat(Backend(family, variant)).tables == () for family in Family for variant in VARIANTS)

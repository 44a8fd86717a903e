"""RulesetStore: its twin, and nft and legacy tables of both families, with the programs and with python-iptables."""

import pytest

from natfix.app.ports import Backend, RulesetStore, Variant
from natfix.errors import ConflictError, HostError
from natfix.host.iptables import IptablesStore, open_store
from natfix.host.libiptc import LibiptcStore
from natfix.host.memory.rulesets import MemoryRulesetStore
from natfix.ruleset import Counters, Family, Table, parse

POD = {Family.IPV4: "172.7.21.0/24", Family.IPV6: "fd07:21::/64"}
CLUSTER = {Family.IPV4: "172.7.0.0/16", Family.IPV6: "fd07::/16"}
REAL: tuple[tuple[Family, Variant, bool], ...] = (
    (Family.IPV4, "nft", False),
    (Family.IPV6, "nft", False),
    (Family.IPV4, "legacy", False),
    (Family.IPV6, "legacy", False),
    (Family.IPV4, "legacy", True),
    (Family.IPV6, "legacy", True),
)
STORES = [
    pytest.param(("memory", Backend(Family.IPV4, "nft")), id="twin"),
    *(
        pytest.param(
            ("libiptc" if library else "programs", Backend(family, variant)),
            id=f"{Backend(family, variant)}{'-libiptc' if library else ''}",
            marks=pytest.mark.kernel,
        )
        for family, variant, library in REAL
    ),
]


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> RulesetStore:
    kind, backend = request.param
    if kind == "memory":
        return MemoryRulesetStore(backend)
    request.getfixturevalue("netns")
    found = open_store(backend)
    return LibiptcStore(found) if kind == "libiptc" else found


def script(*lines: str) -> str:
    return "\n".join(["*nat", *lines, "COMMIT", ""])


def table(store: RulesetStore) -> Table:
    (only,) = store.read().tables
    return only


def specs(store: RulesetStore, chain: str = "POSTROUTING") -> list[str]:
    found = table(store).chain(chain)
    assert found is not None
    return [rule.spec for rule in found.rules]


def broad(store: RulesetStore, device: str = "docker0") -> str:
    return f"-s {POD[store.backend.family]} ! -o {device} -j MASQUERADE"


def fixed(store: RulesetStore, device: str = "docker0") -> str:
    family = store.backend.family
    return f"-s {POD[family]} ! -d {CLUSTER[family]} ! -o {device} -j MASQUERADE"


def test_an_absent_table_reads_as_an_empty_one_of_its_family(store: RulesetStore) -> None:
    ruleset = store.read()
    assert ruleset.source == str(store.backend)
    assert (table(store).name, table(store).family) == ("nat", store.backend.family)
    assert specs(store) == []


def test_what_is_committed_is_read_back_in_order(store: RulesetStore) -> None:
    store.commit(script(f"-A POSTROUTING {broad(store)}", f"-I POSTROUTING 1 {broad(store, 'br-1')}"))
    assert specs(store) == [broad(store, "br-1"), broad(store)]


def test_a_rule_is_swapped_at_its_place_and_keeps_its_counters(store: RulesetStore) -> None:
    others = [broad(store, "br-1"), broad(store, "br-2")]
    store.commit(script(f"-A POSTROUTING {others[0]}", f"-A POSTROUTING {broad(store)}", f"-A POSTROUTING {others[1]}"))
    store.commit(script(f"-D POSTROUTING {broad(store)}", f"-I POSTROUTING 2 -c 5 600 {fixed(store)}"))
    assert specs(store) == [others[0], fixed(store), others[1]]
    chain = table(store).chain("POSTROUTING")
    assert chain is not None
    # ip6tables-nft (1.8.9) counts from 0 whatever it is told, in -c and in [PACKETS:BYTES] alike.
    forgets = isinstance(store, IptablesStore) and store.backend == Backend(Family.IPV6, "nft")
    assert chain.rules[1].counters == (Counters(0, 0) if forgets else Counters(5, 600))


def test_of_equal_rules_the_first_is_deleted(store: RulesetStore) -> None:
    rules = [broad(store), broad(store, "br-1"), broad(store)]
    store.commit(script(*(f"-A POSTROUTING {rule}" for rule in rules)))
    store.commit(script(f"-D POSTROUTING {broad(store)}"))
    assert specs(store) == rules[1:]


def test_a_comment_with_quotes_survives_a_swap(store: RulesetStore) -> None:
    comment = '-m comment --comment "a \\"b\\" *nat COMMIT"'
    family = store.backend.family
    old = f"-s {POD[family]} ! -o docker0 {comment} -j MASQUERADE"
    new = f"-s {POD[family]} ! -d {CLUSTER[family]} ! -o docker0 {comment} -j MASQUERADE"
    store.commit(script(f"-A POSTROUTING {old}"))
    store.commit(script(f"-D POSTROUTING {old}", f"-I POSTROUTING 1 {new}"))
    assert specs(store) == [new]


def test_chains_are_read_as_far_as_postrouting_reaches_them(store: RulesetStore) -> None:
    store.commit(
        script(
            ":REACHED - [0:0]", ":BEHIND - [0:0]", ":ALONE - [0:0]",
            f"-A POSTROUTING {broad(store)}", "-A POSTROUTING -j REACHED", "-A REACHED -g BEHIND",
            "-A BEHIND -j RETURN", "-A ALONE -j RETURN",
        )
    )  # fmt: skip
    assert list(table(store).declared) == ["POSTROUTING", "REACHED", "BEHIND"]
    assert specs(store, "REACHED") == ["-g BEHIND"]


def test_a_dump_holds_every_chain_as_iptables_restore_takes_it(store: RulesetStore) -> None:
    store.commit(script(":ALONE - [0:0]", f"-A POSTROUTING {broad(store)}", "-A ALONE -j RETURN"))
    (only,) = parse(store.dump(), "dump", store.backend.family).tables
    alone, postrouting = only.chain("ALONE"), only.chain("POSTROUTING")
    assert alone is not None
    assert postrouting is not None
    assert [str(rule) for rule in (*postrouting.rules, *alone.rules)] == [
        f"-A POSTROUTING {broad(store)}",
        "-A ALONE -j RETURN",
    ]


def test_a_chain_of_our_own_is_made_and_taken_away(store: RulesetStore) -> None:
    cluster = CLUSTER[store.backend.family]
    store.commit(script(f"-A POSTROUTING {broad(store)}"))
    jump = broad(store).replace("MASQUERADE", "NATFIX-1")
    make = (":NATFIX-1 - [0:0]", f"-A NATFIX-1 -d {cluster} -j RETURN", "-A NATFIX-1 -j MASQUERADE")
    store.commit(script(*make, f"-D POSTROUTING {broad(store)}", f"-I POSTROUTING 1 {jump}"))
    assert specs(store) == [jump]
    assert specs(store, "NATFIX-1") == [f"-d {cluster} -j RETURN", "-j MASQUERADE"]
    store.rehearse(script(f"-D POSTROUTING {jump}", "-F NATFIX-1", "-X NATFIX-1"))
    store.commit(script(f"-D POSTROUTING {jump}", f"-I POSTROUTING 1 {broad(store)}", "-F NATFIX-1", "-X NATFIX-1"))
    assert specs(store) == [broad(store)]
    assert list(table(store).declared) == ["POSTROUTING"]


@pytest.mark.parametrize("twin", [True, False], ids=["swap", "other-shape"])
def test_a_rule_that_is_gone_refuses_the_whole_change(store: RulesetStore, *, twin: bool) -> None:
    store.commit(script(f"-A POSTROUTING {broad(store, 'br-1')}"))
    before = store.read().lines
    put_back = fixed(store) if twin else broad(store, "br-3")
    lines = (f"-D POSTROUTING {broad(store, 'br-1')}", f"-D POSTROUTING {broad(store)}", f"-I POSTROUTING 1 {put_back}")
    with pytest.raises(ConflictError, match="nothing was changed") as caught:
        store.commit(script(*lines))
    assert lines[1] in str(caught.value)
    assert store.read().lines == before


@pytest.mark.parametrize("line", ["-A POSTROUTING -j NO-SUCH-TARGET", "-A NO-SUCH-CHAIN -j RETURN"])
def test_what_iptables_refuses_changes_nothing(store: RulesetStore, line: str) -> None:
    store.commit(script(f"-A POSTROUTING {broad(store)}"))
    before = store.read().lines
    for method in (store.rehearse, store.commit):
        with pytest.raises(HostError, match="NO-SUCH"):
            method(script(f"-D POSTROUTING {broad(store)}", line))
    assert store.read().lines == before


def test_a_rehearsal_changes_nothing(store: RulesetStore) -> None:
    store.commit(script(f"-A POSTROUTING {broad(store, 'br-1')}", f"-A POSTROUTING {broad(store)}"))
    before = store.read().lines
    store.rehearse(script(f"-D POSTROUTING {broad(store)}", f"-I POSTROUTING 2 {fixed(store)}"))
    assert store.read().lines == before


def test_a_rehearsal_finds_a_place_beyond_the_end_of_the_chain(store: RulesetStore) -> None:
    store.commit(script(f"-A POSTROUTING {broad(store)}"))
    store.rehearse(script(f"-I POSTROUTING 2 {fixed(store)}"))
    with pytest.raises(HostError, match="tried"):
        store.rehearse(script(f"-I POSTROUTING 3 {fixed(store)}"))


def test_a_rehearsal_finds_a_rule_that_is_gone(store: RulesetStore) -> None:
    with pytest.raises(HostError, match="tried"):
        store.rehearse(script(f"-D POSTROUTING {broad(store)}"))

"""natfix/ruleset/tables.py: tables, chains and rules over the lines they were read from."""

import pytest

from natfix.errors import RulesetSyntaxError
from natfix.ruleset import Chain, Counters, Family, Rule, Ruleset, Table, parse


def nat(*lines: str, ending: str = "\n") -> Table:
    text = ending.join(["*nat", ":POSTROUTING ACCEPT [12:3400]", ":A - [0:0]", ":B - [0:0]", *lines, "COMMIT", ""])
    table = parse(text.encode(), "rules.v4").table("nat", Family.IPV4)
    assert table is not None
    return table


def chain(*lines: str, name: str = "POSTROUTING", ending: str = "\n") -> Chain:
    found = nat(*lines, ending=ending).chain(name)
    assert found is not None
    return found


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_chain_knows_its_policy_its_counters_and_its_rules(ending: str) -> None:
    seen = chain("-A POSTROUTING -j A", "-A A -j RETURN", "-A POSTROUTING -j B", ending=ending)
    assert (seen.name, seen.policy, seen.counters) == ("POSTROUTING", "ACCEPT", Counters(12, 3400))
    assert [(rule.spec, rule.line, rule.number) for rule in seen.rules] == [("-j A", 5, 1), ("-j B", 7, 2)]


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_the_words_of_a_rule_end_before_blanks_and_the_line_ending(ending: str) -> None:
    seen = chain("-A POSTROUTING -j A  ", "-A POSTROUTING", ending=ending)
    assert [rule.spec for rule in seen.rules] == ["-j A", ""]


def test_a_chain_may_be_declared_without_counters() -> None:
    table = parse(b"*nat\n:INPUT DROP\r\n:X -  \nCOMMIT\n", "x").tables[0]
    seen = [table.chain(name) for name in ("INPUT", "X")]
    assert [(each.name, each.policy, each.counters) for each in seen if each] == [("INPUT", "DROP", None), ("X", "-", None)]


def test_a_chain_that_is_not_declared_is_not_there() -> None:
    assert nat().chain("DOCKER") is None


def test_a_chain_is_made_once() -> None:
    table = nat("-A POSTROUTING -j A")
    assert table.chain("A") is table.chain("A")


def test_counters_before_a_rule_are_no_words_of_it() -> None:
    (rule,) = chain("[5:60] -A POSTROUTING -s 1.1.1.1 -j A").rules
    assert rule == Rule("POSTROUTING", "-s 1.1.1.1 -j A")
    assert rule.counters == Counters(5, 60)


def test_counters_inside_a_rule_are_no_words_of_it() -> None:
    rules = chain(
        "-A POSTROUTING -c 5 60 -s 1.1.1.1 -j A",
        "-A POSTROUTING -s 1.1.1.1 -c 5 60 -j A",
        "-A POSTROUTING -s 1.1.1.1 -j A --set-counters 5 60",
    ).rules
    assert {rule.spec for rule in rules} == {"-s 1.1.1.1 -j A"}
    assert [(rule.counters, rule.line, rule.number) for rule in rules] == [
        (Counters(5, 60), 5, 1), (Counters(5, 60), 6, 2), (Counters(5, 60), 7, 3),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "problem", "column"),
    [
        ('-A POSTROUTING -m comment --comment "open -j X', "a quote is opened here and never closed", 37),
        ('[5:60] -A POSTROUTING -m comment --comment "open', "a quote is opened here and never closed", 44),
        ("-A POSTROUTING stray", "an option such as -s or --dport is expected here", 16),
        ("-A POSTROUTING  -j A stray", "an option such as -s or --dport is expected here", 22),
        ("-A POSTROUTING -j A -o", "the option -o lacks its value", 21),
        ("-A POSTROUTING -c a b -j A", "-c takes the number of packets and the number of bytes", 16),
        ("-A POSTROUTING -j A -c 1", "the option -c lacks its value", 21),
    ],
)
def test_a_line_that_is_no_rule_is_pointed_at(line: str, problem: str, column: int) -> None:
    seen = chain(line)
    with pytest.raises(RulesetSyntaxError) as caught:
        _ = seen.rules
    error = caught.value
    assert (error.problem, error.source, error.line, error.column) == (problem, "rules.v4", 5, column)
    assert str(error).splitlines()[1:] == [f"    {line}", "    " + " " * (column - 1) + "^"]


def test_the_place_is_right_where_the_words_are_also_the_name_of_the_chain() -> None:
    table = parse(b"*nat\n:odd - [0:0]\n-A odd odd\nCOMMIT\n", "x").tables[0]
    odd = table.chain("odd")
    assert odd is not None
    with pytest.raises(RulesetSyntaxError, match="column 8"):
        _ = odd.rules


def test_a_line_that_is_no_rule_matters_to_its_own_chain_alone() -> None:
    table = nat('-A A -m comment --comment "open', "-A POSTROUTING -j B")
    assert [each.name for each in table.reached_from("POSTROUTING")] == ["POSTROUTING", "B"]


def test_the_chains_a_packet_can_come_to_are_met_once_each_in_order() -> None:
    table = nat("-A POSTROUTING -j B", "-A POSTROUTING -g A", "-A POSTROUTING -j MASQUERADE", "-A B -j A", "-A A -j B")
    assert [each.name for each in table.reached_from("POSTROUTING")] == ["POSTROUTING", "B", "A"]
    assert table.reached_from("DOCKER") == ()


def test_of_repeated_tables_the_last_one_is_in_force() -> None:
    text = b"*nat\n:A - [0:0]\nCOMMIT\n*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n*nat\n:B - [0:0]\nCOMMIT\n"
    ruleset = parse(text, "x")
    found = ruleset.table("nat", Family.IPV4)
    assert found is not None
    assert (list(found.declared), found.start, found.stop) == (["B"], 6, 8)
    assert len(ruleset.tables) == 3


def test_a_table_of_another_name_or_family_is_not_there() -> None:
    ruleset = parse(b"*nat\nCOMMIT\n", "x", Family.IPV6)
    assert ruleset.table("nat", Family.IPV4) is None
    assert ruleset.table("filter", Family.IPV6) is None


def test_a_ruleset_tells_the_families_of_a_table_in_order() -> None:
    six, four = parse(b"*nat\nCOMMIT\n", "x", Family.IPV6), parse(b"*nat\nCOMMIT\n", "x", Family.IPV4)
    both = Ruleset("x", (), six.tables + four.tables)
    assert list(both.families("nat")) == [Family.IPV4, Family.IPV6]
    assert list(both.families("filter")) == []


@pytest.mark.parametrize("address", ["172.7.21.0/33", "999.7.21.0/24"])
def test_an_address_that_cannot_be_read_is_refused_where_it_stands(address: str) -> None:
    table = nat(f"[1:60] -A A -s {address} -j MASQUERADE", "-A POSTROUTING -j A")
    with pytest.raises(RulesetSyntaxError) as caught:
        table.reached_from("POSTROUTING")
    assert (caught.value.line, caught.value.column) == (5, len("[1:60] -A A -s ") + 1)
    assert caught.value.problem == f"{address} is no address, and no network, that iptables-save prints"


def test_an_address_in_a_chain_that_nobody_looks_at_is_not_read() -> None:
    table = nat("-A B -s node1 -j MASQUERADE", "-A POSTROUTING -j A")
    assert [each.name for each in table.reached_from("POSTROUTING")] == ["POSTROUTING", "A"]


NFT, LEGACY = "# Generated by iptables-save v1.8.9 (nf_tables) on Mon\n", "# Generated by iptables-save v1.8.9 on Mon\n"


def block(rule: str, name: str = "nat") -> str:
    return f"*{name}\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -j {rule}\nCOMMIT\n"


def rules_of(ruleset: Ruleset) -> list[str]:
    return [rule.target for table in ruleset.tables for chain in table.reached_from("POSTROUTING") for rule in chain.rules]


def test_a_text_of_both_backends_is_one_ruleset_for_each_over_the_same_lines() -> None:
    text = parse(f"{LEGACY}{block('A')}# Completed\n{NFT}{block('B')}{block('C', 'mangle')}".encode(), "both.save")
    nft, legacy = text.by_backend()
    assert [(each.name, rules_of(each)) for each in (text, nft, legacy)] == [
        ("both.save", ["A", "B", "C"]),
        ("both.save (iptables-nft)", ["B", "C"]),
        ("both.save (iptables-legacy)", ["A"]),
    ]
    assert nft.lines is text.lines
    assert [table.start + 1 for table in (*nft.tables, *legacy.tables)] == [8, 12, 2]
    assert text.half(None) is text


def test_a_text_of_one_backend_stays_whole() -> None:
    for text in (block("A"), NFT + block("A"), LEGACY + block("A") + LEGACY + block("B")):
        ruleset = parse(text.encode(), "dump.save")
        assert ruleset.by_backend() == (ruleset,)


def test_only_what_iptables_nft_warns_of_beside_the_other_half_is_kept() -> None:
    other, table = (
        "Warning: iptables-legacy tables present, use iptables-legacy-save to see them",
        "Table `filter' is incompatible, use 'nft' tool.",
    )
    text = f"# {other}\n# {table}\n{NFT}{block('A')}{LEGACY}{block('B')}"
    assert [each.warnings for each in parse(text.encode(), "x").by_backend()] == [(table,), ()]


def test_the_tables_of_a_name_that_are_in_force_are_the_last_of_each_family() -> None:
    six = "# Generated by ip6tables-save v1.8.9 on Mon\n"
    text = parse((LEGACY + block("A") + LEGACY + block("B") + six + block("C")).encode(), "x")
    assert [(table.family, table.start + 1) for table in text.in_force("nat")] == [(Family.IPV4, 7), (Family.IPV6, 12)]

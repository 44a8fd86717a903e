"""natfix/ruleset/parse.py: what is iptables-save output, and what is refused, where and why."""

from pathlib import Path

import pytest

from natfix.errors import NatfixError, RulesetSyntaxError, UnsupportedError
from natfix.ruleset import Family, Ruleset, parse

DUMPS = Path(__file__).resolve().parents[2] / "data" / "dumps"


def dump(name: str) -> Ruleset:
    return parse((DUMPS / f"{name}.save").read_bytes(), name)


def specs(ruleset: Ruleset, chain: str, family: Family = Family.IPV4) -> list[str]:
    table = ruleset.table("nat", family)
    found = table.chain(chain) if table else None
    assert found is not None
    return [rule.spec for rule in found.rules]


def refusal(text: str | bytes, family: Family | None = None) -> RulesetSyntaxError:
    with pytest.raises(RulesetSyntaxError) as caught:
        parse(text.encode() if isinstance(text, str) else text, "rules.v4", family)
    return caught.value


def test_both_backends_print_the_same_rules() -> None:
    nft, legacy = (specs(dump(f"ipv4-{backend}"), "POSTROUTING") for backend in ("nft", "legacy"))
    assert nft == legacy
    assert len(nft) == 14
    assert nft[0] == "-s 172.7.21.0/24 ! -o docker0 -j MASQUERADE"


@pytest.mark.parametrize("name", ["ipv4-nft", "ipv4-legacy", "ipv6-nft", "ipv6-legacy"])
def test_counters_do_not_change_what_is_read(name: str) -> None:
    plain, counted = dump(name), dump(f"{name}-counted")
    family = Family.IPV6 if "6" in name else Family.IPV4
    assert specs(plain, "POSTROUTING", family) == specs(counted, "POSTROUTING", family)
    table = counted.table("nat", family)
    chain = table.chain("POSTROUTING") if table else None
    assert chain is not None
    assert all(rule.counters is not None for rule in chain.rules)


@pytest.mark.parametrize("backend", ["nft", "legacy"])
def test_comments_with_quotes_and_escapes_are_read_as_they_were_given(backend: str) -> None:
    table = dump(f"ipv4-{backend}").table("nat", Family.IPV4)
    chain = table.chain("POSTROUTING") if table else None
    assert chain is not None
    assert [rule.comment for rule in chain.rules if rule.comment is not None] == [
        'a "b" *nat COMMIT', 'it\'s a \\ and a "quote" and -j DROP', "", "!", "übergröße → 中", "word two words",
    ]  # fmt: skip


@pytest.mark.parametrize("path", sorted(DUMPS.glob("handmade-*.save")), ids=lambda path: path.stem)
def test_every_rule_of_every_known_program_can_be_read(path: Path) -> None:
    for table in parse(path.read_bytes(), path.name).tables:
        rules = [rule for name in table.declared for rule in getattr(table.chain(name), "rules", ())]
        assert len(rules) == sum(map(len, table.places.values()))
        assert all(rule.target for rule in rules)


@pytest.mark.parametrize("backend", ["nft", "legacy"])
def test_options_of_extensions_take_as_many_values_as_iptables_gives_them(backend: str) -> None:
    ruleset = dump(f"ipv4-{backend}-extensions")
    rules = [rule for table in ruleset.tables for name in table.declared for rule in getattr(table.chain(name), "rules", ())]
    assert len(rules) == 19
    assert {rule.target for rule in rules} == {"ACCEPT", "DROP", "NFLOG", "LOG", "CONNMARK", "MASQUERADE", "SNAT"}
    values = {option.name: option.values for rule in rules for option in rule.options}
    flags = {"physdev-is-bridged", "physdev-is-in", "strict", "next", "random", "random-fully", "persistent", "rcheck"}
    assert {name for name in flags if values[name]} == set()
    assert (values["nflog-prefix"], values["packet"], values["tunnel-dst"]) == (("a -b",), ("1",), ("192.0.2.2",))


def test_every_table_is_found_in_order() -> None:
    assert [table.name for table in dump("ipv4-legacy").tables] == ["raw", "mangle", "filter", "nat"]


def test_a_header_tells_the_family() -> None:
    assert {table.family for table in dump("ipv6-nft").tables} == {Family.IPV6}
    assert {table.family for table in dump("ipv4-nft").tables} == {Family.IPV4}
    assert [table.family for table in dump("handmade-repeated-tables").tables] == [
        Family.IPV4, Family.IPV4, Family.IPV6, Family.IPV4,
    ]  # fmt: skip


def test_the_header_of_xtables_save_tells_no_family_and_the_addresses_do() -> None:
    assert dump("handmade-1.8.2-xtables-ipv6").tables[0].family is Family.IPV6


@pytest.mark.parametrize(
    ("rule", "family"),
    [
        ("-d fd00::/8 -j ACCEPT", Family.IPV6),
        ("-p tcp -j SNAT --to-source [fd00::1]:80", Family.IPV6),
        ("-j SNAT --to-source 1.2.3.4:1-2", Family.IPV4),
        ("-j SNAT --to-source :1-2", Family.IPV4),
        ("-j MASQUERADE", Family.IPV4),
    ],
)
def test_without_a_header_the_first_address_tells_the_family(rule: str, family: Family) -> None:
    text = f"# by hand\n*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING\n-A POSTROUTING {rule}\nCOMMIT\n"
    assert parse(text.encode(), "x").tables[0].family is family


@pytest.mark.parametrize("rule", ["-m iprange --src-range fd00::1-fd00::9 -j ACCEPT", "-j NETMAP --to fd00:9::/64"])
def test_ranges_and_networks_tell_the_family_too(rule: str) -> None:
    text = f"*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -d node1 -j X\n-A POSTROUTING {rule}\nCOMMIT\n"
    assert parse(text.encode(), "x").tables[0].family is Family.IPV6


V4, V6 = (
    f"*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -s {net} -j MASQUERADE\nCOMMIT\n" for net in ("10.0.0.0/8", "fd00::/8")
)


def test_a_header_holds_until_its_program_has_completed() -> None:
    completed = f"# Generated by ip6tables-save v1.8.9\n{V6}# Completed on Mon\n{V4}"
    assert [table.family for table in parse(completed.encode(), "x").tables] == [Family.IPV6, Family.IPV4]


@pytest.mark.parametrize(("program", "block", "has"), [("ip6tables", V4, 4), ("iptables", V6, 6)])
def test_addresses_of_the_other_family_than_the_header_tells_are_refused_where_they_stand(
    program: str, block: str, has: int
) -> None:
    error = refusal(f"# Generated by {program}-save v1.8.9\n{block}")
    assert error.problem == f"an address of IPv{has} stands in a table of IPv{10 - has}"
    assert (error.line, error.column) == (4, len("-A POSTROUTING -s ") + 1)


def test_what_looks_like_an_address_in_a_comment_is_none() -> None:
    comment = '-A POSTROUTING -m comment --comment "see -s 10.0.0.1" -j ACCEPT'
    text = f"# Generated by ip6tables-save v1.8.9\n*nat\n:POSTROUTING ACCEPT [0:0]\n{comment}\nCOMMIT\n"
    assert parse(text.encode(), "x").tables[0].family is Family.IPV6


@pytest.mark.parametrize(
    ("header", "variant"),
    [
        ("# Generated by iptables-save v1.8.9 (nf_tables) on Mon", "nft"),
        ("# Generated by ip6tables-nft-save v1.8.9 (nf_tables) on Mon", "nft"),
        ("# Generated by xtables-save v1.8.2 on Mon", "nft"),
        ("# Generated by iptables-save v1.8.9 on Mon", "legacy"),
        ("# Generated by ip6tables-save v1.4.21 on Mon", "legacy"),
        ("# Generated by hand on Mon", None),
        ("# by hand", None),
    ],
)
def test_a_header_tells_which_iptables_printed_what_stands_around_it(header: str, variant: str | None) -> None:
    text = f"*raw\nCOMMIT\n{header}\n*nat\nCOMMIT\n# Completed\n*filter\nCOMMIT\n"
    assert [table.variant for table in parse(text.encode(), "x").tables] == [variant] * 3


def test_a_caller_who_knows_the_family_is_believed() -> None:
    text = b"# Generated by iptables-save v1.8.9\n*nat\nCOMMIT\n"
    assert parse(text, "x", Family.IPV6).tables[0].family is Family.IPV6


def test_warnings_are_kept_wherever_they_stand() -> None:
    warning = "Warning: iptables-legacy tables present, use iptables-legacy-save to see them"
    assert dump("both-backends").warnings == (warning,)
    inside = f"*nat\n# {warning}\nCOMMIT\n# {warning}".encode()
    assert parse(inside, "x").warnings == (warning, warning)
    assert dump("ipv4-nft").warnings == ()


def test_base_chains_that_iptables_cannot_show_are_a_warning() -> None:
    text = b"# Table `nat' contains incompatible base-chains, use 'nft' tool to list them.\n*nat\nCOMMIT\n"
    assert parse(text, "x").warnings == ("Table `nat' contains incompatible base-chains, use 'nft' tool to list them.",)


def test_a_nat_table_that_iptables_save_could_not_read_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedError) as caught:
        dump("incompatible-nat")
    assert str(caught.value) == (
        "incompatible-nat, line 2: iptables-save could not read the table nat:"
        " Table `nat' is incompatible, use 'nft' tool.\n"
        "  A rule in it was written with nft, so nothing can be said of it here; see: nft list ruleset"
    )


def test_another_table_that_iptables_save_could_not_read_is_a_warning() -> None:
    text = b"# Table `filter' is incompatible, use 'nft' tool.\n*nat\nCOMMIT\n"
    assert parse(text, "x").warnings == ("Table `filter' is incompatible, use 'nft' tool.",)


def test_blank_lines_and_comments_may_stand_anywhere() -> None:
    text = b"\n# a\n*nat\n\n#b\n:POSTROUTING ACCEPT [0:0]\r\n\r\n-A POSTROUTING -j ACCEPT\n# c\nCOMMIT\n\n\n"
    assert specs(parse(text, "x"), "POSTROUTING") == ["-j ACCEPT"]


def test_a_comment_may_look_like_the_end_of_the_table() -> None:
    text = b'*nat\n:X - [0:0]\n-A X -m comment --comment "*nat COMMIT" -j RETURN\nCOMMIT'
    assert specs(parse(text, "x"), "X") == ['-m comment --comment "*nat COMMIT" -j RETURN']


def test_a_name_of_a_chain_may_hold_what_rules_hold() -> None:
    text = ':a:b[1]"- - [0:0]\n:[0:0] - [0:0]\n:é\u00a0x - [0:0]\n-A a:b[1]"- -j [0:0]\n-A é\u00a0x -j X\n'
    ruleset = parse(f"*nat\n{text}COMMIT\n".encode(), "x")
    assert specs(ruleset, 'a:b[1]"-') == ["-j [0:0]"]
    assert specs(ruleset, "é\u00a0x") == ["-j X"]


OPEN = "*nat\n:POSTROUTING ACCEPT [0:0]\n"


@pytest.mark.parametrize(
    ("text", "problem", "line", "column"),
    [
        ("", "the text holds no table", 1, 1),
        ("# only comments\n", "the text holds no table", 2, 1),
        ("hello\nworld\n", "this is no line of iptables-save", 1, 1),
        ("table ip nat {\n", "this is no line of iptables-save, but looks like nft's", 1, 1),
        ("[]\n", "this is no line of iptables-save, but looks like nft's", 1, 1),
        ("Chain POSTROUTING (policy ACCEPT)\n", "this is no line of iptables-save", 1, 1),
        ("\ufeff*nat\nCOMMIT\n", "the text begins with a byte order mark", 1, 1),
        ("*\nCOMMIT\n", "this is no line of iptables-save", 1, 1),
        ("*nat x\nCOMMIT\n", "this is no line of iptables-save", 1, 1),
        ("-A POSTROUTING -j ACCEPT\n", "this line stands outside of any table", 1, 1),
        (":POSTROUTING ACCEPT [0:0]\n", "this line stands outside of any table", 1, 1),
        ("[0:0] -A POSTROUTING\n", "this line stands outside of any table", 1, 1),
        ("*nat\nCOMMIT\nCOMMIT\n", "this line stands outside of any table", 3, 1),
        ("-P POSTROUTING ACCEPT\n", "only -A stands in what iptables-save prints", 1, 1),
        (OPEN + "-I POSTROUTING -j ACCEPT\nCOMMIT\n", "only -A stands in what iptables-save prints", 3, 1),
        (OPEN + "-N DOCKER\nCOMMIT\n", "only -A stands in what iptables-save prints", 3, 1),
        (OPEN + "-F\nCOMMIT\n", "only -A stands in what iptables-save prints", 3, 1),
        (OPEN + " -A POSTROUTING\nCOMMIT\n", "this is no line of iptables-save", 3, 1),
        (OPEN + "   \nCOMMIT\n", "this is no line of iptables-save", 3, 1),
        (OPEN + "COMMIT \n", "this is no line of iptables-save", 3, 1),
        (OPEN + 'lines" -j ACCEPT\nCOMMIT\n', "this is no line of iptables-save", 3, 1),
        (OPEN + "[1:x] -A POSTROUTING -j ACCEPT\nCOMMIT\n", "this is no line of iptables-save", 3, 1),
        (OPEN + "[1] -A POSTROUTING -j ACCEPT\nCOMMIT\n", "this is no line of iptables-save", 3, 1),
        (OPEN + "[-1:1] -A POSTROUTING -j ACCEPT\nCOMMIT\n", "this is no line of iptables-save", 3, 1),
        (OPEN + "[\u0661:\u0662] -A POSTROUTING -j ACCEPT\nCOMMIT\n", "this is no line of iptables-save", 3, 1),
        (OPEN + "[1:2] -I POSTROUTING -j ACCEPT\nCOMMIT\n", "this is no line of iptables-save", 3, 1),
        (OPEN + "-A DOCKER -j X\nCOMMIT\n", "the chain DOCKER is not declared in the table nat", 3, 4),
        (OPEN + "-A DOCKER\r\nCOMMIT\n", "the chain DOCKER is not declared in the table nat", 3, 4),
        (OPEN + "[9:9] -A DOCKER -j X\nCOMMIT\n", "the chain DOCKER is not declared in the table nat", 3, 10),
        (OPEN + "-A  POSTROUTING\nCOMMIT\n", "the chain  is not declared in the table nat", 3, 4),
        (OPEN + ":X\nCOMMIT\n", "a chain is declared as :NAME POLICY [PACKETS:BYTES]", 3, 1),
        (OPEN + ":X MAYBE [0:0]\nCOMMIT\n", "a chain is declared as :NAME POLICY [PACKETS:BYTES]", 3, 1),
        (OPEN + ":X - [0]\nCOMMIT\n", "a chain is declared as :NAME POLICY [PACKETS:BYTES]", 3, 1),
        (OPEN + ":X - [0:0] x\nCOMMIT\n", "a chain is declared as :NAME POLICY [PACKETS:BYTES]", 3, 1),
        (OPEN, "the table nat is opened here and never closed with COMMIT", 1, 1),
        ("*raw\nCOMMIT\n" + OPEN + "-A POSTROUTING -s 10.",
         "the table nat is opened here and never closed with COMMIT", 3, 1),
        (OPEN + "*filter\nCOMMIT\n", "the table nat is not closed with COMMIT before this one", 3, 1),
    ],
)  # fmt: skip
def test_what_is_not_iptables_save_output_is_refused_with_its_place(text: str, problem: str, line: int, column: int) -> None:
    error = refusal(text)
    assert (error.problem, error.source, error.line, error.column) == (problem, "rules.v4", line, column)
    shown = [*text.split("\n"), ""][line - 1].rstrip("\r").replace("\ufeff", "\ufffd")
    assert str(error).splitlines()[1:3] == [f"    {shown}", "    " + " " * (column - 1) + "^"]


def test_a_nul_byte_is_refused_where_it_stands() -> None:
    error = refusal(OPEN + "-A POSTROUTING -s 10.0.0.0/8\0 -j ACCEPT\nCOMMIT\n")
    assert (error.problem, error.line, error.column) == ("a NUL byte stands here", 3, 29)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_a_text_in_utf_16_is_refused_by_that_name(encoding: str) -> None:
    error = refusal("*nat\nCOMMIT\n".encode(encoding))
    assert (error.problem, error.line, error.column) == ("the text is in UTF-16, not in UTF-8", 1, 1)
    assert "PowerShell" in str(error.hint)


@pytest.mark.parametrize(
    "text", ["table ip nat {\n}\n", "#!/usr/sbin/nft -f\nflush ruleset\n", "[]", "[\n", '[{"nftables": 1}]']
)
def test_what_nft_prints_is_refused_with_the_command_whose_output_natfix_reads(text: str) -> None:
    assert "nft -j list ruleset > ruleset.json" in str(refusal(text).hint)


def test_a_rule_outside_of_any_table_is_no_listing_of_nft() -> None:
    assert "iptables-save > dump.save" in str(refusal("[0:0] -A POSTROUTING\n").hint)


@pytest.mark.parametrize("program", ["ebtables-nft-save", "arptables-save"])
def test_what_another_program_made_is_refused_by_its_name(program: str) -> None:
    error = refusal(f"# Generated by {program} v1.8.9\n*nat\n:POSTROUTING ACCEPT\nCOMMIT\n")
    assert error.problem == f"this was made by {program.partition('tables')[0]}tables-save"
    assert (error.line, error.column) == (1, 16)


def test_a_text_that_is_cut_off_says_so() -> None:
    assert refusal(OPEN).hint == "The text is cut off; make it again."


def test_a_refusal_says_how_to_make_a_text_that_is_accepted() -> None:
    assert "iptables-save > dump.save" in str(refusal("hello"))


@pytest.mark.parametrize("name", ["ipv4-nft-counted", "ipv6-legacy", "handmade-1.8.4-kube-masq-agent"])
def test_a_dump_that_ends_inside_of_a_table_is_never_read(name: str) -> None:
    data = (DUMPS / f"{name}.save").read_bytes()
    inside = range(data.rindex(b"*nat") + len(b"*nat\n"), data.rindex(b"COMMIT") + len(b"COMMI"))
    for stop in inside:
        with pytest.raises(NatfixError):
            parse(data[:stop], name)

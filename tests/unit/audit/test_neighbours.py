"""natfix/audit/neighbours.py: the other backend, the other family."""

from dataclasses import replace

import pytest

from natfix.audit import Subject
from natfix.audit.neighbours import family_left_out, split_backends, unreadable_table
from natfix.audit.subject import subject_of
from natfix.ruleset import Family, Table, parse, parse_network
from tests.unit.audit.subjects import BROAD, CORRECTED

OPEN6 = "-s fd00:7:21::/64 ! -o docker0 -j MASQUERADE"


def table(source: str, *rules: str, family: Family = Family.IPV4) -> Table:
    text = f"*nat\n:POSTROUTING ACCEPT [0:0]\n{''.join(f'-A POSTROUTING {rule}{chr(10)}' for rule in rules)}COMMIT\n"
    made = parse(text.encode(), source, family).table("nat", family)
    assert made is not None
    return made


def live(mine: Table, *others: Table) -> Subject:
    return Subject(mine, (), beside=others)


def test_rules_in_both_backends_are_told_of_once() -> None:
    legacy, nft = table("iptables-legacy", CORRECTED), table("iptables-nft", BROAD)
    (hit,) = split_backends(live(legacy, nft))
    assert (hit.rule.spec, hit.message) == (CORRECTED, "iptables-nft holds source NAT rules too, and the kernel asks both")
    assert list(split_backends(live(nft, legacy))) == []


def test_a_backend_without_source_nat_and_another_family_split_nothing() -> None:
    mine = table("iptables-legacy", CORRECTED)
    assert list(split_backends(live(mine, table("iptables-nft", "-j ACCEPT")))) == []
    assert list(split_backends(live(table("iptables-legacy", "-j ACCEPT"), table("iptables-nft", BROAD)))) == []
    assert list(split_backends(live(mine, table("ip6tables-nft", OPEN6, family=Family.IPV6)))) == []
    assert list(split_backends(replace(live(mine, table("iptables-nft", BROAD)), dumped=True))) == []


def test_a_text_says_itself_that_it_is_a_half() -> None:
    warning = "Warning: iptables-legacy tables present, use iptables-legacy-save to see them"
    text = f"# {warning}\n# Warning: something else\n*nat\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n"
    made = subject_of(parse(text.encode(), "x"), Family.IPV4, [])
    assert made is not None
    (hit,) = split_backends(made)
    assert (str(hit.rule), hit.rule.chain, hit.rule.line) == (f"# {warning}", "", 0)


def test_a_table_that_could_not_be_printed_is_named() -> None:
    text = "# Table `mangle' is incompatible, use 'nft' tool.\n# Warning: one\n*nat\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n"
    made = subject_of(parse(text.encode(), "x"), Family.IPV4, [])
    assert made is not None
    (hit,) = unreadable_table(made)
    assert (hit.table, hit.message) == (
        "mangle",
        "what the table mangle drops, accepts or marks is not in this text, and is not judged",
    )


@pytest.mark.parametrize(
    ("four", "six", "numbers"),
    [
        (CORRECTED, OPEN6, [1]),
        (BROAD, OPEN6, []),
        (CORRECTED.replace("docker0", "br-1"), OPEN6, []),
        (CORRECTED.replace("! -o docker0 ", ""), OPEN6.replace("! -o docker0 ", ""), []),
        ("-s 10.64.3.0/24 ! -d 10.64.3.0/24 ! -o docker0 -j MASQUERADE", OPEN6, []),
        ("-s 172.3.1.0/24 ! -d 172.7.0.0/16 ! -o docker0 -j MASQUERADE", OPEN6, []),
        ("! -d 172.7.0.0/16 ! -o docker0 -j MASQUERADE", OPEN6, []),
        (CORRECTED, OPEN6.replace("-j", "-d fd00::/8 -j"), []),
        (CORRECTED, "! -o docker0 -j MASQUERADE", []),
    ],
)
def test_ipv6_is_left_out_where_its_bridge_is_corrected_for_ipv4(four: str, six: str, numbers: list[int]) -> None:
    looked = live(table("ip6tables-nft", six, family=Family.IPV6), table("iptables-nft", four))
    hits = list(family_left_out(looked))
    assert [hit.rule.number for hit in hits] == numbers
    assert not any(hit.certain for hit in hits)


def test_a_known_ipv6_cluster_is_judged_by_packets_and_ipv4_is_never_left_out() -> None:
    six, four = table("ip6tables-nft", OPEN6, family=Family.IPV6), table("iptables-nft", CORRECTED)
    known = replace(live(six, four), cluster=(parse_network("fd00:7::/32"),))
    assert list(family_left_out(known)) == []
    assert list(family_left_out(live(four, six))) == []

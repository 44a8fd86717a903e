"""natfix/audit/marks.py: source NAT for a mark that no rule sets."""

from collections.abc import Iterable

import pytest

from natfix.audit.marks import unset_mark
from natfix.audit.subject import subject_of
from natfix.ruleset import Family, parse, parse_network

WAITING = "-A POSTROUTING -m mark --mark 0x4000/0x4000 -j MASQUERADE"


def bits(*rules: str, mangle: Iterable[str] = (), filtering: str = "*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n") -> list[str]:
    nat, mangled = ("".join(f"{rule}\n" for rule in each) for each in (rules, mangle))
    text = f"*mangle\n:PREROUTING ACCEPT [0:0]\n{mangled}COMMIT\n{filtering}"
    text += f"*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n:SITE - [0:0]\n{nat}COMMIT\n"
    looked = subject_of(parse(text.encode(), "x"), Family.IPV4, [parse_network("172.7.0.0/16")])
    assert looked is not None
    hits = list(unset_mark(looked))
    assert not any(hit.certain for hit in hits)
    return [hit.message for hit in hits]


def test_a_mark_that_nobody_sets_is_named() -> None:
    assert bits(WAITING) == ["waits for the mark 0x4000, which no rule of this text sets"]
    other = "-A PREROUTING -i eth0 -j MARK --set-xmark 0x2000/0x2000"
    assert len(bits(WAITING, mangle=[other])) == 1
    assert len(bits(WAITING, "-A POSTROUTING -m mark --mark 0x8/0x8 -j SNAT --to-source 10.4.7.21")) == 2


@pytest.mark.parametrize(
    "setter",
    [
        "-A PREROUTING -i eth0 -j MARK --set-xmark 0x4000/0x4000",
        "-A PREROUTING -i eth0 -j MARK --set-mark 0x4000",
        "-A PREROUTING -i eth0 -j MARK --or-mark 0x4001",
        "-A PREROUTING -i eth0 -j CONNMARK --restore-mark",
        "-A PREROUTING -p tcp -j TPROXY --on-port 1 --on-ip 127.0.0.1 --tproxy-mark 0x1/0x1",
        "[3:180] -A PREROUTING -i eth0 -j MARK --set-xmark strange",
    ],
)
def test_a_mark_that_a_rule_sets_or_may_set_is_right(setter: str) -> None:
    assert bits(WAITING, mangle=[setter]) == []


def test_what_postrouting_does_to_marks_itself_comes_from_nobody_else() -> None:
    clearing = "-A POSTROUTING -j MARK --set-xmark 0x4000/0x0"
    returning = "-A SITE -m mark ! --mark 0x4000/0x4000 -j RETURN"
    assert (
        len(bits("-A POSTROUTING -j SITE", returning, "-A SITE -j MARK --set-xmark 0x4000/0x0", "-A SITE -j MASQUERADE")) == 1
    )
    assert bits(clearing, "-A POSTROUTING -o eth0 -j MASQUERADE") == []


@pytest.mark.parametrize(
    "rules",
    [
        ["-A POSTROUTING -o eth0 -j MASQUERADE"],
        ["-A POSTROUTING -m mark ! --mark 0x4000/0x4000 -j MASQUERADE"],
        ["-A POSTROUTING -m mark --mark 0x4000/0x4000 -m set --match-set x src -j MASQUERADE"],
        ["-A POSTROUTING -j ACCEPT", WAITING],
        ["-A POSTROUTING -m mark --mark 0x4000/0x4000 -j ACCEPT", "-A POSTROUTING -o eth0 -j MASQUERADE"],
    ],
)
def test_a_rule_that_waits_for_no_mark_or_may_not_is_passed_over(rules: list[str]) -> None:
    assert bits(*rules) == []


def test_a_text_without_the_table_filter_does_not_tell_who_sets_marks() -> None:
    assert bits(WAITING, filtering="") == []

"""natfix/plan/saved.py: what belongs into the file that is loaded at boot."""

import pytest

from natfix.audit import Subject
from natfix.errors import RulesetSyntaxError
from natfix.plan.edit import Edit, Plan, own_chain_name
from natfix.plan.saved import corrections, save_into, take_from
from natfix.ruleset import Family, Rule, render
from tests.unit.audit.subjects import BROAD, CORRECTED, kind, ruleset, subject

CATALOGUE = [kind(fix="exclude-cluster")]
RUNNING = subject("-j KUBE-POSTROUTING", CORRECTED, chains={"KUBE-POSTROUTING": ["-j RETURN"]})
PORTED = "-s 172.7.21.0/24 -p tcp -j MASQUERADE --to-ports 1024-2048"
HELD = ["-d 172.7.0.0/16 -j RETURN", "-d 172.9.0.0/16 -j RETURN", "-p tcp -j MASQUERADE --to-ports 1024-2048"]
NAME = own_chain_name(HELD)
OWN_CHAIN = {NAME: HELD}
THROUGH = subject(f"-s 172.7.21.0/24 -p tcp -j {NAME}", cluster=["172.7.0.0/16", "172.9.0.0/16"], chains=OWN_CHAIN)
NEW = f"""\
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A POSTROUTING {CORRECTED}
COMMIT
"""


def rule(spec: str) -> Rule:
    return Rule("POSTROUTING", spec)


def saved(text: bytes | None, running: Subject = RUNNING) -> str | None:
    made = save_into(text, "rules.v4", running, CATALOGUE)
    return None if made is None else made.decode()


def text_of(*rules: str, ending: str = "\n") -> bytes:
    return render(ruleset(*rules, ending=ending))


def test_a_corrected_rule_is_a_correction_and_others_are_not() -> None:
    rules = [CORRECTED, BROAD, "-o eth0 -j MASQUERADE", "-s 172.7.22.0/24 ! -d 172.7.22.0/24 -j MASQUERADE", "-j NATFIX-1"]
    looked = subject(*rules, "-s 10.0.0.0/8 ! -d 172.7.0.0/16 -j MASQUERADE", CORRECTED.replace("MASQUERADE", "RETURN"))
    assert corrections(looked) == Plan((Edit(rule(BROAD), rule(CORRECTED)),))


def test_a_rule_through_our_own_chain_is_a_correction_of_the_rule_that_it_was() -> None:
    (edit,) = corrections(THROUGH).edits
    assert edit.old.spec == PORTED
    assert corrections(THROUGH).chains == {NAME: tuple(OWN_CHAIN[NAME])}


def test_a_table_without_postrouting_or_with_an_empty_own_chain_has_no_corrections() -> None:
    assert not corrections(subject("-j NATFIX-1", chains={"NATFIX-1": []}))
    nothing = Subject(ruleset("-j ACCEPT").tables[0], ())
    assert not corrections(nothing)


@pytest.mark.parametrize("text", [None, b"", b"\n"])
def test_without_a_file_only_the_correction_is_written(text: bytes | None) -> None:
    assert (saved(text) or "").lstrip("\n") == NEW


@pytest.mark.parametrize("text", [None, b"", b"*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n", text_of(), text_of("-j ACCEPT")])
def test_where_nothing_is_corrected_nothing_is_written(text: bytes | None) -> None:
    assert saved(text, subject("-j KUBE-POSTROUTING")) is None


def test_a_broad_rule_in_the_file_is_replaced_at_its_place() -> None:
    assert saved(text_of("-j LOG", BROAD)) == text_of("-j LOG", CORRECTED).decode()


def test_a_broad_rule_in_the_file_is_replaced_also_when_the_kernel_has_none() -> None:
    assert saved(text_of(BROAD), subject("-j ACCEPT")) == text_of(CORRECTED).decode()


def test_a_broad_rule_in_other_words_is_the_same_rule() -> None:
    assert saved(text_of("! -o docker0 -s 172.7.21.0/255.255.255.0 -j MASQUERADE"), RUNNING) is not None
    once = saved(text_of("! -o docker0 -s 172.7.21.0/255.255.255.0 -j MASQUERADE"), RUNNING) or ""
    assert "-j MASQUERADE" in once
    assert once.count("! -d 172.7.0.0/16") == once.count("MASQUERADE") == 1


def test_a_correction_that_is_not_in_the_file_comes_first() -> None:
    assert saved(text_of("-j LOG")) == text_of(CORRECTED, "-j LOG").decode()


def test_a_file_that_is_right_is_not_written() -> None:
    assert saved(text_of("-j LOG", CORRECTED)) is None


def test_our_own_chain_goes_into_the_file_once() -> None:
    once = saved(text_of(PORTED), THROUGH)
    assert once is not None
    assert [line for line in once.split("\n") if "NATFIX" in line or "MASQ" in line] == [
        f":{NAME} - [0:0]",
        f"-A POSTROUTING -s 172.7.21.0/24 -p tcp -j {NAME}",
        *(f"-A {NAME} {spec}" for spec in OWN_CHAIN[NAME]),
    ]
    assert saved(once.encode(), THROUGH) is None


def test_a_file_without_a_nat_table_gets_one_in_its_own_line_endings() -> None:
    text = b"*filter\r\n:INPUT ACCEPT [0:0]\r\nCOMMIT"
    assert saved(text) == text.decode() + "\r\n" + NEW.replace("\n", "\r\n")


def test_a_file_that_is_no_ruleset_is_refused() -> None:
    with pytest.raises(RulesetSyntaxError, match=r"^rules\.v4, line 1"):
        saved(b"iptables -F\n")


def test_what_was_saved_is_taken_out_of_a_file_that_others_have_changed() -> None:
    before = text_of("-j LOG", BROAD)
    after = text_of("-j LOG", CORRECTED)
    now = text_of("-o tun0 -j ACCEPT", "-j LOG", CORRECTED)
    assert take_from(now, "rules.v4", Family.IPV4, before, after) == text_of("-o tun0 -j ACCEPT", "-j LOG", BROAD)


def test_taken_out_of_a_file_that_natfix_made_an_empty_table_stays() -> None:
    left = take_from(NEW.encode(), "rules.v4", Family.IPV4, None, NEW.encode())
    assert left.decode() == NEW.replace(f"-A POSTROUTING {CORRECTED}\n", "")

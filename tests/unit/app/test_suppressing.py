"""natfix/app/suppressing.py: suppressions are read strictly, for a misspelt one would hide or show what nobody meant."""

from datetime import date

import pytest

from natfix.app.config import parse_config
from natfix.audit import Suppression
from natfix.errors import ConfigError
from natfix.ruleset import parse_network

WHOLE = """\
[[suppress]]
id = "NAT006"
reason = "the office"
until = 2027-03-31
chain = "POSTROUTING"
rule = "-o eth0 -j MASQUERADE"
source = "172.7.21.0/24"
host = "node1"
"""


def test_a_suppression_says_what_why_until_when_and_where() -> None:
    (made,) = parse_config(WHOLE.encode(), "x.toml").suppressions
    assert made == Suppression(
        id="NAT006",
        reason="the office",
        until=date(2027, 3, 31),
        chain="POSTROUTING",
        rule="-o eth0 -j MASQUERADE",
        source=parse_network("172.7.21.0/24"),
        host="node1",
    )
    assert str(made) == "NAT006 (x.toml: suppress 1)"


def test_id_reason_and_day_are_enough() -> None:
    text = "\n".join(WHOLE.splitlines()[:4])
    (made,) = parse_config(text.encode(), "x").suppressions
    assert (made.chain, made.rule, made.source, made.host) == ("", "", None, "")


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('id = "NAT006"\n', "", "x: suppress 1: id is missing"),
        ('reason = "the office"', 'reason = ""', "x: suppress 1: reason is missing"),
        ("until = 2027-03-31\n", "", "x: suppress 1: until is missing"),
        ("2027-03-31", '"2027-03-31"', "x: suppress 1: until must be a day, without quotes"),
        ("2027-03-31", "2027-03-31T12:00:00", "x: suppress 1: until must be a day, without quotes"),
        ('"POSTROUTING"', "1", "x: suppress 1: chain must be a text"),
        ('"172.7.21.0/24"', '"172.7.21.0/33"', "x: suppress 1: source is no network"),
        ("host =", "hosts =", "x: suppress 1: unknown key hosts"),
        ("[[suppress]]", "[suppress]", "x: suppress must be a list of tables"),
        (WHOLE, "suppress = [1]", "x: suppress must be a list of tables"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(old: str, new: str, problem: str) -> None:
    assert old in WHOLE
    with pytest.raises(ConfigError) as caught:
        parse_config(WHOLE.replace(old, new).encode(), "x")
    assert caught.value.message.startswith(problem)
    assert caught.value.hint is not None

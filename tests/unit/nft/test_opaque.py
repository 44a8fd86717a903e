"""natfix/nft/opaque.py: what can be said of rules of which nft knows no more than the names of their parts."""

import json
from typing import Any

import pytest

from natfix.nft import parse_nft
from natfix.nft.opaque import is_hidden, is_iptables, plain
from tests.unit.nft.test_listing import translated

FIELD = {"payload": {"protocol": "ip", "field": "saddr"}}
SADDR = {"match": {"op": "==", "left": FIELD, "right": {"prefix": {"addr": "10.0.0.0", "len": 8}}}}


def xt(kind: str, name: str) -> dict[str, Any]:
    return {"xt": {"type": kind, "name": name}}


def test_a_comment_and_masquerade_need_no_parameter() -> None:
    assert plain([SADDR, xt("match", "comment"), {"counter": None}, xt("target", "MASQUERADE")]) == [
        SADDR,
        {"counter": None},
        {"masquerade": None},
    ]
    assert translated([SADDR, xt("match", "comment"), xt("target", "MASQUERADE")]) == ["-s 10.0.0.0/8 -j MASQUERADE"]
    assert not is_hidden({"expr": [xt("match", "comment"), xt("target", "MASQUERADE")]})


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ([xt("match", "addrtype"), {"accept": None}], '-m nft --expression "xt match addrtype" -j ACCEPT'),
        ([SADDR, xt("target", "SNAT")], "-s 10.0.0.0/8 -j SNAT"),
        ([xt("target", "MARK")], "-j nft:mark"),
        ([xt("target", "TPROXY")], "-j nft:xt_TPROXY"),
        ([xt("target", "TCPMSS")], "-j TCPMSS"),
        ([{"xt": None}, {"accept": None}], r'-m nft --expression "{\"xt\":null}" -j ACCEPT'),
    ],
)
def test_of_others_the_name_tells_what_may_be(parts: list[dict[str, Any]], words: str) -> None:
    assert is_hidden({"expr": parts})
    assert translated(parts) == [words]


def test_of_what_nothing_is_told_it_may_be_anything() -> None:
    assert translated([SADDR, {"xt": None}]) == [
        r'-s 10.0.0.0/8 -m nft --expression "{\"xt\":null}" -j nft:xt',
        r'-s 10.0.0.0/8 -m nft --expression "{\"xt\":null}" -j MASQUERADE',
    ]


def test_the_words_of_iptables_are_believed() -> None:
    words = "-m addrtype --src-type LOCAL -j MASQUERADE"
    rule = {"chain": "p", "expr": [xt("match", "addrtype"), xt("target", "MASQUERADE")], "iptables": words}
    assert is_hidden(rule)
    place = {"family": "ip", "table": "t"}
    chain = {"name": "p", "type": "nat", "hook": "postrouting", "prio": 100, "policy": "accept"}
    objects = [{"table": {"family": "ip", "name": "t"}}, {"chain": {**place, **chain}}, {"rule": {**place, **rule}}]
    (base,) = parse_nft(json.dumps({"nftables": objects}).encode(), "listing").chains
    found = base.table.chain("p")
    assert found is not None
    assert [(each.spec, str(each)) for each in found.rules] == [(words, words)]


def test_tables_of_iptables_are_known_by_family_and_name() -> None:
    assert [is_iptables(*each) for each in (("ip", "nat"), ("ip6", "filter"), ("inet", "nat"), ("ip", "own"))] == [
        True,
        True,
        False,
        False,
    ]

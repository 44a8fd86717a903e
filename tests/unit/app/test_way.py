"""natfix/app/way.py: what packets pass on a host beside a nat table."""

import json

from natfix.app.check import check_texts, look_at_host
from natfix.app.ports import Backend
from natfix.app.way import Beside, Way, in_text
from natfix.audit import Severity
from natfix.audit.subject import subject_of
from natfix.host.memory.filtering import MemoryFilters
from natfix.host.memory.network import MemoryLinks
from natfix.nft import parse_nft
from natfix.report.model import CheckResult
from natfix.ruleset import Family, Ruleset, parse
from tests.unit.app.test_native import listing
from tests.unit.app.twins import BROAD, CATALOGUE, CLUSTER4, CLUSTER6, CORRECTED, DOCKER0, ETH0, LEGACY4, NFT4, NFT6, Table, nat

UNTRACKED = "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -i docker0 -j CT --notrack\nCOMMIT\n"
MARKING = "*mangle\n:FORWARD ACCEPT [0:0]\n-A FORWARD -i docker0 -j MARK --set-xmark 0x1/0xffffffff\nCOMMIT\n"
FOR_MARKED = "-m mark --mark 0x1 -j MASQUERADE"


def check_text(text: str) -> CheckResult:
    return check_texts([parse(text.encode(), "dump.save")], (CLUSTER4, CLUSTER6), CATALOGUE)


def held(backend: Backend) -> tuple[Backend, Ruleset]:
    return backend, parse(nat(BROAD).encode(), str(backend), backend.family)


def test_the_tables_of_a_text_are_followed_together() -> None:
    (finding,) = check_text(UNTRACKED + nat(BROAD)).findings
    assert (finding.severity, finding.shielded_by) == (Severity.INFO, "rule 1 of PREROUTING in raw (dump.save)")
    (finding,) = check_text(MARKING + nat(FOR_MARKED, CORRECTED)).findings
    assert [str(each) for each in finding.marked] == ["rule 1 of FORWARD in mangle (dump.save)"]


def test_a_text_without_such_tables_is_left_as_it_is() -> None:
    ruleset = parse(nat(BROAD).encode(), "dump.save")
    subject = subject_of(ruleset, Family.IPV4, CLUSTER4.networks)
    assert subject is not None
    assert in_text(subject, ruleset) is subject


def test_the_tables_of_both_backends_are_followed_together() -> None:
    table, links = Table(NFT4, [], FOR_MARKED, CORRECTED), MemoryLinks((DOCKER0, ETH0), ())
    (looked,) = look_at_host([table], (CLUSTER4,), links, CATALOGUE, filters=MemoryFilters({LEGACY4: MARKING}))
    (finding,) = [each for each in looked.checked.findings if each.marked]
    assert str(finding.marked[0]) == "rule 1 of FORWARD in mangle (iptables-legacy)"
    assert set(looked.subject.filtering) == set(), "it is the other backend's"


def test_where_nothing_is_asked_before_nothing_is_found() -> None:
    way = Way.of([held(NFT4)], MemoryFilters())
    assert (way.places, set(way.rulesets)) == ((), {NFT4, LEGACY4})
    (table,) = held(NFT4)[1].tables
    assert way.before(table, "iptables-nft") == ()
    assert Beside().way.before(table, "iptables-nft") == ()


def test_every_family_that_has_a_table_is_asked_for_others() -> None:
    own = parse_nft(listing(("ip6", "own")), "nft")
    assert {each.family for each in Way.of([held(NFT4)], MemoryFilters(), own).rulesets} == set(Family)
    assert {place.origin for place in Way.of([held(NFT6)], MemoryFilters(), own).places} == {"table ip6 own", "ip6tables-nft"}


def test_tables_of_nft_s_own_tell_their_names_for_subnets_but_for_the_guard() -> None:
    own = parse_nft(listing(("ip", "own"), ("ip", "natfix")), "nft")
    (table,) = Way.of([held(NFT4)], MemoryFilters(), own).own
    assert [str(rule) for rule in table.reached_from("POSTROUTING")[0].rules] == ["oifname != docker0 masquerade"]


def test_tables_that_nft_tells_in_the_place_of_iptables_count_once() -> None:
    chain = {"name": "FORWARD", "type": "filter", "hook": "forward", "prio": -150, "policy": "accept"}
    place = {"family": "ip", "table": "mangle"}
    flip = [{"mangle": {"key": {"meta": {"key": "mark"}}, "value": {"^": [{"meta": {"key": "mark"}}, 1]}}}]
    objects = [
        {"table": {"family": "ip", "name": "mangle"}},
        {"chain": {**place, **chain}},
        {"rule": {**place, "chain": "FORWARD", "handle": 2, "expr": flip}},
    ]
    nft = parse_nft(json.dumps({"nftables": objects}).encode(), "nft")
    way = Way.of([], MemoryFilters({NFT4: MARKING}), nft)
    assert [(each.origin, each.where) for each in way.places] == [("table ip mangle", "FORWARD")]
    assert set(way.rulesets) == {LEGACY4}

"""natfix/audit/suppression.py: what is left out, for whom, until when, and what is said about it."""

from datetime import date

import pytest

from natfix.audit import Finding, Suppression, Suppressions, audit_table
from natfix.ruleset import parse_network
from tests.unit.audit.subjects import kind, subject

DAY = date(2026, 11, 23)
BY_JUMP = subject("-s 172.7.21.0/24 -j OUT", chains={"OUT": ["-o eth0 -j MASQUERADE"]})


def finding() -> Finding:
    (found,) = audit_table(BY_JUMP, [kind()])
    return found


def suppression(**scope: object) -> Suppression:
    return Suppression(**{"id": "T001", "reason": "known", "until": DAY, "place": "x: suppress 1", **scope})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "scope",
    [
        {},
        {"chain": "OUT"},
        {"rule": "-o eth0 -j MASQUERADE"},
        {"rule": "-A OUT -o eth0 -j MASQUERADE"},
        {"source": parse_network("172.7.21.0/24")},
        {"source": parse_network("172.7.0.0/16"), "chain": "OUT"},
    ],
)
def test_all_that_a_scope_says_must_hold(scope: dict[str, object]) -> None:
    assert suppression(**scope).covers(finding())


@pytest.mark.parametrize(
    "scope",
    [
        {"id": "T002"},
        {"chain": "POSTROUTING"},
        {"rule": "-o eth1 -j MASQUERADE"},
        {"source": parse_network("172.7.21.0/25")},
        {"source": parse_network("fd00::/8")},
        {"source": parse_network("172.7.0.0/16"), "chain": "POSTROUTING"},
    ],
)
def test_what_is_outside_of_a_scope_is_not_covered(scope: dict[str, object]) -> None:
    assert not suppression(**scope).covers(finding())


def test_it_holds_through_its_last_day_and_on_its_host() -> None:
    last, over = suppression(), suppression(until=date(2026, 11, 22))
    here, elsewhere = suppression(host="node1"), suppression(host="node2")
    all_of_them = Suppressions((last, over, here, elsewhere), DAY, "node1")
    assert all_of_them.holding == (last, here)
    assert all_of_them.expired == (over,)
    assert Suppressions((over, elsewhere), DAY, "node1").of(finding()) is None
    assert all_of_them.of(finding()) == last


def test_a_suppression_for_a_host_never_holds_for_a_text() -> None:
    assert Suppressions((suppression(host="node1"),), DAY).holding == ()


def test_what_was_left_out_what_is_unused_and_what_is_over_is_said() -> None:
    used, unused, over = suppression(), suppression(chain="A", place=""), suppression(until=date(2026, 1, 1))
    notes = Suppressions((used, unused, over), DAY).notes([used, used])
    assert notes == (
        "2 findings suppressed by T001 (x: suppress 1) until 2026-11-23: known",
        "the suppression T001 covers no finding; take it out",
        "the suppression T001 (x: suppress 1) was over on 2026-01-01, and is of no effect",
    )
    assert Suppressions((used,), DAY).notes([used])[0].startswith("1 finding suppressed by ")

"""natfix/audit/baseline.py: findings that are known, by what stays the same as long as they do."""

from typing import Any

import pytest

from natfix.audit import audit_table
from natfix.audit.baseline import Baseline, Known
from natfix.errors import ConfigError
from natfix.ruleset import Family
from tests.unit.audit.subjects import BROAD, kind, subject

KNOWN = {"id": "T001", "family": "ipv4", "table": "nat", "rule": f"-A POSTROUTING {BROAD}"}


def test_a_baseline_is_written_sorted_and_read_again() -> None:
    other = "-s 172.7.121.0/24 ! -o br-1 -j MASQUERADE"
    baseline = Baseline.of((each, Family.IPV4) for each in audit_table(subject(BROAD, other), [kind()]))
    data = baseline.to_json()
    assert data == {"schema": 1, "known": [{**KNOWN, "rule": f"-A POSTROUTING {other}"}, KNOWN]}
    assert Baseline.from_json(data, "b.json") == baseline


def test_bytes_that_are_no_text_are_known_as_json_can_say_them() -> None:
    (finding,) = audit_table(subject(f'-m comment --comment "\udcff" {BROAD}'), [kind()])
    assert Known.of(finding, Family.IPV4).rule == f'-A POSTROUTING -m comment --comment "\ufffd" {BROAD}'


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"schema": 2, "known": []}, "b.json is of version 2"),
        ({"known": []}, "b.json is no baseline: "),
        ([], "b.json is no baseline: "),
        ({"schema": 1, "known": [{"id": "T001"}]}, "b.json is no baseline: "),
        ({"schema": 1, "known": [{**KNOWN, "rule": 1}]}, "b.json is no baseline: it holds what is no text"),
    ],
)
def test_what_is_no_baseline_is_refused_by_name(data: Any, problem: str) -> None:  # noqa: ANN401  (JSON)
    with pytest.raises(ConfigError) as caught:
        Baseline.from_json(data, "b.json")
    assert caught.value.message.startswith(problem)
    assert caught.value.hint is not None

"""natfix/app/baseline.py: what is known is left out, counted, and missed when it is gone."""

from dataclasses import replace

from natfix.app.baseline import baseline_of, without_known
from natfix.app.check import look_at_text
from natfix.app.cluster import Cluster
from natfix.audit.baseline import Baseline
from natfix.report.model import CheckResult
from natfix.ruleset import parse, parse_network
from tests.unit.audit.subjects import BROAD, kind

CLUSTER = [Cluster((parse_network("172.7.0.0/16"),), "--cluster-cidr")]
OTHER = "-s 172.7.121.0/24 ! -o br-1 -j MASQUERADE"


def found(*rules: str) -> CheckResult:
    nat = "".join(f"-A POSTROUTING {rule}\n" for rule in rules)
    text = f"*nat\n:POSTROUTING ACCEPT [0:0]\n{nat}COMMIT\n"
    return look_at_text(parse(text.encode(), "x"), CLUSTER, [kind()], charts=True)


def test_only_what_is_new_is_left_with_its_picture() -> None:
    now = found(BROAD, OTHER)
    left = without_known(now, baseline_of(found(BROAD)), "b.json")
    assert [finding.rule.spec for finding in left.findings] == [OTHER]
    assert left.tables[0].charts == now.tables[0].charts[1:]
    assert (left.left_out, left.notes) == (1, ("1 known finding left out (b.json)",))


def test_what_is_known_and_gone_is_said() -> None:
    known = baseline_of(found(BROAD, OTHER))
    assert without_known(found(OTHER), known, "b.json").notes == (
        "1 known finding left out (b.json)",
        "1 of 2 known findings are gone; write b.json anew",
    )
    assert without_known(found(), known, "b.json").notes == ("2 of 2 known findings are gone; write b.json anew",)
    assert without_known(found(BROAD, OTHER), known, "b.json").notes == ("2 known findings left out (b.json)",)


def test_knowing_nothing_changes_nothing_and_knowing_twice_counts_both() -> None:
    now = found(BROAD, OTHER)
    assert without_known(now, Baseline(), "b.json") == now
    once = without_known(now, baseline_of(found(BROAD)), "b.json")
    twice = without_known(replace(once, notes=()), baseline_of(found(OTHER)), "c.json")
    assert (twice.findings, twice.left_out) == ((), 2)

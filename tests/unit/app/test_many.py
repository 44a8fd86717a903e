import pickle

import pytest

from natfix.app.many import check_many, illustrated
from natfix.errors import NatfixError, RulesetSyntaxError, UsageError
from natfix.host.memory.workers import MemoryWorkers
from natfix.report.model import CheckedTable, CheckResult
from natfix.ruleset import Family
from tests.unit.report.results import CLUSTER, looked_at, simple, unread


def look(source: str) -> CheckResult:
    """Look at a text that is what its name says."""
    if source == "broken":
        raise RulesetSyntaxError("this is no line", source=source, line=7, column=3, text="xx xx")
    if source == "unjudged":
        return CheckResult((CheckedTable(source, live=False, family=Family.IPV4, rules=3, cluster=None),))
    return looked_at(simple(), source)


def test_many_sources_are_looked_at_in_their_order() -> None:
    result = check_many(["b", "a", "c"], look, MemoryWorkers())
    assert [table.source for table in result.tables] == ["b", "a", "c"]
    assert len(result.findings) == 3
    assert result.clusters == (CLUSTER,)


def test_one_that_cannot_be_read_is_told_with_its_place_and_stops_no_other() -> None:
    result = check_many(["a", "broken", "c"], look, MemoryWorkers())
    assert [table.source for table in result.tables] == ["a", "c"]
    (broken,) = result.unread
    assert (broken.source, broken.line, broken.column, broken.problem) == ("broken", 7, 3, "this is no line")


def test_one_source_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(RulesetSyntaxError):
        check_many(["broken"], look, MemoryWorkers())


def test_several_that_can_none_be_read_are_all_told() -> None:
    result = check_many(["broken", "broken"], look, MemoryWorkers())
    assert (result.tables, len(result.unread)) == ((), 2)


def test_each_source_is_told_when_it_was_looked_at() -> None:
    steps: list[int] = []
    check_many(["a", "broken", "c"], look, MemoryWorkers(), lambda: steps.append(len(steps)))
    assert steps == [0, 1, 2]


def test_a_defect_stops_everything() -> None:
    def fail(source: str) -> CheckResult:
        raise ZeroDivisionError(source)

    with pytest.raises(ZeroDivisionError):
        check_many(["a", "b"], fail, MemoryWorkers())


def test_a_missing_cluster_is_one_error_that_names_a_few() -> None:
    sources = ["unjudged"] * 3
    with pytest.raises(UsageError, match=r"known for unjudged\n"):
        check_many(sources, look, MemoryWorkers())

    def unjudged(source: str) -> CheckResult:
        return CheckResult((CheckedTable(source, live=False, family=Family.IPV4, rules=3, cluster=None),))

    with pytest.raises(NatfixError, match=r"known for a, b, c and 2 more\n"):
        check_many(list("abcde"), unjudged, MemoryWorkers())


def test_the_error_of_an_unread_source_is_kept_whole() -> None:
    assert "^" in unread().message


def drawn(source: str) -> CheckResult:
    """Look at a text with pictures."""
    return look(source) if source == "broken" else looked_at(simple(), source)


def plain(source: str) -> CheckResult:
    """Look at a text without pictures; one is empty, as of a host without NAT."""
    if source == "empty":
        return CheckResult((), ("empty holds no nat table",))
    return looked_at(simple(), source, charts=False)


def test_a_source_without_a_nat_table_is_a_source_all_the_same() -> None:
    result = check_many(["a", "empty", "b"], plain, MemoryWorkers())
    assert (result.empty, result.sources) == (("empty",), ("a", "b", "empty"))


def test_findings_of_many_sources_share_their_audit_rules() -> None:
    def copied(source: str) -> CheckResult:
        made: CheckResult = pickle.loads(pickle.dumps(plain(source)))  # noqa: S301  (our own)
        return made

    one, other = check_many(["a", "b"], copied, MemoryWorkers()).findings
    assert one.kind is other.kind


def test_only_what_a_page_shows_is_looked_at_again() -> None:
    asked: list[str] = []

    def again(source: str) -> CheckResult:
        asked.append(source)
        return drawn(source)

    names = [f"h{number}" for number in range(12)]
    result = illustrated(check_many(names, plain, MemoryWorkers()), again)
    assert asked == ["h0"]
    assert [len(table.charts) for table in result.tables] == [1] + [0] * 11
    assert result.places[0].chart is not None
    few = illustrated(check_many(names[:5], plain, MemoryWorkers()), drawn)
    assert [len(table.charts) for table in few.tables] == [1, 1, 1, 0, 0]


def test_a_source_that_became_another_in_between_gets_no_picture() -> None:
    result = check_many(["a", "b"], plain, MemoryWorkers())
    gone = illustrated(result, lambda _: look("broken"))
    assert [table.charts for table in gone.tables] == [(), ()]
    other = illustrated(result, lambda source: looked_at(simple("-s 172.7.9.0/24 ! -o docker9 -j MASQUERADE"), source))
    assert [table.charts for table in other.tables] == [(None,), (None,)]
    assert other.findings == result.findings

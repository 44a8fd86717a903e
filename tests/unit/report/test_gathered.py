"""natfix/report/gathered.py: what a check of several sources adds."""

from natfix.errors import BusyError
from natfix.report.gathered import PICTURED, Unread, pictured
from tests.unit.report.results import TEXT, crowd, fleet, looked_at, unread


def test_findings_are_grouped_by_kind_the_worst_first() -> None:
    groups = looked_at(TEXT).groups
    assert [(group.kind.id, str(group.severity), len(group.places)) for group in groups] == [
        ("NAT001", "high", 1),
        ("NAT002", "high", 1),
        ("NAT003", "high", 1),
        ("NAT006", "high", 1),
        ("NAT005", "medium", 1),
    ]
    (many,) = crowd(3).groups
    assert (len(many.places), many.sources) == (3, 3)


def test_what_could_not_be_read_keeps_what_the_error_said() -> None:
    broken = unread()
    assert (broken.line, broken.exit_code, broken.column > 1) == (3, 2, True)
    assert broken.problem in broken.message
    assert str(broken).startswith("broken,1.save, line 3, column")
    busy = Unread.of("x", BusyError("taken", hint="Wait."))
    assert (busy.line, busy.column, busy.exit_code, busy.problem, str(busy)) == (0, 0, 6, "taken", "taken\n  Wait.")
    assert str(Unread.of("x", BusyError("taken"))) == "taken"


def test_pictures_are_of_a_few_findings_of_each_kind_and_of_many_sources_of_each_case() -> None:
    assert [place.table.source for place in pictured(crowd(8))] == ["h1.save", "h2.save", "h3.save"]
    assert len(crowd(8).places[:PICTURED]) == PICTURED
    assert [place.table.file for place in pictured(fleet(24))] == ["host004.example.net.natfix", "host001.example.net.natfix"]

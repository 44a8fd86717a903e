"""natfix/report/node_changes.py: what the agent would do, and what was cleared."""

from natfix.report.changes import Change, ChangeResult
from natfix.report.lines import plain
from natfix.report.node_changes import node_lines

ROUTE = Change("routes and tunnels", ("--- routes and tunnels", "+++ routes and tunnels", "-route 172.7.22.0/24"))


def lines(result: ChangeResult) -> list[str]:
    return plain(node_lines(result)).splitlines()


def test_what_was_cleared_is_shown_and_named_once() -> None:
    result = ChangeResult("node clear", done=True, changes=(ROUTE, ROUTE), notes=("no lease",))
    assert lines(result) == [*ROUTE.diff, *ROUTE.diff, "", "note: no lease", "cleared: routes and tunnels"]


def test_a_plan_is_said_to_be_one() -> None:
    assert (
        lines(ChangeResult("node run", done=False, changes=(ROUTE,)))[-1] == "natfix node run would change routes and tunnels"
    )


def test_nothing_is_said_to_be_nothing() -> None:
    assert lines(ChangeResult("node clear", done=False)) == ["nothing to do"]

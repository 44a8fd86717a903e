"""The lab's story, told to hosts in memory."""

from natfix.app.lab import CASES, OUTSIDE, POD_A, POD_B, run_lab
from natfix.host.lab.memory import NARROW, MemoryHosts
from natfix.report.lab import Moment


def test_everything_is_as_predicted_when_natfix_repairs() -> None:
    hosts = MemoryHosts()
    assert run_lab(hosts, lambda _: None).ok
    assert hosts.rules == [NARROW]


def test_a_natfix_that_repairs_nothing_is_found_out() -> None:
    result = run_lab(MemoryHosts(repairs=False), lambda _: None)
    assert not result.ok
    assert [row.case.name for row in result.rows if not row.ok] == ["pod A to pod B"]
    assert [command.words[1] for command in result.commands if not command.ok] == ["check", "check"]


def test_the_three_guesses_and_the_way_out_are_looked_at_each_time() -> None:
    hosts = MemoryHosts()
    result = run_lab(hosts, lambda _: None)
    assert [row.case for row in result.rows] == list(CASES)
    assert all(set(row.seen) == set(Moment) for row in result.rows)
    assert len(hosts.asked) == len(set(hosts.asked)) == len(CASES) * len(Moment)
    assert hosts.asked[0] == "outside-to-pod-B-before"


def test_check_comes_before_and_after_each_apply() -> None:
    result = run_lab(MemoryHosts(), lambda _: None)
    assert [(command.moment, command.words[1]) for command in result.commands] == [
        (Moment.BEFORE, "check"),
        (Moment.AFTER, "apply"),
        (Moment.AFTER, "check"),
        (Moment.RESTARTED, "check"),
        (Moment.AGAIN, "apply"),
        (Moment.AGAIN, "check"),
    ]


def test_natfix_is_told_the_cluster_and_to_leave_files_alone() -> None:
    commands = run_lab(MemoryHosts(), lambda _: None).commands
    assert all(command.words[2:4] == ("--cluster-cidr", "172.7.0.0/16") for command in commands)
    assert all(("--no-persist" in command.words) == (command.words[1] == "apply") for command in commands)


def test_somebody_who_waits_hears_of_each_step() -> None:
    told: list[str] = []
    run_lab(MemoryHosts(), told.append)
    assert len(told) == len(Moment)


def test_only_pod_to_pod_is_spoilt_by_dockers_rule() -> None:
    assert {(case.sender, case.receiver) for case in CASES if case.spoilt} == {(POD_A, POD_B)}
    assert {case.expected for case in CASES if case.sender == OUTSIDE} == {OUTSIDE.address}

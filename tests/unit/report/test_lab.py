"""What a run of the lab showed: verdicts, the table, the document."""

from dataclasses import replace

from natfix.report.lab import Case, Command, LabResult, Moment, Place, Row, lab_document, lab_lines
from natfix.report.lines import plain

POD_A = Place("pod A", "172.7.21.2")
POD_B = Place("pod B", "172.7.22.2")
NODE = "10.4.7.21"
CASE = Case("pod A to pod B", POD_A, POD_B, expected=POD_A.address, spoilt=NODE)
AS_PREDICTED = {moment: CASE.predicted(moment) for moment in Moment}
CHECK = Command(Moment.BEFORE, ("natfix", "check"), wanted=1, exit_code=1, output="over-broad\n\nrule 1\n")
RESULT = LabResult("nft", "", (POD_A, POD_B), (Row(CASE, AS_PREDICTED),), (CHECK,))

TEXT = """\
Two container hosts in network namespaces, iptables-nft, Docker's rule put in as Docker does.
They are joined to each other and to one outside machine, and to nothing else.

  pod A    172.7.21.2
  pod B    172.7.22.2

host A (before) $ natfix check   # exit 1
    over-broad

    rule 1

The source address that the far end saw:

case            expected    before         after       after restart  applied again
--------------  ----------  -------------  ----------  -------------  -------------  --
pod A to pod B  172.7.21.2  10.4.7.21 (!)  172.7.21.2  10.4.7.21 (!)  172.7.21.2     ok

As it should be: (!) appears only while Docker's own rule is in force, which natfix corrects,
and which a restart of Docker puts back.
"""


def test_dockers_rule_spoils_what_it_stands_before_and_after_a_restart() -> None:
    assert {
        Moment.BEFORE: NODE,
        Moment.AFTER: POD_A.address,
        Moment.RESTARTED: NODE,
        Moment.AGAIN: POD_A.address,
    } == AS_PREDICTED


def test_a_case_that_the_rule_does_not_concern_is_the_same_at_every_moment() -> None:
    case = replace(CASE, spoilt="")
    assert {case.predicted(moment) for moment in Moment} == {POD_A.address}


def test_a_row_is_ok_only_when_every_moment_is_as_predicted() -> None:
    assert Row(CASE, AS_PREDICTED).ok
    for moment in Moment:
        assert not Row(CASE, AS_PREDICTED | {moment: "no answer"}).ok


def test_a_rule_that_spoils_nothing_is_as_wrong_as_one_that_stays() -> None:
    assert not Row(CASE, dict.fromkeys(Moment, POD_A.address)).ok
    assert not Row(CASE, dict.fromkeys(Moment, NODE)).ok


def test_a_run_is_ok_when_rows_and_commands_are() -> None:
    assert RESULT.ok
    assert not replace(RESULT, rows=(Row(CASE, dict.fromkeys(Moment, NODE)),)).ok
    assert not replace(RESULT, commands=(replace(CHECK, exit_code=2),)).ok


def test_the_text_shows_hosts_commands_table_and_verdict() -> None:
    assert plain(lab_lines(RESULT, {})) == TEXT


def test_the_text_marks_the_row_and_the_command_that_are_wrong() -> None:
    wrong = replace(RESULT, rows=(Row(CASE, dict.fromkeys(Moment, NODE)),), commands=(replace(CHECK, exit_code=2),))
    text = plain(lab_lines(wrong, {}))
    assert "host A (before) $ natfix check   # exit 2, and 1 was wanted\n" in text
    assert "10.4.7.21 (!)  10.4.7.21 (!)  10.4.7.21 (!)  10.4.7.21 (!)  WRONG\n" in text
    assert text.endswith("\n\nNOT as it should be: see WRONG in the table, or a command that ended otherwise than wanted.\n")


def test_the_text_names_dockerd_and_shows_the_servers_log() -> None:
    text = plain(lab_lines(replace(RESULT, docker="20.10.24", server_log=("172.7.21.2: url:/",)), {}))
    assert text.startswith("Two container hosts in network namespaces, iptables-nft, a real dockerd 20.10.24 in each.\n")
    assert "\n\nThe log of the server in pod B:\n    172.7.21.2: url:/\n\n" in text


def test_the_text_tells_how_to_enter_what_was_kept() -> None:
    text = plain(lab_lines(RESULT, {"host-a": "nsenter a", "outside": "nsenter o"}))
    assert text.endswith("enter\n  host-a   nsenter a\n  outside  nsenter o\n")


def test_the_document_holds_all_of_it() -> None:
    assert lab_document(RESULT, {"host-a": "nsenter a"}) == {
        "version": 1,
        "ok": True,
        "backend": "nft",
        "docker": None,
        "places": {"pod A": "172.7.21.2", "pod B": "172.7.22.2"},
        "cases": [
            {
                "name": "pod A to pod B",
                "from": {"name": "pod A", "address": "172.7.21.2"},
                "to": {"name": "pod B", "address": "172.7.22.2", "port": 80},
                "expected": "172.7.21.2",
                "predicted": {moment.value: address for moment, address in AS_PREDICTED.items()},
                "seen": {moment.value: address for moment, address in AS_PREDICTED.items()},
                "ok": True,
            }
        ],
        "commands": [
            {
                "moment": "before",
                "command": ["natfix", "check"],
                "wanted_exit_code": 1,
                "exit_code": 1,
                "output": "over-broad\n\nrule 1\n",
                "ok": True,
            }
        ],
        "server_log": [],
        "entrances": {"host-a": "nsenter a"},
    }


def test_the_document_names_dockerd() -> None:
    assert lab_document(replace(RESULT, docker="20.10.24"), {})["docker"] == "20.10.24"


def test_what_is_wrong_stands_out() -> None:
    wrong = replace(RESULT, rows=(Row(CASE, dict.fromkeys(Moment, NODE)),), commands=(replace(CHECK, exit_code=2),))
    assert not [line for line in lab_lines(RESULT, {}) if line.style == "bad"]
    assert len([line for line in lab_lines(wrong, {}) if line.style == "bad"]) == 3

"""What installing units says to people."""

from natfix.report.changes import Change, ChangeResult
from natfix.report.installing import installing_lines
from natfix.report.lines import Line

UNIT = Change("/etc/systemd/system/natfix-watch.service", ("--- /dev/null", "+++ natfix-watch.service", "+[Unit]"))


def texts(result: ChangeResult) -> list[str]:
    return [line.text for line in installing_lines(result)]


def test_a_plan_shows_each_file_and_says_would() -> None:
    assert texts(ChangeResult("install", done=False, changes=(UNIT,))) == [
        "--- /dev/null",
        "+++ natfix-watch.service",
        "+[Unit]",
        "",
        "natfix install would change /etc/systemd/system/natfix-watch.service",
    ]


def test_what_is_done_names_the_files() -> None:
    assert texts(ChangeResult("install", done=True, changes=(UNIT,)))[-1] == (
        "installed and started: /etc/systemd/system/natfix-watch.service"
    )
    assert texts(ChangeResult("uninstall", done=True, changes=(UNIT,)))[-1] == (
        "uninstalled: /etc/systemd/system/natfix-watch.service"
    )


def test_a_second_install_says_that_no_file_had_to_change() -> None:
    assert texts(ChangeResult("install", done=True)) == ["installed and started: no file had to change"]


def test_an_uninstall_of_nothing_has_nothing_to_do() -> None:
    assert texts(ChangeResult("uninstall", done=False)) == ["nothing to do"]


def test_notes_are_warnings() -> None:
    result = ChangeResult("uninstall", done=True, notes=("it was changed: it stays as it is",))
    assert Line("note: it was changed: it stays as it is", "warn") in list(installing_lines(result))

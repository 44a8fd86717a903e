"""Which unit files natfix puts in place, and how they call it."""

import pytest

from natfix.app.unit_files import Mode, UnitSet, calling, supervised, units_of

ALWAYS = ("natfix-restore.service", "natfix-follow.service")
LATE = ("natfix-settle.service", "natfix-reload.service")


def test_every_mode_follows_a_boot_and_restored_rulesets() -> None:
    for mode in Mode:
        assert set(ALWAYS) <= set(units_of([mode]).files) & set(units_of([mode]).enabled)


def test_the_drop_in_is_obeyed_without_being_enabled() -> None:
    assert units_of([Mode.DROP_IN]) == UnitSet((*ALWAYS, *LATE, "docker.service.d/natfix.conf"), (*ALWAYS, *LATE))


def test_modes_can_be_had_together_each_file_once() -> None:
    both = units_of([Mode.WATCH, Mode.DROP_IN])
    assert both.files == (*ALWAYS, "natfix-watch.service", *LATE, "docker.service.d/natfix.conf")


def test_nothing_is_enabled_that_is_not_put_in_place() -> None:
    units = units_of(Mode)
    assert set(units.enabled) <= set(units.files)


@pytest.mark.parametrize(
    ("word", "spelt"),
    [
        ("/usr/bin/python3", "/usr/bin/python3"),
        ("/opt/my tools/python3", '"/opt/my tools/python3"'),
        ("/opt/100%/python3", '"/opt/100%%/python3"'),
        ("/opt/$HOME/python3", '"/opt/$$HOME/python3"'),
        ('/opt/"q"\\/python3', '"/opt/\\"q\\"\\\\/python3"'),
    ],
)
def test_systemd_takes_each_word_of_the_command_as_it_is(word: str, spelt: str) -> None:
    text = "# /usr/bin/natfix\nExecStart=-/usr/bin/natfix restore\n"
    assert calling(text, [word, "-m", "natfix"]) == f"# /usr/bin/natfix\nExecStart=-{spelt} -m natfix restore\n"


def test_a_command_in_the_middle_of_a_line_is_replaced_too() -> None:
    text = "ExecStartPost=-/usr/bin/timeout 45 /usr/bin/natfix restore\n"
    assert calling(text, ["/p", "-m", "natfix"]) == "ExecStartPost=-/usr/bin/timeout 45 /p -m natfix restore\n"


def test_supervisor_takes_each_word_of_the_command_as_it_is() -> None:
    text = "command=/usr/bin/natfix watch\nuser=root\n"
    assert supervised(text, ["/opt/a b/100%"]) == "command='/opt/a b/100%%' watch\nuser=root\n"


def test_a_home_that_holds_natfix_is_seen_by_its_units() -> None:
    text = "[Service]\n# ProtectHome=yes\nProtectHome=yes\nUMask=0077\n"
    assert calling(text, ["/p"]) == text
    assert calling(text, ["/p"], in_home=True) == "[Service]\n# ProtectHome=yes\nProtectHome=read-only\nUMask=0077\n"

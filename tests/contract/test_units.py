"""Unit files: the twin, and systemctl on a root directory that does not run."""

from collections.abc import Callable
from pathlib import Path

import pytest

from natfix.app.units import Units
from natfix.errors import HostError, UnsupportedError
from natfix.host.files import HostFiles
from natfix.host.memory.units import MemoryUnits
from natfix.host.units import HostUnits, lies_in_home, packaged_files
from tests.conftest import missing_for

UNIT = b"[Service]\nType=oneshot\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target docker.service\n"
NAME, DROP_IN = "natfix-test.service", "docker.service.d/natfix.conf"


def host(folder: Path) -> HostUnits:
    """The units of a system in a folder; systemctl belongs to root alone."""
    if missing := missing_for(["systemctl"]):
        pytest.skip(f"needs {missing}")
    return HostUnits(HostFiles(), str(folder))


MAKERS: dict[str, Callable[[Path], Units]] = {"memory": lambda _: MemoryUnits(), "host": host}


@pytest.fixture(params=MAKERS)
def units(request: pytest.FixtureRequest, tmp_path: Path) -> Units:
    """Both, without any unit file."""
    return MAKERS[request.param](tmp_path)


def test_nothing_is_there_at_first(units: Units) -> None:
    units.require()
    assert (units.read(NAME), units.recall()) == (None, None)


@pytest.mark.parametrize("name", [NAME, DROP_IN])
def test_what_was_put_in_place_is_read_replaced_and_removed(units: Units, name: str) -> None:
    units.place(name, b"old")
    units.place(name, UNIT)
    assert units.read(name) == UNIT
    units.remove(name)
    units.remove(name)
    assert units.read(name) is None


def test_enabled_is_what_has_a_file(units: Units) -> None:
    units.place(NAME, UNIT)
    units.reload()
    units.enable([NAME])
    units.enable([NAME])
    with pytest.raises(HostError, match=r"natfix-other.service does not exist"):
        units.enable(["natfix-other.service"])


def test_disabled_can_be_what_never_was_enabled_or_never_was_there(units: Units) -> None:
    units.place(NAME, UNIT)
    units.disable([NAME, "natfix-other.service"])
    units.enable([NAME])
    units.disable([NAME])
    units.enable([])


def test_what_is_remembered_is_recalled_until_it_is_forgotten(units: Units) -> None:
    units.remember(b"one")
    units.remember(b"two")
    assert units.recall() == b"two"
    units.remember(None)
    units.remember(None)
    assert units.recall() is None


def test_a_host_without_systemd_is_told_of_supervisor(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError) as caught:
        HostUnits(HostFiles(), booted=str(tmp_path / "missing")).require()
    assert "natfix install --supervisor" in str(caught.value.hint)


def test_links_are_made_and_nothing_of_them_stays(tmp_path: Path) -> None:
    units = host(tmp_path)
    for name in (NAME, DROP_IN):
        units.place(name, UNIT)
    units.remember(b"x")
    units.enable([NAME])
    wants = [tmp_path / f"etc/systemd/system/{target}.wants/{NAME}" for target in ("docker.service", "multi-user.target")]
    assert all(path.is_symlink() for path in wants)
    units.disable([NAME])
    for name in (NAME, DROP_IN):
        units.remove(name)
    units.remember(None)
    assert [path for path in tmp_path.rglob("*") if not path.is_dir()] == []
    assert not (tmp_path / "etc/systemd/system/docker.service.d").exists()
    assert not (tmp_path / "etc/systemd/system/docker.service.wants").exists()
    assert not (tmp_path / "var/lib/natfix").exists()


def test_a_folder_that_holds_more_stays(tmp_path: Path) -> None:
    units = host(tmp_path)
    units.place(DROP_IN, UNIT)
    other = tmp_path / "etc/systemd/system/docker.service.d/proxy.conf"
    other.write_text("[Service]\n")
    units.remove(DROP_IN)
    assert other.exists()


def test_a_root_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="is no folder"):
        host(tmp_path / "missing").require()


def test_unit_files_are_readable_for_all_and_the_memory_for_root_alone(tmp_path: Path) -> None:
    units = host(tmp_path)
    units.place(NAME, UNIT)
    units.remember(b"x")
    assert (tmp_path / "etc/systemd/system" / NAME).stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "var/lib/natfix").stat().st_mode & 0o777 == 0o700


def test_the_packaged_files_are_found() -> None:
    assert {"natfix-watch.service", DROP_IN} <= set(packaged_files("systemd"))
    assert set(packaged_files("supervisor")) == {"natfix-node.ini", "natfix-watch.ini"}


def test_a_home_is_where_systemd_hides_it() -> None:
    assert lies_in_home("/usr/bin/python3", "/root/venv/bin/python3")
    assert lies_in_home("/home/me/natfix")
    assert not lies_in_home("/usr/bin/python3", "/opt/home/natfix", "/rooted")

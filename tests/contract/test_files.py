import fcntl
import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from natfix.app.ports import Files
from natfix.errors import HostError
from natfix.host.files import HostFiles
from natfix.host.memory.files import MemoryFiles

NOBODY = 65534
OLD = b"*nat\nCOMMIT\n"
NEW = b"*nat\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n"


class Place(NamedTuple):
    files: Files
    folder: str


@pytest.fixture(params=["memory", "host"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "memory":
        return Place(MemoryFiles(folders=["/etc/iptables"]), "/etc/iptables")
    return Place(HostFiles(), str(tmp_path))


@pytest.fixture
def strange_umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give files away and to label them")


def test_a_file_that_is_not_there_reads_as_none(place: Place) -> None:
    assert place.files.read(f"{place.folder}/rules.v4") is None


def test_a_file_in_a_folder_that_is_not_there_reads_as_none(place: Place) -> None:
    assert place.files.read(f"{place.folder}/missing/rules.v4") is None


def test_what_was_written_is_read(place: Place) -> None:
    place.files.replace(f"{place.folder}/rules.v4", OLD)
    place.files.replace(f"{place.folder}/rules.v4", NEW)
    assert place.files.read(f"{place.folder}/rules.v4") == NEW


def test_an_empty_file_is_there(place: Place) -> None:
    place.files.replace(f"{place.folder}/rules.v4", b"")
    assert place.files.read(f"{place.folder}/rules.v4") == b""


def test_a_removed_file_is_gone_and_can_be_removed_again(place: Place) -> None:
    path = f"{place.folder}/rules.v4"
    place.files.replace(path, OLD)
    place.files.remove(path)
    place.files.remove(path)
    assert place.files.read(path) is None


def test_removing_a_file_in_a_folder_that_is_not_there_is_no_error(place: Place) -> None:
    place.files.remove(f"{place.folder}/missing/rules.v4")


def test_a_directory_is_neither_read_nor_replaced_nor_removed(place: Place) -> None:
    with pytest.raises(HostError, match=f"cannot read {place.folder}: it is a directory"):
        place.files.read(place.folder)
    with pytest.raises(HostError, match=f"cannot write {place.folder}: it is a directory"):
        place.files.replace(place.folder, NEW)
    with pytest.raises(HostError, match=f"cannot remove {place.folder}: it is a directory"):
        place.files.remove(place.folder)


def test_a_missing_folder_is_not_made(place: Place) -> None:
    with pytest.raises(HostError, match=f"its folder {place.folder}/missing does not exist"):
        place.files.replace(f"{place.folder}/missing/rules.v4", NEW)
    assert place.files.read(f"{place.folder}/missing/rules.v4") is None


def test_the_twin_refuses_what_a_test_wants_refused() -> None:
    files = MemoryFiles({"/etc/iptables/rules.v4": OLD})
    files.refusals["/etc/iptables/rules.v4"] = HostError("the disk is full")
    with pytest.raises(HostError, match="the disk is full"):
        files.replace("/etc/iptables/rules.v4", NEW)
    with pytest.raises(HostError, match="the disk is full"):
        files.remove("/etc/iptables/rules.v4")
    assert files.contents == {"/etc/iptables/rules.v4": OLD}


def test_a_new_file_has_the_mode_asked_for_whatever_the_umask(tmp_path: Path, strange_umask: None) -> None:
    HostFiles().replace(str(tmp_path / "rules.v4"), NEW, mode=0o644)
    assert _mode(tmp_path / "rules.v4") == 0o644


def test_the_twin_remembers_the_mode_a_file_was_made_with() -> None:
    files = MemoryFiles()
    files.replace("/etc/rules.v4", OLD, mode=0o640)
    files.replace("/etc/rules.v4", NEW, mode=0o600)
    assert files.modes == {"/etc/rules.v4": 0o640}


def test_a_replaced_file_keeps_its_mode(tmp_path: Path, strange_umask: None) -> None:
    path = _old_file(tmp_path)
    path.chmod(0o664)
    HostFiles().replace(str(path), NEW, mode=0o600)
    assert (path.read_bytes(), _mode(path)) == (NEW, 0o664)


@needs_root
def test_a_replaced_file_keeps_owner_group_and_labels(tmp_path: Path) -> None:
    path = _old_file(tmp_path)
    os.chown(path, NOBODY, 4321)
    os.setxattr(path, "security.selinux", b"system_u:object_r:system_conf_t:s0\0")
    HostFiles().replace(str(path), NEW)
    status = path.stat()
    assert (status.st_uid, status.st_gid, path.read_bytes()) == (NOBODY, 4321, NEW)
    assert os.getxattr(path, "security.selinux") == b"system_u:object_r:system_conf_t:s0\0"


@needs_root
def test_what_vouches_for_the_old_content_is_not_given_to_the_new(tmp_path: Path) -> None:
    path = _old_file(tmp_path)
    os.setxattr(path, "security.ima", b"\x01" + bytes(20))
    HostFiles().replace(str(path), NEW)
    assert "security.ima" not in os.listxattr(path)


def _access_list(*entries: tuple[int, int, int]) -> bytes:
    """Spell a POSIX access list (linux/posix_acl_xattr.h): version 2, then tag, permissions and id of each entry."""
    words = (tag.to_bytes(2, "little") + may.to_bytes(2, "little") + who.to_bytes(4, "little") for tag, may, who in entries)
    return (2).to_bytes(4, "little") + b"".join(words)


ANYBODY = 0xFFFFFFFF
NOBODY_MAY_READ = _access_list((1, 6, ANYBODY), (2, 4, NOBODY), (4, 0, ANYBODY), (0x10, 4, ANYBODY), (0x20, 0, ANYBODY))


@needs_root
def test_a_replaced_file_keeps_its_access_list(tmp_path: Path) -> None:
    path = _old_file(tmp_path)
    os.setxattr(path, "system.posix_acl_access", NOBODY_MAY_READ)
    HostFiles().replace(str(path), NEW)
    assert os.getxattr(path, "system.posix_acl_access") == NOBODY_MAY_READ


@needs_root
def test_the_access_list_of_the_folder_lets_nobody_into_a_file_that_had_none(tmp_path: Path) -> None:
    path = _old_file(tmp_path)
    path.chmod(0o640)
    os.setxattr(tmp_path, "system.posix_acl_default", NOBODY_MAY_READ)
    HostFiles().replace(str(path), NEW)
    assert "system.posix_acl_access" not in os.listxattr(path)
    assert _mode(path) == 0o640


def test_a_reader_keeps_the_old_file_it_has_open(tmp_path: Path) -> None:
    path = _old_file(tmp_path)
    with path.open("rb") as reader:
        HostFiles().replace(str(path), NEW)
        assert reader.read() == OLD


@pytest.mark.parametrize("target", ["real.v4", "./real.v4", "../{folder}/real.v4", "{absolute}/real.v4"])
def test_a_link_to_a_file_in_the_same_folder_is_followed(tmp_path: Path, target: str) -> None:
    (tmp_path / "real.v4").write_bytes(OLD)
    path = tmp_path / "rules.v4"
    path.symlink_to(target.format(folder=tmp_path.name, absolute=tmp_path))
    HostFiles().replace(str(path), NEW)
    assert path.is_symlink()
    assert (tmp_path / "real.v4").read_bytes() == NEW


def test_a_link_out_of_its_folder_is_refused_and_names_where_it_leads(tmp_path: Path) -> None:
    outside = tmp_path / "shadow"
    outside.write_bytes(OLD)
    folder = tmp_path / "iptables"
    folder.mkdir()
    (folder / "rules.v4").symlink_to("../shadow")
    with pytest.raises(HostError, match=r"it is a link out of its folder, to \.\./shadow"):
        HostFiles().replace(str(folder / "rules.v4"), NEW)
    assert outside.read_bytes() == OLD
    assert _names(folder) == {"rules.v4"}


def test_a_link_into_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rules.v4").symlink_to("missing/rules.v4")
    with pytest.raises(HostError, match="out of its folder"):
        HostFiles().replace(str(tmp_path / "rules.v4"), NEW)


def test_a_dangling_link_is_refused_and_reads_as_none(tmp_path: Path) -> None:
    (tmp_path / "rules.v4").symlink_to("gone.v4")
    with pytest.raises(HostError, match=r"it is a link to gone\.v4, which does not exist"):
        HostFiles().replace(str(tmp_path / "rules.v4"), NEW)
    assert HostFiles().read(str(tmp_path / "rules.v4")) is None
    assert _names(tmp_path) == {"rules.v4"}


def test_links_in_a_circle_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(HostError, match="links lead in a circle"):
        HostFiles().replace(str(tmp_path / "a"), NEW)


def test_a_link_to_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "rules.v4").symlink_to("folder")
    (tmp_path / "here").symlink_to(".")
    for name in ("rules.v4", "here"):
        with pytest.raises(HostError, match="it is a directory"):
            HostFiles().replace(str(tmp_path / name), NEW)


@needs_root
def test_a_strangers_link_in_a_folder_for_everybody_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "real.v4").write_bytes(OLD)
    link = tmp_path / "rules.v4"
    link.symlink_to("real.v4")
    os.chown(link, NOBODY, NOBODY, follow_symlinks=False)
    tmp_path.chmod(0o1777)
    with pytest.raises(HostError, match="somebody else's link"):
        HostFiles().replace(str(link), NEW)
    assert (tmp_path / "real.v4").read_bytes() == OLD


def test_a_pipe_is_refused_without_waiting_for_its_other_end(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "rules.v4")
    with pytest.raises(HostError, match="a pipe, a socket or a device"):
        HostFiles().read(str(tmp_path / "rules.v4"))
    with pytest.raises(HostError, match="a pipe, a socket or a device"):
        HostFiles().replace(str(tmp_path / "rules.v4"), NEW)


def test_a_file_in_the_working_folder_needs_no_folder_in_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    HostFiles().replace("fixed.save", NEW)
    assert (tmp_path / "fixed.save").read_bytes() == NEW


def test_a_path_through_a_file_is_no_file(tmp_path: Path) -> None:
    path = _old_file(tmp_path)
    assert HostFiles().read(f"{path}/rules.v4") is None
    with pytest.raises(HostError, match="a part of its path is a file, no folder"):
        HostFiles().replace(f"{path}/rules.v4", NEW)


def test_what_a_killed_natfix_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    path = _old_file(tmp_path)
    others = [".rules.v4.natfix-note", ".rules.v4.natfix-0123456", ".rules.v6.natfix-01234567", "rules.v4.natfix-01234567"]
    for name in (".rules.v4.natfix-01234567", ".rules.v4.natfix-89abcdef", *others):
        (tmp_path / name).write_bytes(b"half")
    (tmp_path / ".rules.v4.natfix-aaaaaaaa").mkdir()
    (tmp_path / ".rules.v4.natfix-bbbbbbbb").symlink_to("rules.v4")
    HostFiles().replace(str(path), NEW)
    left = {"rules.v4", *others, ".rules.v4.natfix-aaaaaaaa", ".rules.v4.natfix-bbbbbbbb"}
    assert _names(tmp_path) == left


@needs_root
def test_what_somebody_else_owns_is_left(tmp_path: Path) -> None:
    path = _old_file(tmp_path)
    strange = tmp_path / ".rules.v4.natfix-01234567"
    strange.write_bytes(b"mine")
    os.chown(strange, NOBODY, NOBODY)
    HostFiles().replace(str(path), NEW)
    assert strange.read_bytes() == b"mine"


def test_a_temporary_file_that_another_natfix_is_writing_is_left(tmp_path: Path) -> None:
    path = _old_file(tmp_path)
    with (tmp_path / ".rules.v4.natfix-01234567").open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        HostFiles().replace(str(path), NEW)
        assert _names(tmp_path) == {"rules.v4", ".rules.v4.natfix-01234567"}
    HostFiles().replace(str(path), OLD)
    assert _names(tmp_path) == {"rules.v4"}


def test_many_writers_at_once_leave_one_whole_file_and_no_litter(tmp_path: Path) -> None:
    path = _old_file(tmp_path)
    contents = [bytes([65 + number]) * 100_000 for number in range(8)]
    with ThreadPoolExecutor(len(contents)) as pool:
        for _ in range(10):
            list(pool.map(lambda data: HostFiles().replace(str(path), data), contents))
            assert path.read_bytes() in contents
    assert _names(tmp_path) == {"rules.v4"}


def _old_file(folder: Path) -> Path:
    path = folder / "rules.v4"
    path.write_bytes(OLD)
    return path


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_removing_a_file_removes_what_a_killed_natfix_left_beside_it(tmp_path: Path) -> None:
    (tmp_path / ".rules.v4.natfix-01234567").write_bytes(b"half")
    HostFiles().remove(str(tmp_path / "rules.v4"))
    assert list(tmp_path.iterdir()) == []

"""Scratch namespaces, and the stand-in tables loaded there."""

import os
import platform
import stat
from pathlib import Path

import pytest

from natfix.app.ports import Backend, Variant
from natfix.errors import HostError
from natfix.host.guard import NftGuardStore
from natfix.host.guard_probe import is_young
from natfix.host.iptables import open_store
from natfix.host.programs import run
from natfix.host.scratch import run_in_scratch, stand_in
from natfix.host.validate import validate
from natfix.ruleset import Family, parse
from tests.netns import command

TEXT = b"""*nat
:POSTROUTING ACCEPT [7:420]
:OWN - [0:0]
[5:600] -A POSTROUTING -s 172.7.21.0/24 ! -o docker0 -m comment --comment "a b" -j MASQUERADE
[0:0] -A POSTROUTING -j OWN
[0:0] -A OWN -j RETURN
COMMIT
"""


def test_a_stand_in_has_every_rule_and_only_the_deleted_ones_are_real() -> None:
    (table,) = parse(TEXT, "test").tables
    script = '*nat\n-D POSTROUTING -s 172.7.21.0/24 ! -o docker0 -m comment --comment "a b" -j MASQUERADE\nCOMMIT\n'
    assert stand_in(table, script) == (
        "*nat\n:POSTROUTING ACCEPT [0:0]\n:OWN - [0:0]\n"
        '-A POSTROUTING -s 172.7.21.0/24 ! -o docker0 -m comment --comment "a b" -j MASQUERADE\n'
        "-A POSTROUTING\n-A OWN\nCOMMIT\n"
    )


@pytest.mark.kernel
def test_a_program_in_scratch_changes_nothing_outside(netns: str) -> None:
    before = str(Path("/proc/thread-self/ns/net").readlink())
    data = b"*nat\n-A POSTROUTING -j MASQUERADE\nCOMMIT\n"
    for restore in ("iptables-nft-restore", "iptables-legacy-restore"):
        assert run_in_scratch(restore, data=data).code == 0
    assert run_in_scratch("readlink", "/proc/self/ns/net").output.decode().strip() != before
    assert str(Path("/proc/thread-self/ns/net").readlink()) == before
    assert command("nft", "list", "tables") == ""
    assert Path("/proc/thread-self/net/ip_tables_names").read_text() == ""


# Runs the real unshare as a service would that was given little more than CAP_NET_ADMIN.
CONFINED = 'exec setpriv --bounding-set -all,+net_admin,+net_raw --no-new-privs /usr/bin/unshare "$@"\n'


def confine(script: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "unshare").write_text(f"#!/bin/sh\n{script}")
    (folder / "unshare").chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


@pytest.mark.kernel
@pytest.mark.parametrize("restore", ["iptables-nft-restore", "iptables-legacy-restore", "ip6tables-nft-restore"])
def test_without_cap_sys_admin_a_user_namespace_gives_one(
    restore: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, netns: str
) -> None:
    confine(CONFINED, tmp_path, monkeypatch)
    assert run_in_scratch(restore, data=b"*nat\n-A POSTROUTING -j MASQUERADE\nCOMMIT\n").complaint == ""
    assert command("nft", "list", "tables") == ""
    assert Path("/proc/thread-self/net/ip_tables_names").read_text() == ""


@pytest.mark.kernel
def test_a_scratch_namespace_that_is_forbidden_says_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = 'case $1 in --user) echo "unshare: unshare failed: No space left on device" >&2; exit 1;; esac\n'
    confine(refusal + CONFINED, tmp_path, monkeypatch)
    with pytest.raises(HostError, match="no scratch network namespace can be made: unshare failed: Operation") as caught:
        run_in_scratch("true")
    assert "CAP_SYS_ADMIN" in str(caught.value)


FORBIDDEN = 'echo "unshare: unshare failed: Operation not permitted" >&2; exit 1\n'
BROAD = "-s 172.7.21.0/24 ! -o docker0 -j MASQUERADE"


@pytest.mark.kernel
@pytest.mark.parametrize("variant", ["nft", "legacy"])
def test_where_no_namespace_can_be_made_a_change_is_read_through_and_that_is_said(
    variant: Variant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, netns: str
) -> None:
    command(f"iptables-{variant}", "-t", "nat", "-A", "POSTROUTING", *BROAD.split())
    store = open_store(Backend(Family.IPV4, variant))
    before = store.read().lines
    confine(FORBIDDEN, tmp_path, monkeypatch)
    said = store.rehearse(f"*nat\n-D POSTROUTING {BROAD}\n-I POSTROUTING 1 -j RETURN\nCOMMIT\n")
    assert said.startswith(f"iptables-{variant}: not rehearsed, for no scratch network namespace can be made: unshare failed")
    assert store.read().lines == before
    with pytest.raises(HostError, match="nothing was changed"):
        store.rehearse("*nat\n-I POSTROUTING 1 -j NO-SUCH-TARGET --at-all\nCOMMIT\n")
    assert store.read().lines == before


@pytest.mark.kernel
def test_where_no_namespace_can_be_made_a_saved_file_is_read_through_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, netns: str
) -> None:
    text = f"*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING {BROAD}\nCOMMIT\n"
    assert validate(Family.IPV4, text.encode()) == ""
    confine(FORBIDDEN, tmp_path, monkeypatch)
    assert "not loaded on trial, for no scratch network namespace" in validate(Family.IPV4, text.encode())
    with pytest.raises(HostError, match="would refuse the saved ruleset"):
        validate(Family.IPV4, text.replace("-j MASQUERADE", "--no-such-option").encode())
    assert command("nft", "list", "tables") == ""


@pytest.mark.kernel("nft")
def test_where_no_namespace_can_be_made_a_young_kernel_is_believed_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    confine(FORBIDDEN, tmp_path, monkeypatch)
    assert is_young(platform.release())
    store = NftGuardStore()
    assert store.require().endswith(f"nat chains stand side by side since 4.18, and it is {platform.release()}")
    assert store.require() == store.require()


@pytest.mark.parametrize(
    ("release", "young"),
    [
        ("4.18.0-553.el8", True),
        ("6.1.0-37-amd64", True),
        ("10.0", True),
        ("4.17.19", False),
        ("3.10.0-1160.el7", False),
        ("x", False),
    ],
)
def test_a_kernel_is_young_from_4_18_on(release: str, *, young: bool) -> None:
    assert is_young(release) is young


def test_a_program_that_takes_too_long_is_stopped() -> None:
    with pytest.raises(HostError, match=r"sleep 60 did not end within 0\.2 s"):
        run("sleep", "60", seconds=0.2)


@pytest.mark.parametrize(
    ("program", "hint"),
    [("unshare-no-such", "Install the package util-linux"), ("no-such", "put its folder into PATH")],
)
def test_a_program_that_is_not_there_is_named_with_its_package(program: str, hint: str) -> None:
    with pytest.raises(HostError, match=f"the program {program} is not installed") as caught:
        run(program)
    assert hint in str(caught.value)


def test_a_file_that_may_not_be_run_is_told(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("text")
    with pytest.raises(HostError, match="cannot be run: Permission denied"):
        run(str(tmp_path / "plain"))


def test_programs_speak_english_and_keep_their_bytes() -> None:
    done = run("sh", "-c", "echo $LC_ALL; cat; echo no >&2; exit 3", data=b"\xff")
    assert (done.code, done.output, done.complaint) == (3, b"C\n\xff", "no")

"""natfix where it cannot: each time a clear message, the right exit code, and nothing half done."""

import fcntl
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from natfix.app.ports import Backend
from natfix.ruleset import Family
from tests.kernel.hosts import NATFIX, Host, backends, bridge, broad, corrected, debian, docker_host, options, wrap

pytestmark = pytest.mark.kernel

each_ipv4_backend = pytest.mark.parametrize("backend", backends(Family.IPV4), ids=str)
NFT4 = Backend(Family.IPV4, "nft")
LEGACY4 = Backend(Family.IPV4, "legacy")
SAVED = f"*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING {broad(NFT4)}\nCOMMIT\n".encode()
FILE = "/etc/iptables/rules.v4"


@contextmanager
def untouched(host: Host, *folders: str) -> Iterator[None]:
    """Hold rules and files to what they were before; without folders, every file that was ever written."""
    before = state(host, folders)
    yield
    assert state(host, folders) == before


def state(host: Host, folders: tuple[str, ...]) -> object:
    files = host.files(*(folders or ("/etc/iptables", "/mnt/etc")))
    return host.ask("nft", "list", "ruleset").output, {
        name: about for name, about in files.items() if not stat.S_ISDIR(about[0])
    }


@pytest.fixture
def docker(host: Host) -> Host:
    """A Debian-like host with docker0, its rule in the kernel and in the file."""
    debian(host)
    docker_host(host, NFT4)
    host.write(FILE, SAVED)
    return host


def refused(host: Host, *words: str, code: int = 2) -> str:
    """What natfix says on standard error when it refuses; a message, and no traceback."""
    done = host.ask(*NATFIX, *words)
    assert (done.code, "Traceback" in done.complaint) == (code, False), done
    assert done.complaint.startswith("natfix: ")
    return done.complaint


@pytest.mark.parametrize("command", ["check", "diff", "apply", "persist", "status"])
def test_without_rights_natfix_asks_for_root(docker: Host, command: str) -> None:
    words = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all")
    with untouched(docker):
        done = docker.ask(*words, *NATFIX, command, *options(NFT4))
    assert done.code == 2
    assert re.match(r"natfix: .*(root|permission denied)", done.complaint, re.DOTALL), done


def hide(host: Host, *names: str) -> None:
    """Take programs away."""
    for name in names:
        for folder in ("/usr/sbin", "/usr/bin", "/sbin", "/bin"):
            host.path(f"{folder}/{name}").unlink(missing_ok=True)


def iptables_programs(host: Host) -> list[str]:
    folders = ("/usr/sbin", "/usr/bin")
    return [
        path.name for folder in folders for path in host.path(folder).iterdir() if re.match(r"ip6?tables|xtables", path.name)
    ]


@pytest.mark.parametrize("command", ["check", "apply", "status"])
def test_without_iptables_natfix_says_what_to_install(host: Host, command: str) -> None:
    hide(host, *iptables_programs(host))
    said = refused(host, command, *options(NFT4))
    assert "iptables is not installed" in said
    assert "apt-get install iptables" in said


def test_a_table_that_no_program_can_read_is_told(docker: Host) -> None:
    docker.load(LEGACY4, f"-A POSTROUTING {broad(LEGACY4)}")
    hide(docker, *(name for name in iptables_programs(docker) if "legacy" in name))
    with untouched(docker):
        said = refused(docker, "apply", *options(NFT4))
    assert "the kernel holds a nat table of iptables-legacy, and the programs to read it are not installed" in said


@pytest.mark.parametrize("command", ["check", "diff", "apply", "persist", "undo"])
def test_without_a_nat_table_there_is_nothing_to_do(host: Host, command: str) -> None:
    debian(host)
    cidr = () if command == "undo" else options(NFT4)
    with untouched(host):
        host.natfix(command, *cidr)
    assert host.run("nft", "list", "ruleset") == ""


# check reads it from nft: test_mixed_tables.py.
@pytest.mark.parametrize("command", ["diff", "apply", "persist"])
def test_a_table_written_with_nft_is_not_touched(host: Host, command: str) -> None:
    host.run("nft", "-f", "-", data="""
table ip nat {
    chain POSTROUTING {
        type nat hook postrouting priority srcnat; policy accept;
        ip saddr { 172.7.21.0/24, 172.7.22.0/24 } oifname != "docker0" masquerade
    }
}
""")  # fmt: skip
    with untouched(host):
        said = refused(host, command, *options(NFT4), code=5)
    assert "POSTROUTING" in said
    assert "incompatible" in said
    assert "nft list chain ip nat POSTROUTING" in said


@each_ipv4_backend
def test_when_the_kernel_refuses_the_file_is_put_back(host: Host, backend: Backend) -> None:
    debian(host)
    docker_host(host, backend)
    path = host.write(FILE, SAVED)
    restore = f"{backend}-restore"
    # A kernel that refuses what the rehearsal allowed.
    complain = f'echo "{restore}: line 4: RULE_REPLACE failed (Invalid argument)" >&2; exit 1'
    wrap(host, restore, before=f'case "$*" in *--help*) ;; *) if is_live; then {complain}; fi;; esac')
    before = host.rules(backend)
    several = ("--cluster-cidr", "10.88.0.0/13")  # Makes a chain of natfix's own, which python-iptables leaves to the program.
    said = refused(host, "apply", *options(backend), *several)
    assert "refused" in said
    assert "nothing was changed" in said
    assert (host.rules(backend), path.read_bytes()) == (before, SAVED)
    (past,) = host.natfix_json("history")["changes"]
    assert past["state"] == "rolled back"


def test_a_guessed_cluster_is_not_applied(host: Host) -> None:
    docker_host(host, NFT4)
    host.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth1")
    host.run("ip", "address", "add", "10.4.7.21/24", "dev", "eth0")
    host.run("ip", "link", "set", "eth0", "up")
    host.run("ip", "link", "set", "eth1", "up")
    host.run("ip", "route", "add", "172.7.22.0/24", "via", "10.4.7.22")
    assert "a guess" in host.natfix("check", code=1)
    with untouched(host):
        said = refused(host, "apply")
        assert refused(host, "diff") == said
    assert "is only guessed" in said
    cidr = re.search(r"--cluster-cidr (\S+)", said)
    assert cidr is not None
    host.natfix("apply", "--cluster-cidr", cidr[1])
    assert "MASQUERADE" in host.rules(NFT4)[0]
    host.natfix("check", "--cluster-cidr", cidr[1])


def test_an_unknown_cluster_is_asked_for(docker: Host) -> None:
    with untouched(docker):
        for command in ("check", "diff", "apply", "persist", "status"):
            assert "--cluster-cidr 172.7.0.0/16" in refused(docker, command)


@pytest.mark.parametrize("folder", ["/etc/iptables", "/var/lib/natfix"])
def test_on_a_full_disk_nothing_changes(docker: Host, folder: str) -> None:
    docker.path(folder).mkdir(parents=True, exist_ok=True)
    docker.run("mount", "-t", "tmpfs", "-o", "size=8k", "none", folder)
    if folder == "/etc/iptables":
        docker.write(FILE, SAVED)
    docker.run("sh", "-c", f"cat /dev/zero > {folder}/ballast || true")
    with untouched(docker, folder):
        said = refused(docker, "apply", *options(NFT4))
    assert "the disk is full" in said
    assert docker.path(FILE).read_bytes() == SAVED
    docker.path(f"{folder}/ballast").unlink()
    docker.natfix("apply", *options(NFT4))
    assert docker.path(FILE).read_bytes() == SAVED.replace(b" ! -o", b" ! -d 172.7.0.0/16 ! -o")


@pytest.mark.parametrize("folder", ["/etc/iptables", "/var/lib/natfix"])
def test_on_a_read_only_disk_nothing_changes(docker: Host, folder: str) -> None:
    docker.path(folder).mkdir(parents=True, exist_ok=True)
    docker.run("mount", "--bind", folder, folder)
    docker.run("mount", "-o", "remount,ro,bind", folder)
    with untouched(docker, folder):
        said = refused(docker, "apply", *options(NFT4))
    assert "the file system is read-only" in said
    assert folder in said


def test_a_saved_path_that_is_a_directory_is_refused(docker: Host) -> None:
    docker.path(FILE).unlink()
    docker.path(FILE).mkdir()
    with untouched(docker):
        assert f"{FILE}: it is a directory" in refused(docker, "apply", *options(NFT4))


def test_a_saved_path_that_leads_out_of_its_folder_is_refused(docker: Host) -> None:
    docker.write("/etc/elsewhere", SAVED)
    docker.path(FILE).unlink()
    docker.path(FILE).symlink_to("../elsewhere")
    with untouched(docker):
        assert f"cannot write {FILE}: it is a link out of its folder, to ../elsewhere" in refused(
            docker, "apply", *options(NFT4)
        )


def test_a_saved_path_that_links_to_a_neighbour_is_followed(docker: Host) -> None:
    docker.path(FILE).rename(docker.path("/etc/iptables/real"))
    docker.path(FILE).symlink_to("real")
    docker.natfix("apply", *options(NFT4))
    assert docker.path(FILE).readlink() == Path("real")
    assert f"-A POSTROUTING {corrected(NFT4)}".encode() in docker.path("/etc/iptables/real").read_bytes()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (SAVED.replace(b"COMMIT", b"-A POSTROUTING -j NO-SUCH-TARGET\nCOMMIT"), "would refuse the saved ruleset"),
        (b"*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING --randomly\n", "rules.v4, line"),
        (b"echo hello\n", "rules.v4, line 1, column 1: this is no line of iptables-save"),
        (b"\x7fELF\x00\x01", "rules.v4, line 1"),
    ],
)
def test_a_saved_file_that_iptables_restore_would_refuse_stops_everything(docker: Host, text: bytes, words: str) -> None:
    docker.write(FILE, text)
    with untouched(docker):
        assert words in refused(docker, "apply", *options(NFT4))
    assert docker.natfix_json("history")["changes"] == []


def test_a_saved_file_that_is_no_whole_dump_is_not_taken_for_an_empty_one(docker: Host) -> None:
    docker.write(FILE, b"# Table `nat' is incompatible, use 'nft' tool.\n")
    with untouched(docker):
        assert "rules.v4, line 1" in refused(docker, "apply", *options(NFT4), code=5)


def test_a_held_xtables_lock_is_waited_for_and_its_holder_named(host: Host) -> None:
    docker_host(host, LEGACY4)
    before = host.rules(LEGACY4)
    with host.start("flock", "/run/xtables.lock", "sh", "-c", "echo held; exec cat") as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        said = refused(host, "apply", "--wait", "1", *options(LEGACY4), code=6)
        assert holder.stdin
        holder.stdin.close()
    assert "the xtables lock /run/xtables.lock was not free within 1 s; held by pid" in said
    assert "cat" in said
    assert host.rules(LEGACY4) == before
    host.natfix("apply", *options(LEGACY4))
    assert host.rules(LEGACY4) == [f"-A POSTROUTING {corrected(LEGACY4)}"]


@pytest.mark.parametrize("command", ["apply", "undo", "persist", "confirm"])
def test_another_natfix_at_work_is_named(docker: Host, command: str) -> None:
    cidr = options(NFT4) if command in {"apply", "persist"} else ()
    lock = docker.write("/run/natfix.lock", b"4711 natfix apply --wait 60\n")
    file = os.open(lock, os.O_RDWR)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        with untouched(docker):
            said = refused(docker, command, "--wait", "0", *cidr, code=6)
    finally:
        os.close(file)
    assert "another natfix is at work: process 4711, natfix apply --wait 60" in said


def test_somebody_who_keeps_putting_the_rule_back_is_told_of_and_all_is_taken_back(docker: Host) -> None:
    bridge(docker, "br-1", "172.7.121.1/24")
    # Docker comes right behind each of natfix's commits.
    wrap(docker, "iptables-nft-restore", after=f"if is_live; then iptables-nft -t nat -I POSTROUTING {broad(NFT4)}; fi")
    said = refused(docker, "apply", *options(NFT4), code=4)
    assert "somebody keeps putting them back" in said
    assert docker.path(FILE).read_bytes() == SAVED
    assert f"-A POSTROUTING {corrected(NFT4)}" not in docker.rules(NFT4)
    assert docker.natfix_json("history")["changes"][0]["state"] == "rolled back"

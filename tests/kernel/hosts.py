"""A host of its own for a test: network, mounts and processes that nobody else sees, and that end with the test.

/etc, /usr and /var are writable copies of the real ones, /run is empty, and it forwards as a container host does. So a test
plays a Debian-like or a RHEL-like host, runs natfix as a program, and looks at kernel and files afterwards, without leaving
anything behind.
"""

import json
import os
import shlex
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from natfix.app.ports import Backend, Variant
from natfix.ruleset import Family
from tests.saves import comparable

POD = {Family.IPV4: "172.7.21.0/24", Family.IPV6: "fd07:21::/64"}
CLUSTER = {Family.IPV4: "172.7.0.0/16", Family.IPV6: "fd07::/16"}
# What is written to /etc, /usr and /var of a host lies in folders of these names.
WRITTEN = ("/mnt/etc", "/mnt/usr", "/mnt/var")
NATFIX = (sys.executable, "-m", "natfix")
PATIENCE = 60

_SETUP = """
mount -t tmpfs none /mnt
for folder in etc usr var; do
    mkdir /mnt/$folder /mnt/$folder.work
    mount -t overlay -o lowerdir=/$folder,upperdir=/mnt/$folder,workdir=/mnt/$folder.work none /$folder
done
mount -t tmpfs none /run
rm -rf /var/lib/natfix /etc/natfix /etc/iptables /etc/sysconfig
ip link set lo up
sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
"""


class Done(NamedTuple):
    """How a program ended."""

    code: int
    output: str
    complaint: str


class Host:
    """A host that a test has to itself.

    Args:
        pid: of its init, as this process sees it.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.root = Path(f"/proc/{pid}/root")

    def words(self, *command: str) -> list[str]:
        """The words that run *command* there."""
        return ["nsenter", "-t", str(self.pid), "-n", "-m", "-p", "--wd=/", "--", *command]

    def ask(self, *command: str, data: str = "", environment: Mapping[str, str] | None = None) -> Done:
        """Run a program there to its end, whatever that is."""
        variables = {**os.environ, "LC_ALL": "C", **(environment or {})}
        sent = data.encode("utf-8", "surrogateescape")
        done = subprocess.run(
            self.words(*command), check=False, capture_output=True, input=sent, env=variables, timeout=PATIENCE
        )
        return Done(done.returncode, *(text.decode("utf-8", "surrogateescape") for text in (done.stdout, done.stderr)))

    def run(self, *command: str, data: str = "") -> str:
        """Run a program there that must succeed; give its output."""
        done = self.ask(*command, data=data)
        assert done.code == 0, f"{shlex.join(command)}: {done}"
        return done.output

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start a program there, with pipes."""
        return subprocess.Popen(
            self.words(*command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def natfix(self, *words: str, code: int = 0, environment: Mapping[str, str] | None = None) -> str:
        """Run natfix there; give what it printed, its complaint when that is all."""
        done = self.ask(*NATFIX, *words, environment=environment)
        assert done.code == code, f"natfix {shlex.join(words)}: {done}"
        return done.output or done.complaint

    def natfix_json(self, *words: str, code: int = 0) -> dict[str, Any]:
        """Run natfix there and read the JSON it printed."""
        document: dict[str, Any] = json.loads(self.natfix(*words, "--format", "json", code=code))
        return document

    def path(self, name: str) -> Path:
        """A file of that host, for this process to look at."""
        return self.root / name.removeprefix("/")

    def write(self, name: str, data: bytes, mode: int = 0o644) -> Path:
        """Put a file there, with the folders above it."""
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(mode)
        return path

    def files(self, *folders: str) -> dict[str, tuple[int, int, int, bytes]]:
        """Everything in some folders: for each file mode, owner, group and content."""
        found = {}
        for folder in folders:
            for path in sorted(self.path(folder).rglob("*")):
                status = path.lstat()
                content = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
                found[str(path.relative_to(self.root))] = (status.st_mode, status.st_uid, status.st_gid, content)
        return found

    def load(self, backend: Backend, *rules: str, chains: Sequence[str] = ()) -> None:
        """Put rules into the nat table, behind those that are there; counters may stand before a rule."""
        lines = ["*nat", *(f":{chain} - [0:0]" for chain in chains), *rules, "COMMIT", ""]
        self.run(f"{backend}-restore", "-c", "--noflush", data="\n".join(lines))

    def saved(self, backend: Backend, *options: str) -> str:
        """The whole ruleset as its save program prints it, but for the time of day and what hooks have counted."""
        return "\n".join(comparable(self.run(f"{backend}-save", *options)))

    def rules(self, backend: Backend, chain: str = "POSTROUTING") -> list[str]:
        """The rules of one chain of the nat table."""
        return self.run(str(backend), "-t", "nat", "-S", chain).split("\n")[1:-1]

    def counted(self, backend: Backend, chain: str = "POSTROUTING") -> list[str]:
        """The rules of one chain of the nat table, with counters."""
        lines = self.run(f"{backend}-save", "-c", "-t", "nat").split("\n")
        return [line for line in lines if f" -A {chain} " in line]


@contextmanager
def own_host() -> Iterator[Host]:
    """Make a host; everything in it ends, and is gone, with the context."""
    command = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private"]
    # Its init waits for the end of its input, so that it ends with this process whatever becomes of it.
    script = f"set -e{_SETUP}echo ready; exec cat"
    with subprocess.Popen([*command, "sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as init:
        assert init.stdin
        assert init.stdout
        try:
            assert init.stdout.readline() == "ready\n"
            yield Host(int(Path(f"/proc/{init.pid}/task/{init.pid}/children").read_text().split()[0]))
        finally:
            init.stdin.close()


@pytest.fixture
def host() -> Iterator[Host]:
    """A host of its own for one test."""
    with own_host() as made:
        yield made


def bridge(on: Host, name: str, *addresses: str) -> None:
    """Make a bridge with addresses, as Docker does."""
    on.run("ip", "link", "add", name, "type", "bridge")
    for address in addresses:
        on.run("ip", "address", "add", address, "dev", name, "nodad")
    on.run("ip", "link", "set", name, "up")


def docker_host(on: Host, backend: Backend) -> None:
    """Make *on* a host with docker0, and Docker's rule for it."""
    bridge(on, "docker0", POD[backend.family].replace(".0/", ".1/").replace("::/", "::1/"))
    on.load(backend, f"-A POSTROUTING {broad(backend)}")


def debian(on: Host) -> None:
    """Give *on* what iptables-persistent brings."""
    for plugin in ("15-ip4tables", "25-ip6tables"):
        on.write(f"/usr/share/netfilter-persistent/plugins.d/{plugin}", b"#!/bin/sh\n", 0o755)
    on.path("/etc/iptables").mkdir(exist_ok=True)


def rhel(on: Host) -> None:
    """Give *on* what iptables-services brings."""
    for program in ("iptables", "ip6tables"):
        unit = f"[Service]\nExecStart=/usr/libexec/iptables/{program}.init start\n"
        on.write(f"/usr/lib/systemd/system/{program}.service", unit.encode())
    on.path("/etc/sysconfig").mkdir(exist_ok=True)


def wrap(on: Host, program: str, *, before: str = "", through: str = "", after: str = "") -> None:
    """Put a script in the place of a program.

    Args:
        on: the host.
        program: its name.
        before: what the script does first; ``is_live`` tells whether this is the host's network, and no scratch one.
        through: words before the program, such as ``strace``.
        after: what it does afterwards.
    """
    place = on.run("which", program).strip()
    real = on.run("readlink", "-f", place).strip()
    on.run("ln", "-sf", real, f"/run/{program}")
    is_live = 'is_live() { [ "$(readlink /proc/self/ns/net)" = "$(readlink /proc/1/ns/net)" ]; }'
    script = f'#!/bin/sh\n{is_live}\n{before}\n{through} /run/{program} "$@"\ncode=$?\n{after}\nexit $code\n'
    on.path(place).unlink()
    on.write(place, script.encode(), 0o755)


def broad(backend: Backend, device: str = "docker0") -> str:
    """Docker's rule."""
    return f"-s {POD[backend.family]} ! -o {device} -j MASQUERADE"


def corrected(backend: Backend, device: str = "docker0") -> str:
    """Docker's rule as natfix corrects it."""
    return f"-s {POD[backend.family]} ! -d {CLUSTER[backend.family]} ! -o {device} -j MASQUERADE"


def nameless(document: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """What natfix said, without what it calls the host, or the collected file at *path*, that it said it of."""
    text = json.dumps(document).replace(f"{path}: ", "") if path else json.dumps(document)
    said: dict[str, Any] = json.loads(text)
    for table in said.get("tables", ()):
        table.pop("file", None)
    # On a host each table is a source, in a file the file is; how many, and which, is therefore no word about the host.
    for kind in said.get("kinds", ()):
        kind.pop("sources")
        for case in kind["cases"]:
            case.pop("sources")
    return said


def options(backend: Backend) -> tuple[str, str]:
    """The option that names the cluster."""
    return ("--cluster-cidr", CLUSTER[backend.family])


def backends(*families: Family) -> list[Backend]:
    """Both variants of some families; of both without any."""
    variants: tuple[Variant, ...] = ("nft", "legacy")
    return [Backend(family, variant) for family in families or tuple(Family) for variant in variants]

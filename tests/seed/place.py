"""A whole host for the recipe: an address on a wire, its own files, its own Docker and its own supervisord.

Everything that is written stays in memory; all of it, and every process, is gone when the context ends.
"""

import io
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from natfix.host.lab.cgroups import remove_cgroups
from tests.kernel.hosts import Host
from tests.netns import command

PATIENCE = 120.0
NATFIX = Path(sys.executable).with_name("natfix")
# The programs of the system first, so that supervisord finds the Python it is installed for.
_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}

_SETUP = """
set -e
mount -t tmpfs none /mnt
mkdir /mnt/root /mnt/upper /mnt/work
mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work none /mnt/root
for folder in /dev /sys "$@"; do mkdir -p /mnt/root$folder; mount --rbind $folder /mnt/root$folder; done
for folder in run tmp var/lib; do mount -t tmpfs none /mnt/root/$folder; done
for folder in $COVERED; do mkdir -p "/mnt/root$folder"; mount --bind "$folder" "/mnt/root$folder"; done
cd /mnt/root
pivot_root . mnt
mount -t proc proc /proc
umount --lazy /mnt
rm -rf /etc/natfix /etc/iptables /etc/docker /etc/sysconfig /opt/flannel /data
mkdir -p /etc/supervisord.d /etc/docker /var/lib/docker /run/lock
ip link set lo up
echo ready
cat
"""

_SUPERVISORD = """\
[unix_http_server]
file=/run/supervisor.sock
[supervisord]
logfile=/var/lib/supervisord.log
pidfile=/run/supervisord.pid
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix:///run/supervisor.sock
[include]
files=supervisord.d/*.ini
"""

_DOCKER = """\
[program:docker]
command=dockerd
startsecs=0
stopwaitsecs=60
redirect_stderr=true
stdout_logfile=/var/lib/docker.log
"""


class Place(Host):
    """One host.

    Args:
        pid: of its init, as this process sees it.
        name: what people call it: ``hdss7-21``.
        netns: the name of its network namespace.
        address: on its wire.
    """

    def __init__(self, pid: int, name: str, netns: str, address: str) -> None:
        super().__init__(pid)
        self.name = name
        self.netns = netns
        self.address = address
        self.number = int(address.rpartition(".")[2])

    @property
    def group(self) -> str:
        """The parent of its containers' control groups."""
        return f"natfix-seed-{self.pid}"

    def words(self, *words: str) -> list[str]:
        """The words that run a program there; in its own root folder, which is not this process's."""
        return ["nsenter", "-t", str(self.pid), "-n", "-m", "-p", "--wdns=/", "--", *words]

    def types(self, line: str, data: str = "") -> str:
        """What a shell command prints that somebody types on it, and that must succeed."""
        done = self.ask("sh", "-c", line, data=data, environment=_ENVIRONMENT)
        assert done.code == 0, f"{self.name}# {line}\n{done.output}{done.complaint}"
        return done.output

    def tries(self, line: str) -> int:
        """The exit code of a shell command that somebody types on it."""
        return self.ask("sh", "-c", line, environment=_ENVIRONMENT).code

    def plug(self, wire: str, *routes: str) -> None:
        """Give it eth0 on a wire, and routes to other segments."""
        port = f"to{self.number}"
        command("ip", "-n", wire, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", self.netns)
        command("ip", "-n", wire, "link", "set", port, "master", "br0", "up")
        self.types(f"ip address add {self.address}/24 dev eth0 && ip link set eth0 up")
        for route in routes:
            self.types(f"ip route add {route}")

    def supervise(self) -> None:
        """Start its supervisord."""
        self.write("/etc/supervisord.conf", _SUPERVISORD.encode())
        self.types("supervisord -c /etc/supervisord.conf")

    def start_docker(self, image: Path) -> None:
        """Start its dockerd under supervisord, and give it the image of busybox."""
        bip = f"172.7.{self.number}.1/24"
        options = f'"storage-driver": "vfs", "exec-opts": ["native.cgroupdriver=cgroupfs"], "cgroup-parent": "/{self.group}"'
        self.write("/etc/docker/daemon.json", f'{{"bip": "{bip}", {options}}}\n'.encode())
        self.write("/etc/supervisord.d/docker.ini", _DOCKER.encode())
        self.types("supervisorctl update")
        self.docker_answers()
        self.write("/tmp/busybox.tar", image.read_bytes())  # noqa: S108  (the host's own)
        self.types("docker import /tmp/busybox.tar busybox")

    def restart_docker(self) -> None:
        """Restart Docker, and wait until its containers are there again."""
        self.types("supervisorctl restart docker")
        self.docker_answers()
        until(lambda: "nginx" in self.types("docker ps --format '{{.Names}}'"), lambda: self.types("docker ps --all"))
        until(lambda: self.tries(f"curl --silent 172.7.{self.number}.2") == 0, lambda: self.types("docker logs nginx 2>&1"))

    def docker_answers(self) -> None:
        """Wait until Docker answers."""
        until(lambda: self.tries("docker version") == 0, lambda: self.types("tail -n 20 /var/lib/docker.log"))

    def serves(self) -> None:
        """Run a web server as the first container; its log says who asks."""
        # Its first process heeds no SIGTERM, and a restart of Docker would wait for it.
        options = "--detach --name nginx --restart always --stop-signal KILL"
        self.types(f"docker run {options} busybox httpd -f -vv -p 80 -h /www")

    def sources(self, requests: Callable[[], object], count: int = 1) -> list[str]:
        """Whom the web server's log shows as the sources of some requests, which are made meanwhile."""
        before = len(self._asked())
        requests()
        until(lambda: len(self._asked()) >= before + count, lambda: f"{count} requests to {self.name}: {self._asked()}")
        return [line.partition("]")[0].removeprefix("[").removeprefix("::ffff:") for line in self._asked()[before:]]

    def _asked(self) -> list[str]:
        return [line for line in self.types("docker logs nginx 2>&1").splitlines() if "url:" in line]


@contextmanager
def place(name: str, address: str) -> Iterator[Place]:
    """Make a host, which is on no wire yet."""
    unshare = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private"]
    words = [*unshare, "sh", "-c", _SETUP, "sh", *_elsewhere()]
    netns = f"natfix-{name}-{os.getpid()}"
    environment = {**os.environ, "COVERED": " ".join(_covered())}
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as init:
        assert init.stdin
        assert init.stdout
        pid = 0
        try:
            assert init.stdout.readline() == "ready\n"
            pid = int(Path(f"/proc/{init.pid}/task/{init.pid}/children").read_text().split()[0])
            command("ip", "netns", "attach", netns, str(pid))
            host = Place(pid, name, netns, address)
            host.types(f"ln -s {NATFIX} /usr/local/bin/natfix")
            yield host
        finally:
            # Its init waits for the end of its input, and takes every other process along.
            init.stdin.close()
            init.wait(PATIENCE)
            with suppress(AssertionError):
                command("ip", "netns", "delete", netns)
            remove_cgroups(f"natfix-seed-{pid}")


def _covered() -> list[str]:
    """Where natfix and its Python lie, as far as the host's own empty folders would hide them: a checkout may lie in /tmp."""
    needed = dict.fromkeys((Path(__file__).parents[2], Path(sys.prefix), Path(sys.base_prefix)))
    return [str(folder) for folder in needed if any(folder.is_relative_to(each) for each in ("/run", "/tmp", "/var/lib"))]  # noqa: S108


def until(holds: Callable[[], object], complaint: Callable[[], object] = lambda: "it did not happen") -> None:
    """Wait until something holds."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, complaint()
        time.sleep(0.05)


def write_busybox(path: Path) -> Path:
    """Write the files of the image busybox: one program with many names, and a page to serve."""
    program = shutil.which("busybox")
    assert program is not None
    with tarfile.open(path, "w") as archive:
        for name, data in {"bin/busybox": Path(program).read_bytes(), "www/index.html": b"welcome\n"}.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o755
            archive.addfile(entry, io.BytesIO(data))
        for name in ("sh", "wget", "httpd", "ping"):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
    return path


def _elsewhere() -> list[str]:
    """The folders of natfix and its Python that are not on the file system of the root."""
    root = Path("/").stat().st_dev
    folders = {Path(__file__).parents[2], Path(sys.prefix), Path(sys.base_prefix)}
    return sorted(str(folder) for folder in folders if folder.stat().st_dev != root)

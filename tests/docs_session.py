"""Documents as sessions: every ``console`` block of a page, run in order on a host made for it."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
WILD = "…"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What brings the host into the state that the next block speaks of, such as a restart of Docker; readers do not see it.
_BEFORE = re.compile(r"^<!-- play: (.*?) -->$", re.MULTILINE)
# A block that is a file: the commands after it find it there.
_FILE = re.compile(r"^<!-- file: (\S+) -->\n+```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MARK = "natfix-docs-session"

# A Debian-like container host with flannel and iptables-persistent, in namespaces of its own: nothing of the machine changes.
_HOST = """
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /run
for folder in etc usr/share var/lib; do
    mkdir -p /run/upper/$folder /run/work/$folder
    mount -t overlay -o lowerdir=/$folder,upperdir=/run/upper/$folder,workdir=/run/work/$folder overlay /$folder
done
mkdir -p /run/flannel /etc/iptables /usr/share/netfilter-persistent/plugins.d /run/home/my-rules
rm -rf /etc/natfix /var/lib/natfix
rm -f /etc/iptables/rules.v4
touch /usr/share/netfilter-persistent/plugins.d/15-ip4tables
printf 'FLANNEL_NETWORK=172.7.0.0/16\\nFLANNEL_SUBNET=172.7.21.1/24\\n' > /run/flannel/subnet.env
printf 'FLANNEL_MTU=1500\\nFLANNEL_IPMASQ=false\\n' >> /run/flannel/subnet.env
ip link set lo up
sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
ip link add docker0 type bridge
ip addr add 172.7.21.1/24 dev docker0
ip link set docker0 up
ip link add eth0 type veth peer name wire
ip addr add 10.4.7.21/24 dev eth0
ip link set eth0 up
ip link set wire up
ip route add 172.7.22.0/24 via 10.4.7.22
iptables-nft -t nat -A POSTROUTING -s 172.7.21.0/24 ! -o docker0 -j MASQUERADE
iptables-nft-save > /run/home/dump.save
cp "$1"/rules/TEMPLATE.toml /run/home/my-rules/MY001-mine.toml
cd /run/home
PATH=$2:$PATH
set +e
"""

# An etcd for the pages about it; it ends with the shell that started it, whatever that ends with.
_ETCD = """
setpriv --pdeathsig KILL etcd --data-dir /run/etcd --enable-v2 > /run/etcd.log 2>&1 &
for try in $(seq 300); do etcdctl get nothing > /run/etcd.try 2>&1 && break; sleep 0.1; done
"""
_ETCD_COMMANDS = ("natfix net", "natfix lease", "natfix node", "natfix routes")

# A dozen hosts for the page about many, each a namespace with files of its own, that a real ssh reaches by name: three are
# right, one does not answer. They end with the shell that started them.
_FLEET = """
sed -i 's,^root:x:0:0:root:[^:]*:,root:x:0:0:root:/run/home:,' /etc/passwd
mkdir -m 700 .ssh
ssh-keygen -q -t ed25519 -N '' -f .ssh/id_ed25519 && cp .ssh/id_ed25519.pub .ssh/authorized_keys
printf 'StrictHostKeyChecking accept-new\\nLogLevel ERROR\\n' > .ssh/config
echo "export PATH=$PATH" > .bashrc
dropbearkey -t ed25519 -f /run/key > /run/key.log 2>&1
ip link add lan type bridge
ip addr add 10.4.8.1/24 dev lan
ip link set lan up
for n in $(seq 12); do
    ip netns add web$n
    ip link add to-web$n master lan up type veth peer name eth0 netns web$n
    ip -n web$n -batch - << END
link set lo up
link set eth0 up
addr add 10.4.8.1$n/24 dev eth0
route add default via 10.4.8.1
link add docker0 type bridge
link set docker0 up
addr add 172.7.1$n.1/24 dev docker0
END
    ip netns exec web$n sysctl -qw net.ipv4.ip_forward=1
    spared=$(test $n -lt 9 || echo '! -d 172.7.0.0/16')
    ip netns exec web$n iptables-nft -t nat -A POSTROUTING -s 172.7.1$n.0/24 $spared ! -o docker0 -j MASQUERADE
    echo "10.4.8.1$n web$n" >> /etc/hosts
    test $n = 12 && continue
    setpriv --pdeathsig KILL ip netns exec web$n unshare --mount bash -c '
        mount -t tmpfs tmpfs /var/lib; mount -t tmpfs tmpfs /etc/iptables; exec "$@"
        ' bash dropbear -F -E -s -r /run/key -p 22 -P /run/dropbear$n.pid > /run/dropbear$n.log 2>&1 &
done
for n in $(seq 11); do
    for try in $(seq 100); do (exec 5<> /dev/tcp/web$n/22) 2> /run/ssh.try && break; sleep 0.1; done
done
"""
_FLEET_COMMANDS = ("sh collect.sh",)


@dataclass(frozen=True)
class Step:
    """One command of a document and the output it promises."""

    command: str
    promised: tuple[str, ...]


def blocks(page: Path) -> Iterator[tuple[str, str]]:
    """The language and the text of each fenced block of *page*."""
    for found in _BLOCK.finditer(page.read_text()):
        yield found[1], found[2]


def steps(page: Path) -> tuple[Step, ...]:
    """Every command in the ``console`` blocks of *page*, and in the comments between them, which must print nothing."""
    text = page.read_text()
    parts = [(found.start(), f"$ {found[1]}") for found in _BEFORE.finditer(text)]
    parts += [(found.start(), f"$ {_written(found[1], found[2])}") for found in _FILE.finditer(text)]
    parts += [(found.start(), found[2]) for found in _BLOCK.finditer(text) if found[1] == "console"]
    found: list[Step] = []
    for line in "\n".join(part for _, part in sorted(parts)).splitlines():
        if line.startswith(("$ ", "# ")):
            found.append(Step(line[2:], ()))
        elif line or found:
            found[-1] = Step(found[-1].command, (*found[-1].promised, line))
    return tuple(Step(step.command, _unpadded(step.promised)) for step in found)


def _written(path: str, text: str) -> str:
    return f"echo {base64.b64encode(text.encode()).decode()} | base64 -d > {path}"


def _unpadded(lines: tuple[str, ...]) -> tuple[str, ...]:
    """Without the empty lines that only part two blocks."""
    end = len(lines)
    while end and not lines[end - 1]:
        end -= 1
    return lines[:end]


def play(commands: list[str]) -> list[str]:
    """Run *commands* one after the other on a fresh host; give back what each printed."""
    etcd = _ETCD if any(command.startswith(_ETCD_COMMANDS) for command in commands) else ""
    fleet = _FLEET if any(command.startswith(_FLEET_COMMANDS) for command in commands) else ""
    script = _HOST + etcd + fleet + "".join(f"echo {_MARK}\n{command} 2>&1\n" for command in commands)
    done = subprocess.run(
        ["unshare", "--net", "--mount", "bash", "-c", script, "bash", str(ROOT), str(Path(sys.executable).parent)],
        check=False,
        capture_output=True,
        text=True,
        timeout=400,
    )
    before, *outputs = done.stdout.split(f"{_MARK}\n")
    assert len(outputs) == len(commands), f"the host could not be made: {before}{done.stderr}"
    return outputs


def keeps(promised: tuple[str, ...], printed: str) -> bool:
    """Whether *printed* is what the document says, where a line of … stands for any lines and … in a line for any text."""
    parts = [".*" if line == WILD else WILD.join(line.split(WILD)) for line in promised]
    pattern = "\n".join(part if part == ".*" else re.escape(part).replace(re.escape(WILD), ".*?") for part in parts)
    return re.fullmatch(pattern, printed.strip("\n"), re.DOTALL) is not None

"""Undoing what natfix did, and nothing else; and the connections that a correction drops."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from natfix.app.ports import Backend
from natfix.ruleset import Family
from tests.kernel.hosts import Host, backends, bridge, broad, debian, docker_host, options, own_host

pytestmark = pytest.mark.kernel

each_backend = pytest.mark.parametrize("backend", backends(), ids=str)
each_ipv4_backend = pytest.mark.parametrize("backend", backends(Family.IPV4), ids=str)
NFT4 = Backend(Family.IPV4, "nft")

TEXT = """\
*filter
:INPUT ACCEPT [0:0]
COMMIT
*nat
:POSTROUTING ACCEPT [0:0]
-A POSTROUTING {rule}
COMMIT
"""

# Answers each line of each connection with the address it came from, for as long as the connection lasts.
SERVER = """
import socket, sys, threading
def serve(connection, peer):
    with connection, connection.makefile("rw") as stream:
        for line in stream:
            stream.write(peer[0] + "\\n")
            stream.flush()
server = socket.create_server((sys.argv[1], 8080), family=socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
print("ready", flush=True)
while True:
    threading.Thread(target=serve, args=server.accept(), daemon=True).start()
"""
CLIENT = """
import socket, sys
with socket.create_connection((sys.argv[1], 8080), timeout=5) as connection, connection.makefile("rw") as stream:
    for line in sys.stdin:
        stream.write(line)
        stream.flush()
        try:
            print(stream.readline().strip(), flush=True)
        except OSError as error:
            print(type(error).__name__, flush=True)
            sys.exit()
"""
ADDRESSES = {
    Family.IPV4: ("10.4.7.21", "10.4.7.22", "172.7.21.2", "172.7.21.1", "172.7.22.0/24", "172.7.22.2", 24),
    Family.IPV6: ("fd10::21", "fd10::22", "fd07:21::2", "fd07:21::1", "fd07:22::/64", "fd07:22::2", 64),
}


@each_backend
def test_undo_leaves_rules_that_others_added_and_puts_the_rule_back_where_it_is_now(host: Host, backend: Backend) -> None:
    docker_host(host, backend)
    host.natfix("apply", *options(backend))
    for place, mark in (("1", "0x1"), ("3", "0x3")):
        host.run(str(backend), "-t", "nat", "-I", "POSTROUTING", place, "-m", "mark", "--mark", mark, "-j", "RETURN")
    assert "undone" in host.natfix("undo")
    assert [rule.partition("POSTROUTING ")[2] for rule in host.rules(backend)] == [
        "-m mark --mark 0x1 -j RETURN", broad(backend), "-m mark --mark 0x3 -j RETURN",
    ]  # fmt: skip


@each_ipv4_backend
def test_undo_changes_nothing_when_somebody_removed_the_corrected_rule(host: Host, backend: Backend) -> None:
    docker_host(host, backend)
    host.natfix("apply", *options(backend))
    host.run(str(backend), "-t", "nat", "-F", "POSTROUTING")
    assert "had already gone from kernel and files" in host.natfix("undo")
    assert host.rules(backend) == []
    assert "nothing to do" in host.natfix("undo")


@each_ipv4_backend
def test_undo_leaves_what_others_wrote_into_the_file_since(host: Host, backend: Backend) -> None:
    debian(host)
    docker_host(host, backend)
    path = host.write("/etc/iptables/rules.v4", TEXT.format(rule=broad(backend)).encode())
    host.natfix("apply", *options(backend))
    mine = "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n"
    path.write_text(path.read_text().replace("COMMIT\n*nat", f"{mine}COMMIT\n*nat"))
    host.natfix("undo")
    assert path.read_text() == TEXT.format(rule=broad(backend)).replace("COMMIT\n*nat", f"{mine}COMMIT\n*nat")


def test_undo_of_a_file_that_never_held_the_broad_rule_brings_none(host: Host) -> None:
    debian(host)
    docker_host(host, NFT4)
    before = TEXT.format(rule="-o eth9 -j MASQUERADE")
    path = host.write("/etc/iptables/rules.v4", before.encode())
    host.natfix("apply", "--no-persist", *options(NFT4))
    host.natfix("persist", *options(NFT4))
    path.write_text(f"{path.read_text()}# by hand\n")
    assert "undone: /etc/iptables/rules.v4" in host.natfix("undo")
    assert path.read_text() == f"{before}# by hand\n"


def test_undo_takes_its_rule_out_of_a_file_that_was_made_anew_by_iptables_save(host: Host) -> None:
    debian(host)
    docker_host(host, NFT4)
    path = host.write("/etc/iptables/rules.v4", TEXT.format(rule=broad(NFT4)).encode())
    host.natfix("apply", *options(NFT4))
    host.load(NFT4, "-A DOCKER -j RETURN", chains=["DOCKER"])
    path.write_text(host.run("iptables-nft-save", "-c"))
    host.natfix("undo")
    rules = [line.partition("-A ")[2] for line in path.read_text().splitlines() if "-A " in line]
    assert sorted(rules) == ["DOCKER -j RETURN", f"POSTROUTING {broad(NFT4)}"]


def test_a_change_is_undone_by_its_name_once_and_in_any_order(host: Host) -> None:
    docker_host(host, NFT4)
    first = host.natfix_json("apply", *options(NFT4))["id"]
    bridge(host, "br-1", "172.7.121.1/24")
    other = "-s 172.7.121.0/24 ! -o br-1 -j MASQUERADE"
    host.load(NFT4, f"-A POSTROUTING {other}")
    second = host.natfix_json("apply", *options(NFT4))["id"]
    host.natfix("undo", first)
    assert host.rules(NFT4)[0] == f"-A POSTROUTING {broad(NFT4)}"
    assert f"the change {first} is undone" in host.natfix("undo", first, code=2)
    assert "there is no change 1" in host.natfix("undo", "1", code=2)
    host.natfix("undo")
    assert host.rules(NFT4) == [f"-A POSTROUTING {rule}" for rule in (broad(NFT4), other)]
    changes = host.natfix_json("history")["changes"]
    assert [(change["id"], change["state"]) for change in changes] == [(first, "undone"), (second, "undone")]


@each_ipv4_backend
def test_undo_shows_beforehand_what_it_would_do(host: Host, backend: Backend) -> None:
    debian(host)
    docker_host(host, backend)
    host.natfix("apply", *options(backend))
    kernel, files = host.counted(backend), host.files("/mnt")
    shown = host.natfix_json("undo", "--dry-run")
    assert (host.counted(backend), host.files("/mnt")) == (kernel, files)
    done = host.natfix_json("undo")
    assert shown["changes"] == done["changes"]
    assert (shown["done"], done["done"]) == (False, True)


class Pods:
    """A pod of host A and one of host B, on whose way the rule of host A stands.

    Args:
        a: the host that natfix is run on.
        pod: a container of it.
        server: address of the server in B.
    """

    def __init__(self, a: Host, pod: Host, server: str) -> None:
        self.a = a
        self.pod = pod
        self.server = server

    @contextmanager
    def connection(self) -> Iterator["Connection"]:
        """Open a connection from the pod to the server, by this process's own pid."""
        with self.pod.start("python3", "-c", CLIENT, self.server) as process:
            try:
                yield Connection(process)
            finally:
                process.kill()


class Connection:
    """One TCP connection, over which a line is sent and the answer read."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def seen(self) -> str:
        """The address that the server sees, or the error that ended the connection."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write("hello\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()


@contextmanager
def pods(backend: Backend) -> Iterator[Pods]:
    """Build two hosts on a wire: A with docker0 and a pod, B with the server behind it."""
    near, far, pod_address, gateway, far_pods, server, width = ADDRESSES[backend.family]
    with ExitStack() as stack:
        a, b, pod = (stack.enter_context(own_host()) for _ in range(3))
        wire(a, "eth0", f"{near}/{width}", b, f"{far}/{width}")
        docker_host(a, backend)
        wire(a, "vethpod", "", pod, f"{pod_address}/{width}")
        a.run("ip", "link", "set", "vethpod", "master", "docker0")
        for key in ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"):
            a.run("sysctl", "-qw", key)
        pod.run("ip", "route", "add", "default", "via", gateway)
        a.run("ip", "route", "add", far_pods, "via", far)
        b.run("ip", "address", "add", f"{server}/{width}", "dev", "lo")
        b.run("ip", "route", "add", f"{pod_address}/{128 if width == 64 else 32}", "via", near)
        process = stack.enter_context(b.start("python3", "-c", SERVER, server))
        stack.callback(process.kill)
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        yield Pods(a, pod, server)


def wire(a: Host, name: str, address: str, b: Host, other: str) -> None:
    """Join two hosts by a pair of devices; the one in *b* is its eth0."""
    a.run("ip", "link", "add", name, "type", "veth", "peer", "name", "peer")
    # The namespace is told by a pid, which must be one of this process's own view.
    subprocess.run(["nsenter", "-t", str(a.pid), "-n", "ip", "link", "set", "peer", "netns", str(b.pid)], check=True)
    b.run("ip", "link", "set", "peer", "name", "eth0")
    for host, device, text in ((a, name, address), (b, "eth0", other)):
        if text:
            host.run("ip", "address", "add", text, "dev", device, "nodad")
        host.run("ip", "link", "set", device, "up")


def patiently(first: str, connections: Pods) -> None:
    """Wait until traffic flows, which IPv6 takes a moment for."""
    for _ in range(50):
        with connections.connection() as connection:
            if connection.seen() == first:
                return
        time.sleep(0.1)
    pytest.fail("the pods never met")


@each_backend
def test_a_connection_that_carried_the_rewrite_is_dropped_and_a_new_one_shows_the_pod(backend: Backend) -> None:
    near, _, pod_address, *_ = ADDRESSES[backend.family]
    with pods(backend) as two:
        patiently(near, two)
        with two.connection() as old:
            assert old.seen() == near
            result = two.a.natfix_json("apply", *options(backend))
            assert result["connections"] >= 1
            assert old.seen() != near
            with two.connection() as new:
                assert new.seen() == pod_address
        two.a.natfix("undo")
        with two.connection() as again:
            assert again.seen() == near


@each_ipv4_backend
def test_keep_connections_leaves_it(backend: Backend) -> None:
    near, _, pod_address, *_ = ADDRESSES[backend.family]
    with pods(backend) as two:
        patiently(near, two)
        with two.connection() as old:
            assert old.seen() == near
            assert two.a.natfix_json("apply", "--keep-connections", *options(backend))["connections"] == 0
            assert old.seen() == near
            with two.connection() as new:
                assert new.seen() == pod_address

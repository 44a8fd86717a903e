"""What natfix check says of settings, counters and saved files: live, and from the file of the host in the same words."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from natfix.app.ports import Backend
from natfix.ruleset import Family
from tests.kernel.hosts import Host, backends, bridge, broad, corrected, debian, nameless

pytestmark = pytest.mark.kernel

NFT, LEGACY = Backend(Family.IPV4, "nft"), Backend(Family.IPV4, "legacy")
SIX = Backend(Family.IPV6, "nft")
CLUSTERS = ("--cluster-cidr", "172.7.0.0/16", "--cluster-cidr", "fd07::/16")
RULES = "/etc/iptables/rules.v4"
KUBE = ("-A POSTROUTING -j KUBE-POSTROUTING", "-A KUBE-POSTROUTING -m mark --mark 0x4000/0x4000 -j MASQUERADE --random-fully")
Said = Callable[[], list[str]]


@pytest.fixture
def said(host: Host, tmp_path: Path) -> Said:
    """What a check says beside the verdicts about hidden addresses, which the file of the host says word for word."""

    def ask() -> list[str]:
        path = tmp_path / "web1.natfix"
        host.natfix("collect", *CLUSTERS, "--output", str(path))
        words = ("check", *CLUSTERS, "--fail-on", "info", "--exit-zero")
        there, here = host.natfix_json(*words), host.natfix_json(*words, str(path))
        # Where the cluster comes from is told in both, by the option.
        assert nameless(here, str(path)) == nameless(there)
        return [_told(finding) for table in there["tables"] for finding in table["findings"]]

    return ask


def _told(finding: dict[str, Any]) -> str:
    return f"{finding['id']} {finding['rule']['text']}"


def sysctl(on: Host, **settings: str) -> None:
    on.run("sysctl", "-qw", *(f"{name.replace('__', '.')}={value}" for name, value in settings.items()))


def right(on: Host, *variants: Backend) -> None:
    """Make *on* a Docker host on which nothing is wrong."""
    bridge(on, "docker0", "172.7.21.1/24", "fd07:21::1/64")
    sysctl(on, net__ipv4__ip_forward="1", net__ipv6__conf__all__forwarding="1")
    for variant in variants or (NFT,):
        on.load(variant, f"-A POSTROUTING {corrected(variant)} --random-fully")


@pytest.mark.parametrize(
    ("backend", "setting"),
    [(NFT, "net.ipv4.ip_forward"), (LEGACY, "net.ipv4.ip_forward"), (SIX, "net.ipv6.conf.all.forwarding")],
)
def test_a_host_that_does_not_forward_is_told_so(host: Host, said: Said, backend: Backend, setting: str) -> None:
    right(host, backend)
    assert said() == []
    sysctl(host, **{setting.replace(".", "__"): "0"})
    assert said() == [f"HOS001 {setting} = 0"]


def test_forwarding_that_is_off_is_told_once_though_both_backends_are_looked_at(host: Host, said: Said) -> None:
    right(host, NFT, LEGACY)
    sysctl(host, net__ipv4__ip_forward="0")
    assert [each for each in said() if each.startswith("HOS001")] == ["HOS001 net.ipv4.ip_forward = 0"]


@pytest.mark.parametrize("backend", backends(), ids=str)
def test_kube_proxy_needs_bridges_that_show_what_they_switch(host: Host, said: Said, backend: Backend) -> None:
    right(host, backend)
    name = "iptables" if backend.family is Family.IPV4 else "ip6tables"
    sysctl(host, **{f"net__bridge__bridge-nf-call-{name}": "0"})
    assert said() == []
    host.load(backend, *KUBE, chains=("KUBE-POSTROUTING",))
    # Nobody marks in a namespace without kube-proxy's other chains, which a live host is not asked for.
    assert said() == [f"HOS002 net.bridge.bridge-nf-call-{name} = 0"]
    sysctl(host, **{f"net__bridge__bridge-nf-call-{name}": "1"})
    assert said() == []


def asymmetric(on: Host) -> None:
    """The cluster by eth0, one host of it by tun0."""
    for device, address in (("eth0", "10.4.7.21/24"), ("tun0", "10.9.0.21/24")):
        on.run("ip", "link", "add", device, "type", "veth", "peer", "name", f"far-{device}")
        on.run("ip", "address", "add", address, "dev", device)
        on.run("ip", "link", "set", f"far-{device}", "up")
        on.run("ip", "link", "set", device, "up")
    on.run("ip", "route", "add", "default", "via", "10.4.7.1")
    on.run("ip", "route", "add", "172.7.0.0/16", "via", "10.4.7.1")
    on.run("ip", "route", "add", "172.7.22.0/24", "via", "10.9.0.22")


def test_a_strict_device_with_another_way_out_is_told(host: Host, said: Said) -> None:
    right(host)
    asymmetric(host)
    sysctl(host, net__ipv4__conf__all__rp_filter="0", net__ipv4__conf__eth0__rp_filter="1")
    assert said() == ["HOS003 net.ipv4.conf.eth0.rp_filter = 1"]
    sysctl(host, net__ipv4__conf__all__rp_filter="2")
    assert said() == []
    # docker0's own subnet leaves by another device than the cluster too, on every host.
    sysctl(host, net__ipv4__conf__all__rp_filter="1")
    host.run("ip", "route", "del", "172.7.22.0/24")
    assert said() == []


def test_the_kernel_drops_what_that_finding_is_about(host: Host) -> None:
    right(host)
    asymmetric(host)
    host.run("ip", "link", "set", "far-eth0", "netns", netns_of(host))
    with wire(host, "far-eth0") as send:
        for strictness, arrives in (("1", False), ("2", True)):
            sysctl(host, net__ipv4__conf__all__rp_filter="0", net__ipv4__conf__eth0__rp_filter=strictness)
            assert (send("172.7.22.2") > 0) is arrives


def netns_of(on: Host) -> str:
    """A second namespace, at the other end of the cable."""
    on.run("ip", "netns", "add", "far")
    return "far"


@contextmanager
def wire(on: Host, device: str) -> Iterator[Callable[[str], int]]:
    """Send a packet from an address by the far end of eth0; how many more of them the host let in."""
    far = ("ip", "netns", "exec", "far")
    mac = json.loads(on.run("ip", "-json", "link", "show", "eth0"))[0]["address"]
    on.run(*far, "ip", "link", "set", device, "up")
    on.run(*far, "ip", "address", "add", "172.7.22.2/32", "dev", device)
    on.run(*far, "ip", "route", "add", "10.4.7.21", "dev", device)
    on.run(*far, "ip", "neighbour", "add", "10.4.7.21", "lladdr", mac, "dev", device)
    on.run("iptables", "-A", "INPUT", "-p", "udp", "--dport", "9")

    def counted() -> int:
        line = on.run("iptables", "-vnxL", "INPUT").splitlines()[-1]
        return int(line.split()[0])

    def send(source: str) -> int:
        before = counted()
        script = f"import socket as s; e=s.socket(2,2); e.bind(('{source}',0)); e.sendto(b'x',('10.4.7.21',9))"
        on.run(*far, "python3", "-c", script)
        return counted() - before

    try:
        yield send
    finally:
        on.run("ip", "netns", "delete", "far")


def test_rules_in_both_backends_are_told(host: Host, said: Said) -> None:
    right(host, NFT, LEGACY)
    assert [each[:6] for each in said()] == ["HOS004"]
    host.run(f"{LEGACY}", "-t", "nat", "-F")
    assert said() == []


@pytest.mark.parametrize("backend", backends(Family.IPV4), ids=str)
def test_a_forward_that_lets_nothing_pass_is_told_without_docker_until_the_cluster_is_accepted(
    host: Host, said: Said, backend: Backend
) -> None:
    right(host, backend)
    host.run(str(backend), "-P", "FORWARD", "DROP")
    assert said() == ["FIL001 -P FORWARD DROP"]
    host.run(str(backend), "-A", "FORWARD", "-d", "172.7.0.0/16", "-j", "ACCEPT")
    assert said() == []
    host.run(str(backend), "-F", "FORWARD")
    host.run(str(backend), "-P", "FORWARD", "ACCEPT")
    host.run(str(backend), "-A", "FORWARD", "-j", "REJECT")
    assert [each[:6] for each in said()] == ["FIL002"]


def test_connections_that_found_their_port_taken_are_told_with_the_rule_that_picks_in_order(host: Host, said: Said) -> None:
    right(host)
    bridge(host, "br1", "172.7.31.1/24")
    ordered = "-A POSTROUTING -s 172.7.31.0/24 ! -d 172.7.0.0/16 ! -o br1 -j MASQUERADE"
    host.load(NFT, ordered)
    assert said() == []
    host.run("iptables", "-t", "mangle", "-A", "POSTROUTING", "-p", "tcp", "--dport", "80", "-j", "NFQUEUE", "--queue-num", "0")
    host.run(sys.executable, str(Path(__file__).with_name("clash.py")))
    assert said() == [f"NAT014 {ordered}"]


def saved(on: Host, *rules: str, chains: tuple[str, ...] = ()) -> None:
    debian(on)
    declared = "".join(f":{chain} - [0:0]\n" for chain in chains)
    text = "".join(f"{rule}\n" for rule in rules)
    on.write(RULES, f"*nat\n:POSTROUTING ACCEPT [0:0]\n{declared}{text}COMMIT\n".encode())


@pytest.mark.parametrize("backend", backends(Family.IPV4), ids=str)
def test_a_saved_file_that_brings_the_fault_back_is_told_until_it_is_corrected(
    host: Host, said: Said, backend: Backend
) -> None:
    right(host, backend)
    saved(host, f"-A POSTROUTING {broad(backend)}")
    assert said() == [
        f"SAV002 -A POSTROUTING {broad(backend)}",
        f"SAV003 -A POSTROUTING {corrected(backend)} --random-fully",
    ]
    host.natfix("persist", *CLUSTERS)
    assert said() == []


def test_a_saved_file_without_the_correction_is_told_until_it_holds_it(host: Host, said: Said) -> None:
    right(host)
    saved(host, "-A POSTROUTING -s 10.9.0.0/24 -o tun0 -j MASQUERADE")
    assert said() == [f"SAV003 -A POSTROUTING {corrected(NFT)} --random-fully"]
    host.natfix("persist", *CLUSTERS)
    assert said() == []


def test_a_saved_file_that_freezes_chains_of_others_is_told(host: Host, said: Said) -> None:
    right(host)
    saved(host, *KUBE, f"-A POSTROUTING {corrected(NFT)} --random-fully", chains=("KUBE-POSTROUTING",))
    assert said() == ["SAV001 -A POSTROUTING -j KUBE-POSTROUTING"]


def test_a_saved_file_that_cannot_be_read_is_a_note_on_the_host_and_in_the_file(host: Host, tmp_path: Path) -> None:
    right(host)
    debian(host)
    host.path(RULES).mkdir(parents=True)
    path = tmp_path / "web1.natfix"
    host.natfix("collect", *CLUSTERS, "--output", str(path), code=1)
    there, here = host.natfix_json("check", *CLUSTERS), host.natfix_json("check", *CLUSTERS, str(path))
    (note,) = there["notes"]
    assert note.startswith(f"not judged by saved: {RULES}: ")
    assert here["notes"] == [f"{path}: {note}"]

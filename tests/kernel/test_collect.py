"""natfix collect on a host with real rules: the file says what the host says, tells what it lacks, and changes nothing."""

import json
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from natfix.app.ports import Backend
from natfix.ruleset import Family
from tests.kernel.hosts import (
    CLUSTER,
    NATFIX,
    POD,
    WRITTEN,
    Host,
    backends,
    bridge,
    broad,
    corrected,
    debian,
    docker_host,
    nameless,
)

pytestmark = pytest.mark.kernel("ipset")

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "schemas" / "collected-1.json").read_text())
BACKENDS = pytest.mark.parametrize("backend", backends(), ids=str)
FLANNEL = """\
FLANNEL_NETWORK=172.7.0.0/16
FLANNEL_SUBNET=172.7.21.1/24
FLANNEL_IPV6_NETWORK=fd07::/16
FLANNEL_IPV6_SUBNET=fd07:21::1/64
"""
FAR = {Family.IPV4: ("172.7.21.2", "172.7.22.2"), Family.IPV6: ("fd07:21::2", "fd07:22::2")}
DOCKER28 = """\
*filter
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 -j ACCEPT
-A DOCKER ! -i docker0 -o docker0 -j DROP
COMMIT
"""
DOCKER29 = """
table {family} docker-bridges {{
    chain nat-POSTROUTING {{
        type nat hook postrouting priority srcnat; policy accept;
        oifname != "docker0" {family} saddr {subnet} counter masquerade
    }}
}}
"""


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A folder that this process and the host both see."""
    return tmp_path


def uplink(on: Host) -> None:
    """Give *on* a cable to nowhere, and routes to another host."""
    on.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "wire")
    on.run("ip", "link", "set", "wire", "up")
    on.run("ip", "address", "add", "10.4.7.21/24", "dev", "eth0")
    on.run("ip", "address", "add", "fd10::21/64", "dev", "eth0", "nodad")
    on.run("ip", "link", "set", "eth0", "up")
    on.run("ip", "route", "add", "172.7.22.0/24", "via", "10.4.7.22")
    on.run("ip", "-6", "route", "add", "fd07:22::/64", "via", "fd10::22")
    on.write("/run/flannel/subnet.env", FLANNEL.encode())


def collect(on: Host, folder: Path, *words: str, code: int = 0) -> tuple[str, dict[str, Any]]:
    """Let natfix collect there; the name of the file and what it holds."""
    path = folder / "web1.natfix"
    on.natfix("collect", "--output", str(path), *words, code=code)
    document = json.loads(path.read_text())
    jsonschema.validate(document, SCHEMA)
    return str(path), document


def same(on: Host, path: str, *words: str, code: int) -> dict[str, Any]:
    """Hold what the file says against what the host says; give it, with the names of the host."""
    there = on.natfix_json(*words, code=code)
    here = on.natfix_json(*words, path, code=code)
    assert nameless(here, path) == nameless(there)
    assert here != there  # The names are others.
    return there


def findings(document: dict[str, Any]) -> list[str]:
    return [finding["id"] for table in document["tables"] for finding in table["findings"]]


@BACKENDS
def test_check_and_trace_say_of_the_file_what_they_say_on_the_host(host: Host, shared: Path, backend: Backend) -> None:
    docker_host(host, backend)
    uplink(host)
    path, _ = collect(host, shared)
    assert "NAT001" in findings(same(host, path, "check", code=1))
    (end,) = same(host, path, "trace", *FAR[backend.family], code=0)["ends"]
    assert end["fate"] == "source-nat"


@pytest.mark.parametrize("backend", backends(Family.IPV4), ids=str)
def test_prove_says_of_the_file_what_it_says_on_the_host(host: Host, shared: Path, backend: Backend) -> None:
    docker_host(host, backend)
    uplink(host)
    path, _ = collect(host, shared)
    said = same(host, path, "prove", code=0)
    assert [table["corrected"] for table in said["tables"] if table["proofs"]] == [False, True]


@BACKENDS
def test_docker_28_ipsets_nft_tables_and_counters_are_in_the_file(host: Host, shared: Path, backend: Backend) -> None:
    family = "ip" if backend.family is Family.IPV4 else "ip6"
    bridge(host, "docker0", POD[backend.family].replace(".0/", ".1/").replace("::/", "::1/"))
    uplink(host)
    sets = {Family.IPV4: ("inet", "172.7.22.0/24"), Family.IPV6: ("inet6", "fd07:22::/64")}[backend.family]
    host.run("ipset", "restore", data=f"create near hash:net family {sets[0]}\nadd near {sets[1]}\n")
    exempt = f"-A POSTROUTING -s {POD[backend.family]} -m set --match-set near dst -j ACCEPT"
    host.load(backend, f"[7:420] {exempt}", f"-A POSTROUTING {broad(backend)}")
    host.run(f"{backend}-restore", "--noflush", data=DOCKER28)
    host.run("nft", "-f", "-", data=DOCKER29.format(family=family, subnet=POD[backend.family]))
    path, document = collect(host, shared)
    (ruleset,) = document["rulesets"]
    # ip6tables-nft 1.8.9 starts every rule it writes at 0.
    assert f"[{'0:0' if str(backend) == 'ip6tables-nft' else '7:420'}] {exempt}\n" in ruleset["nat"]
    assert "-A DOCKER ! -i docker0 -o docker0 -j DROP" in ruleset["filtering"]
    assert document["missing"] == []
    said = same(host, path, "check", code=1)
    assert {"NAT001", "DOC002"} <= set(findings(said))
    assert [table["source"] for table in said["tables"]] == [str(backend), f"table {family} docker-bridges (nft)"]
    (end,) = same(host, path, "trace", *FAR[backend.family], code=0)["ends"]
    assert (end["fate"], end["certain"]) == ("source-nat", True)


@BACKENDS
def test_the_guard_shields_in_the_file_too(host: Host, shared: Path, backend: Backend) -> None:
    docker_host(host, backend)
    uplink(host)
    host.natfix("guard", "on")
    path, _ = collect(host, shared)
    said = same(host, path, "check", "--exit-zero", code=0)
    shields = {finding["shielded_by"] for table in said["tables"] for finding in table["findings"]}
    assert any(shield and shield.startswith("nft table") for shield in shields)


def test_what_a_verdict_about_the_surroundings_needs_is_there(host: Host, shared: Path) -> None:
    backend = Backend(Family.IPV4, "nft")
    docker_host(host, backend)
    uplink(host)
    debian(host)
    host.write("/etc/iptables/rules.v4", b"*nat\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n")
    host.run("ip", "rule", "add", "priority", "100", "from", "172.7.21.0/24", "lookup", "100")
    host.run("ip", "link", "add", "to-pod", "type", "veth", "peer", "name", "pod")
    host.run("ip", "link", "set", "to-pod", "master", "docker0")
    host.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.eth0.rp_filter=1")
    _, document = collect(host, shared)
    ports = {each["name"]: each["bridge"] for each in document["interfaces"]}
    assert (ports["to-pod"], ports["eth0"]) == ("docker0", "")
    assert document["policies"]["ipv4"][1] == "100: from 172.7.21.0/24 lookup 100"
    assert document["settings"]["net.ipv4.ip_forward"] == document["settings"]["net.ipv4.conf.eth0.rp_filter"] == "1"
    assert "net.ipv4.conf.to-pod.rp_filter" not in document["settings"]
    assert document["saved"] == {"/etc/iptables/rules.v4": "*nat\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n"}
    assert {"to": "172.7.22.0/24", "via": "10.4.7.22", "device": "eth0"} in document["routes"]
    assert [each["origin"] for each in document["clusters"]] == [
        "FLANNEL_NETWORK in /run/flannel/subnet.env",
        "FLANNEL_IPV6_NETWORK in /run/flannel/subnet.env",
    ]
    assert document["host"]["kernel"] == host.run("uname", "-r").strip()
    assert document["docker"] is None


def test_the_same_host_gives_the_same_file_but_for_the_time_and_nothing_changes(host: Host, shared: Path) -> None:
    for backend in backends():
        host.load(backend, f"-A POSTROUTING {corrected(backend)}")
    uplink(host)
    before = [host.saved(backend) for backend in backends()], host.files(*WRITTEN)
    (path, document), (_, again) = collect(host, shared), collect(host, shared)
    assert {**document, "time": ""} == {**again, "time": ""}
    assert list(document) == list(again)
    assert len(document["rulesets"]) == 4
    assert "# Generated by" in document["rulesets"][0]["save"]
    assert ([host.saved(backend) for backend in backends()], host.files(*WRITTEN)) == before
    assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600


def test_the_file_can_go_through_a_pipe_without_the_name_of_the_host(host: Host) -> None:
    docker_host(host, Backend(Family.IPV4, "nft"))
    uplink(host)
    name = host.run("hostname").strip()
    text = host.natfix("collect", "--output", "-", "--without-host-name")
    assert json.loads(text)["host"]["name"] is None
    assert f'"{name}"' not in text
    host.run("mkdir", "/run/here")
    host.run("sh", "-c", f"cd /run/here && {' '.join(NATFIX)} collect --without-host-name && {' '.join(NATFIX)} collect")
    assert sorted(path.name for path in host.path("/run/here").iterdir()) == sorted(["host.natfix", f"{name}.natfix"])


def test_what_iptables_cannot_show_is_missing_and_told_by_nft_as_on_the_host(host: Host, shared: Path) -> None:
    docker_host(host, Backend(Family.IPV4, "nft"))
    uplink(host)
    host.run("nft", "add", "rule", "ip", "nat", "POSTROUTING", "ip", "saddr", "{ 172.7.21.0/24, 172.7.23.0/24 }", "masquerade")
    path, document = collect(host, shared, code=1)
    assert [(each["part"], each["kind"]) for each in document["missing"]] == [
        ("iptables-nft: nat", "unsupported"),
        ("iptables-nft: save", "unsupported"),
    ]
    # nft tells what iptables cannot, there and here.
    assert "NAT001" in findings(same(host, path, "check", code=1))
    (end,) = same(host, path, "trace", *FAR[Family.IPV4], code=0)["ends"]
    assert (end["fate"], end["certain"]) == ("source-nat", True)
    assert same(host, path, "prove", code=0)["holds"]


def test_a_host_without_iptables_tells_the_rest(host: Host, shared: Path) -> None:
    uplink(host)
    hide(host, ("iptables", "ip6tables", "xtables", "nft", "ipset"))
    path, document = collect(host, shared, code=1)
    (missing,) = document["missing"]
    assert (missing["part"], missing["reason"]) == ("rulesets", "iptables is not installed")
    assert document["rulesets"] == []
    assert document["routes"]
    assert host.ask(*NATFIX, "check", path).code == host.ask(*NATFIX, "check").code == 2


def test_many_files_are_summed_up(host: Host, shared: Path) -> None:
    docker_host(host, Backend(Family.IPV4, "nft"))
    uplink(host)
    for name in ("a", "b", "c"):
        host.natfix("collect", "--output", str(shared / f"{name}.natfix"))
    document = host.natfix_json("check", *sorted(map(str, shared.glob("*.natfix"))), code=1)
    (kind,) = document["kinds"]
    assert (kind["id"], kind["findings"], kind["sources"]) == ("NAT001", 3, 3)
    assert "--cluster-cidr" not in json.dumps(document["clusters"])
    wide = host.natfix_json("check", str(shared / "a.natfix"), "--cluster-cidr", CLUSTER[Family.IPV4], code=1)
    assert wide["clusters"][0]["origin"] == "--cluster-cidr"


def hide(on: Host, beginnings: Sequence[str]) -> None:
    """Take programs away from *on*."""
    for folder in ("/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"):
        names = on.run("ls", folder).split()
        gone = [f"{folder}/{name}" for name in names if name.startswith(tuple(beginnings))]
        if gone:
            on.run("rm", *gone)

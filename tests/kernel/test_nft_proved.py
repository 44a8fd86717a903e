"""Tables that programs keep in nft, loaded beside those of iptables: found, traced and proved as the kernel treats packets."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from natfix.app.ports import Backend, Variant
from natfix.ruleset import Family
from tests.kernel.hosts import Host, broad, corrected, own_host
from tests.kernel.pods import CIDRS, FAMILIES, WORLD, Site
from tests.kernel.pods import site as site  # noqa: PLC0414  (a fixture is found by its name in here)

pytestmark = pytest.mark.kernel("nft")

FOLDER = Path(__file__).parents[1] / "data" / "nft" / "actors"
# Written by the programs themselves in tests/machine, with the audit rule that speaks of each.
REAL = sorted(FOLDER.parent.glob("real-*.json"))
DOCKER = corrected(Backend(Family.IPV4, "nft"))
KEEPERS = {"cni": "CNI001", "libvirt": "LIB001", "netavark": "POD001"}
IPV4 = Family.IPV4


@dataclass(frozen=True)
class Said:
    """What is right about a table.

    Attributes:
        found: the audit rule of each finding.
        hides: the families in which a pod on docker0 is hidden.
    """

    found: tuple[str, ...] = ()
    hides: tuple[Family, ...] = ()


ACTORS = {
    "calico-3.30": Said(),
    "calico-3.30-own-pool": Said(("CAL001",), (Family.IPV4,)),
    "docker-29": Said(("DOC004", "NAT001"), (Family.IPV4,)),
    "flannel-0.28": Said(),
    "incus-6": Said(("LXD001", "LXD001"), (Family.IPV4, Family.IPV6)),
    "kube-proxy-1.33": Said(),
}


def load(host: Host, name: str) -> None:
    host.run("nft", "-f", str(FOLDER / f"{name}.nft"))


def found(host: Host, *sources: str) -> list[str]:
    """The audit rule of each finding, on the host or in sources."""
    document = host.natfix_json("check", "--exit-zero", *sources, *CIDRS)
    return sorted(each["id"] for table in document["tables"] for each in table["findings"])


def traced(host: Host, family: Family, *options: str) -> str:
    """What becomes of a packet from the pod on docker0 to a pod of another host."""
    world = WORLD[family]
    (end,) = host.natfix_json("trace", world.pod, world.remote, *options)["ends"]
    assert end["certain"]
    return str(end["fate"])


def proved(host: Host, *sources: str) -> list[dict[str, Any]]:
    """What the kernel was asked, about which it agreed."""
    document = host.natfix_json("prove", *sources, *CIDRS)
    proofs = [proof for table in document["tables"] for proof in table["proofs"]]
    assert {proof["verdict"] for proof in proofs} == {"agrees"}
    return proofs


def seen(site: Site, family: Family) -> str:
    return site.seen("pod", WORLD[family].remote)


@pytest.mark.parametrize("name", ACTORS)
def test_what_a_program_keeps_in_nft_is_judged_as_the_kernel_treats_packets(site: Site, name: str) -> None:
    said, host = ACTORS[name], site.host
    load(host, name)
    host.write("/run/nft.json", host.run("nft", "-j", "list", "ruleset").encode())
    before = host.run("nft", "list", "ruleset"), left(host)
    assert found(host) == sorted(said.found)
    for family in FAMILIES:
        hidden = family in said.hides
        world = WORLD[family]
        assert seen(site, family) == (world.node if hidden else world.pod)
        if family is IPV4 or "ip6" in before[0]:
            assert traced(host, family) == ("source-nat" if hidden else "accept")
    sent = proved(host)
    assert {Family(6 if ":" in proof["source"] else 4) for proof in sent if proof["said"] == "source-nat"} == set(said.hides)
    assert sent
    # A text knows no bridges; that of kube-proxy and calico's pools for everybody name no subnet of this host.
    assert found(host, "/run/nft.json") == sorted(said.found)
    # Packets were counted by the kernel meanwhile, and nothing else is another thing than before.
    assert (_uncounted(host.run("nft", "list", "ruleset")), left(host)) == (_uncounted(before[0]), before[1])


def left(host: Host) -> list[object]:
    """What natfix could have left behind: devices, routes, rules, namespaces, settings."""
    asked = ("ip -4 route show table all", "ip rule", "ip netns", "sysctl net.ipv4.ip_forward net.ipv4.conf.all.rp_filter")
    devices = sorted(each["ifname"] for each in json.loads(host.run("ip", "-j", "link")))
    return [devices, *(sorted(host.run(*words.split()).splitlines()) for words in asked)]


def _uncounted(ruleset: str) -> str:
    return re.sub(r"packets \d+ bytes \d+|expires \S+", "", ruleset)


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_a_listing_that_real_programs_wrote_is_told_and_proved_on_any_host(path: Path) -> None:
    with own_host() as host:
        host.write("/run/nft.json", path.read_bytes())
        # firewalld's rule names no subnet, which the text of a Docker host brings.
        host.write("/run/docker.save", f"*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING {DOCKER}\nCOMMIT\n".encode())
        wanted = {id_ for name, id_ in KEEPERS.items() if name in path.stem}
        assert set(found(host, "/run/nft.json")) == wanted
        assert "source-nat" in {proof["said"] for proof in proved(host, "/run/nft.json", "/run/docker.save")}


@pytest.mark.parametrize("variant", ["nft", "legacy"])
def test_the_verdict_is_about_the_host_and_not_about_one_table(site: Site, variant: Variant) -> None:
    """Where one table is corrected another may still hide, and each alone would not tell."""
    host, backend = site.host, Backend(IPV4, variant)
    host.load(backend, f"-A POSTROUTING {broad(backend)}")
    load(host, "flannel-0.28")
    # RETURN of flannel's table leads to the next table, and is no answer to it.
    assert (found(host), traced(host, IPV4), seen(site, IPV4)) == (["NAT001"], "source-nat", "10.4.7.21")
    assert {proof["said"] for proof in proved(host)} == {"source-nat", "accept"}
    host.natfix("apply", *CIDRS)
    assert host.rules(backend) == [f"-A POSTROUTING {corrected(backend)}"]
    assert (found(host), traced(host, IPV4), seen(site, IPV4)) == ([], "accept", "172.7.21.2")
    load(host, "docker-29")
    assert (found(host), traced(host, IPV4), seen(site, IPV4)) == (["DOC004", "NAT001"], "source-nat", "10.4.7.21")
    assert {proof["rule"] for proof in proved(host) if proof["said"] == "source-nat"} == {
        f'oifname != "{bridge}" ip saddr {subnet} counter masquerade'.replace('"', "")
        for bridge, subnet in (("docker0", "172.7.21.0/24"), ("br-own", "172.7.121.0/24"))
    }


@pytest.mark.parametrize("variant", ["nft", "legacy"])
def test_a_mark_of_iptables_is_seen_by_a_table_of_nft(site: Site, variant: Variant) -> None:
    host, backend = site.host, Backend(IPV4, variant)
    load(host, "kube-proxy-1.33")
    assert (traced(host, IPV4), seen(site, IPV4)) == ("accept", "172.7.21.2")
    host.run(str(backend), "-t", "mangle", "-A", "PREROUTING", "-i", "docker0", "-j", "MARK", "--set-xmark", "0x4000/0x4000")
    assert (traced(host, IPV4), seen(site, IPV4)) == ("source-nat", "10.4.7.21")
    assert "source-nat" in {proof["said"] for proof in proved(host)}
    host.natfix("collect", "--output", "/run/host.natfix")
    assert traced(host, IPV4, "/run/host.natfix") == "source-nat"
    assert found(host) == found(host, "/run/host.natfix") == ["NAT006"]
    (finding,) = [each for table in host.natfix_json("check", "--exit-zero", *CIDRS)["tables"] for each in table["findings"]]
    assert [each["origin"] for each in finding["marked"]] == [str(backend)]


@pytest.mark.parametrize("variant", ["nft", "legacy"])
def test_priorities_and_then_who_came_last_say_which_table_is_asked_first(site: Site, variant: Variant) -> None:
    host, backend = site.host, Backend(IPV4, variant)
    order = {"late": 101, "early": 99, "middle": 100, "middle-again": 100}
    for number, (name, priority) in enumerate(order.items(), 1):
        rule = f"ip saddr 172.7.21.0/24 ip daddr 172.7.22.0/24 snat to 10.4.7.{100 + number}"
        chain = f"chain p {{ type nat hook postrouting priority {priority}; {rule}; }}"
        host.run("nft", "-f", "-", data=f"table ip {name} {{ {chain}\n}}\n")
        host.run("ip", "address", "add", f"10.4.7.{100 + number}/32", "dev", "eth0")
    for first, table in (("10.4.7.102", "early"), ("10.4.7.104", "middle-again"), ("10.4.7.103", "middle")):
        assert [proof["expected"] for proof in proved(host) if proof["destination"].startswith("172.7.22.")] == [[first]]
        assert seen(site, IPV4) == first
        host.run("nft", "delete", "table", "ip", table)
    host.load(backend, "-A POSTROUTING -s 172.7.21.0/24 -d 172.7.22.0/24 -j SNAT --to-source 10.4.7.102")
    assert seen(site, IPV4) == "10.4.7.102"
    assert ["10.4.7.102"] in [proof["expected"] for proof in proved(host)]


def test_the_guard_is_proved_with_everything_that_it_stands_before(site: Site) -> None:
    host = site.host
    host.load(Backend(IPV4, "nft"), f"-A POSTROUTING {broad(Backend(IPV4, 'nft'))}")
    load(host, "incus-6")
    assert {proof["said"] for proof in proved(host) if proof["source"] == "172.7.21.2"} == {"source-nat"}
    host.natfix("guard", "on", *CIDRS)
    proofs = proved(host)
    assert {(proof["said"], proof["seen"]) for proof in proofs if proof["source"] == "172.7.21.2"} == {("accept", "172.7.21.2")}
    assert seen(site, IPV4) == "172.7.21.2"
    assert seen(site, Family.IPV6) == WORLD[Family.IPV6].pod


def test_a_collected_file_is_proved_with_its_nft_tables(site: Site, tmp_path: Path) -> None:
    host = site.host
    load(host, "docker-29")
    path = "/run/host.natfix"
    host.natfix("collect", "--output", path)
    assert proved(host, path) == proved(host)

"""What ``natfix check`` says is about the host: what other tables do to packets before, on a real one, beside what arrives."""

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from natfix.app.ports import Backend
from natfix.ruleset import Family
from tests.kernel.hosts import backends, corrected
from tests.kernel.pods import CIDRS, FAMILIES, WORLD, Site
from tests.kernel.pods import site as site  # noqa: PLC0414  (a fixture is found by its name in here)
from tests.machine.machines.patience import eventually

pytestmark = pytest.mark.kernel("nft")

BACKENDS = pytest.mark.parametrize("backend", backends(*Family), ids=str)
MARK = "-i docker0 -j MARK --set-xmark 0x1/0xffffffff"
MASQUERADE_MARKED = "-m mark --mark 0x1 -j MASQUERADE"


def put(site: Site, backend: Backend, table: str, chain: str, rule: str) -> None:
    site.host.run(str(backend), "-t", table, "-A", chain, *rule.split())


def findings(site: Site, *sources: str) -> list[dict[str, Any]]:
    document = site.host.natfix_json("check", "--exit-zero", *sources, *CIDRS)
    return [finding for table in document["tables"] for finding in table["findings"]]


def arrives_as(site: Site, family: Family, address: str) -> bool:
    return eventually(lambda: site.seen("pod", WORLD[family].remote) == address)


@BACKENDS
@pytest.mark.parametrize("chain", ["PREROUTING", "FORWARD", "POSTROUTING"])
def test_a_rule_that_another_table_marks_packets_for_is_found(site: Site, tmp_path: Path, backend: Backend, chain: str) -> None:
    site.host.load(backend, f"-A POSTROUTING {MASQUERADE_MARKED}", f"-A POSTROUTING {corrected(backend)}")
    assert findings(site) == []
    assert arrives_as(site, backend.family, WORLD[backend.family].pod)
    put(site, backend, "mangle", chain, MARK.replace("-i docker0 ", "") if chain == "POSTROUTING" else MARK)
    assert arrives_as(site, backend.family, WORLD[backend.family].node)
    (finding,) = findings(site)
    (marked,) = finding["marked"]
    assert (finding["certain"], finding["correctable"], finding["rule"]["number"]) == (True, False, 1)
    assert (marked["table"], marked["origin"], marked["rule"]["chain"]) == ("mangle", str(backend), chain)
    file = str(tmp_path / "host.natfix")
    site.host.natfix("collect", "--output", file)
    ((again,),) = [each["marked"] for each in findings(site, file)]
    assert (again["origin"], again["rule"]["text"]) == (marked["origin"], marked["rule"]["text"])
    before = site.host.saved(backend)
    told = site.host.natfix("apply", *CIDRS, "--no-persist")
    assert "exclude the cluster where rule 1 of" in told
    assert site.host.saved(backend) == before


@BACKENDS
def test_a_rule_whose_packets_nobody_tracks_does_no_harm(site: Site, backend: Backend) -> None:
    site.docker(backend)
    assert arrives_as(site, backend.family, WORLD[backend.family].node)
    put(site, backend, "raw", "PREROUTING", "-i docker0 -j CT --notrack")
    assert arrives_as(site, backend.family, WORLD[backend.family].pod)
    (finding,) = findings(site)
    assert (finding["severity"], finding["shielded_by"]) == ("info", f"rule 1 of PREROUTING in raw ({backend})")
    site.host.natfix("check", *CIDRS)
    site.host.run(str(backend), "-t", "raw", "-F")
    assert arrives_as(site, backend.family, WORLD[backend.family].node)
    site.host.natfix("check", *CIDRS, code=1)


def own(site: Site, family: str, rule: str, name: str = "mine") -> None:
    """Put a rule where it is asked before those of iptables."""
    base = "type nat hook postrouting priority srcnat - 5"
    site.host.run("nft", "-f", "-", data=f"table {family} {name} {{\nchain out {{\n{base}\n{rule}\n}}\n}}\n")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_table_of_nft_s_own_that_is_asked_first_is_told(site: Site, family: Family) -> None:
    backend, world = Backend(family, "nft"), WORLD[family]
    name = "ip" if family is Family.IPV4 else "ip6"
    site.docker(backend)
    own(site, name, f"{name} saddr {world.pod} masquerade")
    assert arrives_as(site, family, world.node)
    docker = next(each for each in findings(site) if each["rule"]["text"].startswith("-A "))
    assert docker["first"] is None, "it is asked before for one container alone"
    site.host.run("nft", "flush", "chain", name, "mine", "out")
    site.host.run("nft", "add", "rule", name, "mine", "out", "masquerade")
    docker, first = sorted(findings(site), key=lambda each: not each["rule"]["text"].startswith("-A "))
    assert (docker["first"]["origin"], docker["first"]["rule"]["text"]) == (f"table {name} mine", "masquerade")
    assert (docker["shielded_by"], first["rule"]["text"], first["severity"]) == (None, "masquerade", "high")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_table_of_nft_s_own_that_gives_packets_their_own_address_shields_them(site: Site, family: Family) -> None:
    backend, world = Backend(family, "nft"), WORLD[family]
    name = "ip" if family is Family.IPV4 else "ip6"
    site.docker(backend)
    (subnet,) = {each.split()[1] for each in (corrected(backend).removeprefix("-A POSTROUTING "),)}
    own(site, name, f"{name} saddr {subnet} snat to {_first_and_last(subnet)}")
    assert arrives_as(site, family, world.pod)
    (finding,) = findings(site)
    assert (finding["severity"], finding["shielded_by"]) == ("info", f"rule 1 of out in table {name} mine")
    site.host.natfix("check", *CIDRS)


@pytest.mark.parametrize("ours", ["iptables", "nft"])
def test_subnets_that_only_another_table_names_are_seen_to_lose_their_addresses(site: Site, ours: str) -> None:
    """Pods of a host whose bridges nobody names hang on devices of their own, as Calico's do."""
    world = WORLD[Family.IPV4]
    own(site, "ip", "masquerade")
    if ours == "nft":
        own(site, "ip", f"ip saddr {world.pod} ip daddr 224.0.0.0/4 accept", "pods")
    else:
        site.host.load(Backend(Family.IPV4, "nft"), f"-A POSTROUTING -s {world.pod}/32 -d 224.0.0.0/4 -j ACCEPT")
    assert site.seen("pod", world.remote) == world.node
    listing = site.host.path("/run/ruleset.json")
    listing.write_text(site.host.run("nft", "-j", "list", "ruleset"))
    assert "masquerade" in [each["rule"]["text"] for each in findings(site)]
    if ours == "nft":
        assert [each["rule"]["text"] for each in findings(site, "/run/ruleset.json")] == ["masquerade"]


KUBE_PROXY = (
    "-A PREROUTING -j KUBE-SERVICES",
    "-A POSTROUTING -j KUBE-POSTROUTING",
    "-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000",
    "-A KUBE-POSTROUTING -m mark --mark 0x4000/0x4000 -j MASQUERADE",
)


@BACKENDS
@pytest.mark.parametrize(
    ("spares", "found"), [("", "KUB005"), ("! -s 192.0.2.0/24", "KUB004"), ("! -i veth+", "KUB004"), ("! -i docker0", None)]
)
def test_a_service_whose_calls_kube_proxy_masquerades_is_told_and_no_other(
    site: Site, backend: Backend, spares: str, found: str | None
) -> None:
    world = WORLD[backend.family]
    call = f'-d {world.service} -p tcp -m comment --comment "ns/web:http cluster IP" -m tcp --dport 80'
    if backend.family is Family.IPV6:
        spares = spares.replace("192.0.2.0/24", "2001:db8:1::/48")
    site.host.load(
        backend,
        *KUBE_PROXY,
        f"-A KUBE-SERVICES {call} -j KUBE-SVC-A",
        f"-A KUBE-SVC-A {spares} {call} -j KUBE-MARK-MASQ",
        f"-A KUBE-SVC-A -p tcp -j DNAT --to-destination {world.remote}",
        f"-A POSTROUTING {corrected(backend)}",
        chains=("KUBE-SERVICES", "KUBE-SVC-A", "KUBE-MARK-MASQ", "KUBE-POSTROUTING"),
    )
    assert site.seen("pod", world.service) == (world.node if found else world.pod)
    site.host.path("/run/dump.save").write_text(site.host.run(f"{backend}-save"))
    told = [each["id"] for each in findings(site, "/run/dump.save") if each["id"].startswith("KUB")]
    assert told == [found] * bool(found)


@pytest.mark.parametrize(
    ("spares", "found"), [("", "KUB005"), ("ip saddr != 192.0.2.0/24", "KUB004"), ("ip saddr != 172.7.0.0/16", None)]
)
def test_so_is_one_of_kube_proxy_s_nft_mode_which_a_live_host_tells_too(site: Site, spares: str, found: str | None) -> None:
    world = WORLD[Family.IPV4]
    site.host.run(
        "nft",
        "-f",
        "-",
        data=f"""
table ip kube-proxy {{
  chain mark-for-masquerade {{ meta mark set meta mark | 0x00004000; }}
  chain masquerading {{
    meta mark & 0x00004000 == 0x00000000 return
    meta mark set meta mark ^ 0x00004000
    masquerade fully-random
  }}
  chain service-ULMVA6XW-ns1/svc1/tcp/p80 {{
    ip daddr {world.service} tcp dport 80 {spares} jump mark-for-masquerade
    meta l4proto tcp dnat to {world.remote}:80
  }}
  map service-ips {{
    type ipv4_addr . inet_proto . inet_service : verdict
    elements = {{ {world.service} . tcp . 80 : goto service-ULMVA6XW-ns1/svc1/tcp/p80 }}
  }}
  chain services {{ ip daddr . meta l4proto . th dport vmap @service-ips; }}
  chain nat-prerouting {{ type nat hook prerouting priority dstnat; jump services; }}
  chain nat-postrouting {{ type nat hook postrouting priority srcnat; jump masquerading; }}
}}
""",
    )
    assert site.seen("pod", world.service) == (world.node if found else world.pod)
    assert [each["id"] for each in findings(site)] == [found] * bool(found)


def _first_and_last(subnet: str) -> str:
    network = ip_network(subnet)
    return f"{network[0]}-{network[-1]}"

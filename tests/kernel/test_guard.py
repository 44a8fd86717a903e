"""The guard in the kernel: whose address the far end sees, whatever other rules there are, and however they change."""

import json
import shlex
from collections.abc import Sequence

import pytest

from natfix.app.ports import Backend
from natfix.audit.guard import Guard, nft_family
from natfix.audit.subject import Locality
from natfix.plan.guard import GuardChange
from natfix.ruleset import Family, parse_network
from tests.kernel.hosts import backends, broad
from tests.kernel.pods import CIDRS, FAMILIES, WORLD, Site, docker_command
from tests.kernel.pods import site as site  # noqa: PLC0414  (a fixture is found by its name in here)

pytestmark = pytest.mark.kernel

BACKENDS = pytest.mark.parametrize("backend", backends(), ids=str)
DOCKER29 = """
table {family} docker-bridges {{
    chain nat-POSTROUTING {{
        type nat hook postrouting priority srcnat; policy accept;
        iifname vmap {{ "docker0" : jump nat-postrouting-out__docker0 }}
    }}
    chain nat-postrouting-out__docker0 {{
        oifname != "docker0" {family} saddr {subnet} counter masquerade
    }}
}}
"""


def guard_on(site: Site) -> None:
    site.host.natfix("guard", "on", *CIDRS)


def iptables(site: Site, backend: Backend, *rules: str) -> None:
    for rule in rules:
        site.host.run(str(backend), "-t", "nat", *shlex.split(rule))


@BACKENDS
def test_a_remote_pod_sees_the_pod_though_dockers_rule_is_on_top_and_put_there_again(site: Site, backend: Backend) -> None:
    world = WORLD[backend.family]
    site.docker(backend)
    assert site.seen("pod", world.remote) == world.node
    guard_on(site)
    assert site.seen("pod", world.remote) == world.pod
    site.docker(backend, "-D")
    site.docker(backend)
    assert site.seen("pod", world.remote) == world.pod
    assert site.seen("pod", world.outside) == world.node


@BACKENDS
def test_flushing_the_tables_of_iptables_leaves_the_guard(site: Site, backend: Backend) -> None:
    world = WORLD[backend.family]
    site.docker(backend)
    guard_on(site)
    for flush in (("-t", "nat", "-F"), ("-t", "nat", "-X"), ("-F",), ("-X",)):
        site.host.run(str(backend), *flush)
    site.docker(backend)
    assert site.seen("pod", world.remote) == world.pod
    assert site.host.natfix_json("guard", "status", *CIDRS)["right"]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_nftables_tables_of_docker_29_are_not_asked_either(site: Site, family: Family) -> None:
    world = WORLD[family]
    subnet = {Family.IPV4: "172.7.21.0/24", Family.IPV6: "fd07:21::/64"}[family]
    docker = DOCKER29.format(family=nft_family(family), subnet=subnet)
    site.host.run("nft", "-f", "-", data=docker)
    assert site.seen("pod", world.remote) == world.node
    (found,) = findings(site, code=1)
    assert (found["id"], found["becomes"], found["certain"]) == ("NAT001", world.node, True)
    # natfix apply leaves the table to Docker, and does not say that all is well.
    site.docker(Backend(family, "nft"))
    applied = site.host.natfix_json("apply", *CIDRS)
    assert ([change["place"] for change in applied["changes"]], len(applied["remaining"])) == ([str(Backend(family, "nft"))], 1)
    assert not site.host.natfix_json("status", *CIDRS, code=1)["right"]
    assert site.seen("pod", world.remote) == world.node
    guard_on(site)
    assert site.host.natfix_json("status", *CIDRS)["right"]
    assert site.seen("pod", world.remote) == world.pod
    (harmless,) = findings(site)
    assert (harmless["severity"], harmless["shielded_by"]) == ("info", f"nft table {nft_family(family)} natfix")
    site.host.run("nft", "-f", "-", data=f"delete table {nft_family(family)} docker-bridges\n{docker}")
    assert site.seen("pod", world.remote) == world.pod
    assert site.seen("pod", world.outside) == world.node


@BACKENDS
def test_services_of_kubernetes_keep_the_masquerade_they_ask_for(site: Site, backend: Backend) -> None:
    world = WORLD[backend.family]
    site.docker(backend)
    guard_on(site)
    iptables(
        site, backend, "-N KUBE-POSTROUTING", "-I POSTROUTING -j KUBE-POSTROUTING",
        "-A KUBE-POSTROUTING -m mark --mark 0x4000/0x4000 -j MASQUERADE",
        # What KUBE-MARK-MASQ does for a pod that reaches itself by its service.
        f"-A PREROUTING -d {world.service} -s {world.pod} -j MARK --set-xmark 0x4000/0x4000",
        f"-A PREROUTING -d {world.service} -p tcp -j DNAT --to-destination {world.pod}",
        # And for everybody with --masquerade-all.
        f"-A PREROUTING -d {world.everywhere} -j MARK --set-xmark 0x4000/0x4000",
        f"-A PREROUTING -d {world.everywhere} -p tcp -j DNAT --to-destination {world.remote}",
    )  # fmt: skip
    assert site.seen("pod", world.service) == world.gateway
    assert site.seen("pod", world.everywhere) == world.node
    assert site.seen("pod", world.remote) == world.pod


@pytest.mark.parametrize("mark", ["0x2000", "0x40000"])
def test_marks_of_cni_and_tailscale_ask_for_masquerade_too(site: Site, mark: str) -> None:
    (backend,) = backends(Family.IPV4)[:1]
    world = WORLD[Family.IPV4]
    guard_on(site)
    iptables(
        site, backend, f"-A PREROUTING -i docker0 -j MARK --set-xmark {mark}/{mark}",
        f"-A POSTROUTING -m mark --mark {mark}/{mark} -j MASQUERADE",
    )  # fmt: skip
    assert site.seen("pod", world.remote) == world.node


@BACKENDS
def test_published_ports_are_reached_as_before(site: Site, backend: Backend) -> None:
    world = WORLD[backend.family]
    pod = f"[{world.pod}]" if backend.family is Family.IPV6 else world.pod
    site.docker(backend)
    iptables(
        site, backend, f"-A PREROUTING -p tcp -d {world.node} --dport 8080 -j DNAT --to-destination {pod}:80",
        f"-A POSTROUTING -s {world.pod} -d {world.pod} -p tcp --dport 80 -j MASQUERADE",
    )  # fmt: skip
    before = [site.seen(place, world.node, 8080) for place in ("far", "pod")]
    guard_on(site)
    assert [site.seen(place, world.node, 8080) for place in ("far", "pod")] == before
    # A pod that reaches itself through its published port must not see itself, or it would answer itself.
    assert before[1] == world.gateway
    assert "no answer" not in before


@BACKENDS
def test_pods_of_two_bridges_see_each_other(site: Site, backend: Backend) -> None:
    world = WORLD[backend.family]
    site.docker(backend)
    assert site.seen("pod", world.other) != world.pod
    guard_on(site)
    assert site.seen("pod", world.other) == world.pod
    assert site.seen("other", world.pod) == world.other


@pytest.mark.slow
@pytest.mark.parametrize("backend", [*backends(Family.IPV4), backends(Family.IPV6)[0]], ids=str)
def test_no_connection_is_masqueraded_while_the_rule_comes_and_goes(site: Site, backend: Backend) -> None:
    world = WORLD[backend.family]
    # iptables-legacy tracks connections only while a rule needs that, and to begin in the midst of one ends it.
    iptables(site, backend, f"-A POSTROUTING -s {world.other} ! -o br-own -j MASQUERADE")
    commands = [shlex.join(docker_command(backend, how)) for how in ("-I", "-D")]
    assert hidden(site, commands, world.remote, 2000)
    guard_on(site)
    assert hidden(site, commands, world.remote, 4000) == {}


@pytest.mark.slow
def test_no_connection_is_masqueraded_while_the_guard_is_replaced(site: Site) -> None:
    (backend, _) = backends(Family.IPV4)
    site.docker(backend)
    guards = [guard("172.7.21.0/24"), guard("172.7.21.0/24", "172.7.20.0/24", other="172.7.99.0/24")]
    for number, (before, after) in enumerate([guards, guards[::-1]]):
        site.host.write(f"/run/{number}.nft", GuardChange((before,), (after,)).script.encode())
    site.host.run("nft", "-f", "-", data=GuardChange((), (guards[0],)).script)
    commands = [f"nft -f /run/{number}.nft" for number in (0, 1)]
    assert hidden(site, commands, WORLD[Family.IPV4].remote, 4000) == {}


def hidden(site: Site, commands: Sequence[str], address: str, count: int) -> dict[str, int]:
    """How many of *count* new connections the far end saw under another address than the pod's, while commands run."""
    with site.serving("far", 81) as counted, site.repeating(*commands):
        site.connect_often(address, count, 81)
    pods = {WORLD[family].pod for family in Family}
    assert sum(counted.values()) >= count
    return {seen: number for seen, number in counted.items() if seen not in pods}


def guard(*subnets: str, other: str = "") -> Guard:
    localities = [Locality(tuple(map(parse_network, subnets)), "docker0")]
    if other:
        localities.append(Locality((parse_network(other),), "br-other"))
    return Guard.of(Family.IPV4, [parse_network("172.7.0.0/16")], localities)


def test_a_hundred_subnets_cost_no_more_rules_and_are_kept(site: Site) -> None:
    world = WORLD[Family.IPV4]
    lines = [f"link add br-{number} type bridge\naddress add 172.7.{number}.1/24 dev br-{number}" for number in range(130, 229)]
    site.host.run("ip", "-batch", "-", data="\n".join(lines))
    guard_on(site)
    (table, _) = site.host.natfix_json("guard", "status", *CIDRS)["tables"]
    assert table["condition"] == "on"
    assert len(table["subnets"]) == 101
    listed = json.loads(site.host.run("nft", "-j", "list", "chain", "ip", "natfix", "guard"))["nftables"]
    assert sum("rule" in each for each in listed) == 7
    assert site.seen("pod", world.remote) == world.pod


def test_it_is_put_back_after_everything_was_flushed(site: Site) -> None:
    (backend, _) = backends(Family.IPV4)
    guard_on(site)
    site.host.run("nft", "flush", "ruleset")
    site.docker(backend)
    status = site.host.natfix_json("guard", "status", *CIDRS, code=1)
    assert [table["condition"] for table in status["tables"]] == ["missing", "missing"]
    guard_on(site)
    assert site.seen("pod", WORLD[Family.IPV4].remote) == WORLD[Family.IPV4].pod


def test_it_is_shown_made_once_undone_and_turned_off(site: Site) -> None:
    def held() -> str:
        return site.host.run("nft", "list", "tables")

    empty = held()
    plan = site.host.natfix_json("guard", "on", *CIDRS, "--dry-run")
    assert (held(), plan["done"]) == (empty, False)
    made = site.host.natfix_json("guard", "on", *CIDRS)
    assert [change["script"] for change in made["changes"]] == [change["script"] for change in plan["changes"]]
    assert site.host.natfix_json("guard", "on", *CIDRS)["changes"] == []
    site.host.natfix("undo", made["id"])
    assert held() == empty
    guard_on(site)
    site.host.natfix("guard", "off")
    assert held() == empty
    site.host.natfix("undo")
    assert site.host.natfix_json("guard", "status", *CIDRS)["tables"][0]["condition"] == "on"
    assert [each["verb"] for each in site.host.natfix_json("history")["changes"]] == ["guard", "guard", "unguard"]


@BACKENDS
def test_check_says_that_the_rule_is_there_and_harmless(site: Site, backend: Backend) -> None:
    site.docker(backend)
    site.host.natfix("check", *CIDRS, code=1)
    guard_on(site)
    (finding,) = findings(site)
    assert (finding["severity"], finding["shielded_by"]) == ("info", f"nft table {nft_family(backend.family)} natfix")
    site.host.natfix("check", *CIDRS, "--fail-on", "info", code=1)
    assert "harmless behind the guard" in site.host.natfix("check", *CIDRS)
    assert "right" in site.host.natfix("status", *CIDRS)


def findings(site: Site, code: int = 0) -> list[dict[str, object]]:
    return [each for table in site.host.natfix_json("check", *CIDRS, code=code)["tables"] for each in table["findings"]]


def test_a_guard_of_one_bridge_makes_only_its_rules_harmless(site: Site) -> None:
    (backend, _) = backends(Family.IPV4)
    guard_on(site)
    site.host.run("ip", "link", "add", "br-new", "type", "bridge")
    site.host.run("ip", "address", "add", "172.7.33.1/24", "dev", "br-new")
    site.docker(backend)
    iptables(site, backend, "-A POSTROUTING -s 172.7.33.0/24 ! -o br-new -j MASQUERADE")
    assert [each["severity"] for each in findings(site, code=1)] == ["high", "info"]
    status = site.host.natfix_json("guard", "status", *CIDRS, code=1)
    assert status["tables"][0]["condition"] == "incomplete"


def test_apply_corrects_what_the_guard_makes_harmless_unless_it_is_told_otherwise(site: Site) -> None:
    (backend, _) = backends(Family.IPV4)
    site.docker(backend)
    guard_on(site)
    assert site.host.natfix_json("apply", *CIDRS, "--no-persist", "--leave-guarded")["changes"] == []
    assert site.host.rules(backend) == [f"-A POSTROUTING {broad(backend)}"]
    assert len(site.host.natfix_json("apply", *CIDRS, "--no-persist")["changes"]) == 1


def test_a_table_that_somebody_changed_is_seen_and_put_right(site: Site) -> None:
    (backend, _) = backends(Family.IPV4)
    guard_on(site)
    site.docker(backend)
    site.host.run("nft", "insert", "rule", "ip", "natfix", "guard", "accept")
    status = site.host.natfix_json("guard", "status", *CIDRS, code=1)
    assert status["tables"][0]["condition"] == "altered"
    assert findings(site, code=1)[0]["severity"] == "high"
    guard_on(site)
    assert site.host.natfix_json("guard", "status", *CIDRS)["right"]


def test_a_host_without_nft_says_which_package_brings_it(site: Site) -> None:
    for folder in ("/usr/sbin", "/sbin"):
        site.host.run("rm", "-f", f"{folder}/nft")
    assert "nftables" in site.host.natfix("guard", "on", *CIDRS, code=2)


def test_open_connections_show_the_pods_address_at_once(site: Site) -> None:
    (backend, _) = backends(Family.IPV4)
    site.docker(backend)
    # Ten seconds after its end a connection is forgotten, which is soon on a slow machine.
    site.host.run("sysctl", "-qw", "net.netfilter.nf_conntrack_tcp_timeout_close=600")
    site.seen("pod", WORLD[Family.IPV4].remote)
    assert site.host.natfix_json("guard", "on", *CIDRS)["connections"] == 1

"""A recipe of 2019 from its first line to its last on real parts, with natfix in flanneld's place.

flannel in its host-gw model on hosts with Docker, configured in etcd with certificates, under supervisord; the rule of Docker
that hides containers' addresses, and its correction. Tests are numbered as the recipe's sections, and stand in its order; each
fixture is what the recipe has people do before that section. What is typed in its place stands in docs/flannel-to-natfix.md.
Everything is done twice: in etcd's v2 store, as flannel up to 0.17 did, and in its v3 store.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.etcd import PREFIX
from tests.kernel.hosts import rhel
from tests.seed.place import Place, until
from tests.seed.recipe import SUBNET, TYPED, docker_rules, log, page, prepare, reach_each_other, routes, start, typed, waits
from tests.seed.town import Town, town

pytestmark = [pytest.mark.machine("etcd", "etcdctl", "supervisord", "route", "curl", "openssl"), pytest.mark.slow]

CONFIG = '{"Network": "172.7.0.0/16", "Backend": {"Type": "host-gw"}}'
BROAD = "-A POSTROUTING -s 172.7.21.0/24 ! -o docker0 -j MASQUERADE"
NARROW = "-A POSTROUTING -s 172.7.21.0/24 ! -d 172.7.0.0/16 ! -o docker0 -j MASQUERADE"
# How people let their commands know of etcd.
KNOWN = ". /opt/flannel/etcd.env"
SAVED = "/etc/sysconfig/iptables"
HEAD = "Destination Gateway Genmask Flags Metric Ref Use Iface"


@dataclass
class Seed:
    """The hosts, which of etcd's stores they use, and whom a web server saw in 3.1.2."""

    town: Town
    api: str
    log: list[str] = field(default_factory=list)

    @property
    def one(self) -> Place:
        """hdss7-21."""
        return self.town.hosts[0]

    @property
    def two(self) -> Place:
        """hdss7-22."""
        return self.town.hosts[1]

    @property
    def three(self) -> Place:
        """hdss7-23, which comes later."""
        return self.town.hosts[2]

    def leases(self) -> dict[str, object]:
        """Who holds what, by the keys' last part."""
        if self.api == "v2":
            keys = self.town.server.ctl_v2("ls", f"{PREFIX}/subnets").split()
            return {key.rpartition("/")[2]: json.loads(self.town.server.ctl_v2("get", key)) for key in keys}
        lines = self.town.server.ctl("get", "--prefix", f"{PREFIX}/subnets/").splitlines()
        return {key.rpartition("/")[2]: json.loads(value) for key, value in zip(lines[::2], lines[1::2], strict=True)}


# Of the three addresses of the recipe one has an etcd, and the others refuse: the first in v2, the last in v3.
@pytest.fixture(scope="module", params=[("v2", "10.4.7.12"), ("v3", "10.4.7.22")], ids=lambda param: param[0])
def seed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seed]:
    """The hosts as they are before the recipe: Docker is there, each with its own subnet."""
    api, server = request.param
    with town(tmp_path_factory.mktemp(api), "10.4.7.21", "10.4.7.22", "10.4.7.23", server=server) as made:
        yield Seed(made, api)


@pytest.fixture(scope="module")
def configured(seed: Seed) -> Seed:
    """2.1: the network's configuration is written, on the host of etcd."""
    if seed.api == "v2":
        seed.town.store.types(f"/opt/etcd/etcdctl set /coreos.com/network/config '{CONFIG}'")
    else:
        assert seed.town.store.types(page("2.1")).endswith(f"    {CONFIG}\n")
    return seed


@pytest.fixture(scope="module")
def prepared(configured: Seed) -> Seed:
    """2.2: certificates, the pinned subnets; and 2.3.1 and 2.3.2, the scripts."""
    for host in configured.town.hosts:
        prepare(host, configured.town.authority)
    return configured


@pytest.fixture(scope="module")
def running(prepared: Seed) -> Seed:
    """2.3.3: the agents of two hosts are started."""
    for host in (prepared.one, prepared.two):
        start(host)
    return prepared


@pytest.fixture(scope="module")
def routed(running: Seed) -> Seed:
    """The agents have done their work."""
    reach_each_other(running.one, running.two)
    return running


@pytest.fixture(scope="module")
def grown(routed: Seed) -> Seed:
    """A third host has come; in v3 while the first host that it asks for etcd is switched off."""
    if routed.api == "v3":
        routed.town.first.types("ip link set eth0 down")
    start(routed.three)
    reach_each_other(*routed.town.hosts)
    routed.town.first.types("ip link set eth0 up")
    return routed


@pytest.fixture(scope="module")
def asked(grown: Seed) -> Seed:
    """3.1.2: the problem is reproduced."""
    grown.log += grown.two.sources(lambda: grown.one.types("curl -I 172.7.22.2"))
    grown.log.append(wget(grown))
    return grown


@pytest.fixture(scope="module")
def corrected(asked: Seed) -> Seed:
    """3.2.2: the rule is corrected and saved, which is one command."""
    rhel(asked.one)
    asked.one.types(page("3.2.2"))
    return asked


@pytest.fixture(scope="module")
def restarted(corrected: Seed) -> Seed:
    """3.2.3: Docker is restarted."""
    corrected.one.restart_docker()
    return corrected


@pytest.fixture(scope="module")
def kept(restarted: Seed) -> Seed:
    """The rule is corrected again, and kept right from now on."""
    restarted.one.types(page("3.2.2"))
    return restarted


def test_what_the_page_has_people_type_is_typed_here() -> None:
    assert typed() == TYPED


def wget(seed: Seed) -> str:
    """Whom the web server on hdss7-22 sees when a container of hdss7-21 asks."""
    (source,) = seed.two.sources(lambda: seed.one.types("docker run --rm busybox sh -c 'wget 172.7.22.2'"))
    return source


def test_2_1_the_configuration_is_in_etcd_as_it_was_typed(configured: Seed) -> None:
    if configured.api == "v2":
        assert configured.town.store.types("/opt/etcd/etcdctl get /coreos.com/network/config") == f"{CONFIG}\n"
    else:
        assert configured.town.server.ctl("get", "--print-value-only", "/coreos.com/network/config") == f"{CONFIG}\n"
    assert configured.town.store.types("natfix net show").endswith(f"    {CONFIG}\n")


def test_2_2_2_nobody_without_the_certificates_is_heard(prepared: Seed) -> None:
    host = prepared.one
    assert CONFIG in host.types(f"{KNOWN} && natfix net show")
    assert host.tries(f"{KNOWN} && FLANNELD_ETCD_CERTFILE= FLANNELD_ETCD_KEYFILE= natfix net show") == 2


def test_2_2_3_each_host_gets_the_subnet_that_is_pinned_in_subnet_env(routed: Seed) -> None:
    for host in (routed.one, routed.two):
        assert host.types("cat /opt/flannel/subnet.env") == SUBNET.format(number=host.number, mtu=1500)
    leases = routed.leases()
    assert leases == {
        f"172.7.{number}.0-24": {"PublicIP": f"10.4.7.{number}", "PublicIPv6": None, "BackendType": "host-gw"}
        for number in (21, 22)
    }


def test_2_3_3_the_routes_are_those_that_the_recipe_shows(routed: Seed) -> None:
    assert routes(routed.two) == [
        HEAD,
        "172.7.21.0 10.4.7.21 255.255.255.0 UG 0 0 0 eth0",
        "172.7.22.0 0.0.0.0 255.255.255.0 U 0 0 0 docker0",
    ]
    assert routes(routed.one) == [
        HEAD,
        "172.7.21.0 0.0.0.0 255.255.255.0 U 0 0 0 docker0",
        "172.7.22.0 10.4.7.22 255.255.255.0 UG 0 0 0 eth0",
    ]


def test_2_3_3_the_containers_answer_across(routed: Seed) -> None:
    assert "from 172.7.22.2: icmp_seq=1 ttl=63" in routed.one.types("ping -c 1 172.7.22.2")
    assert "from 172.7.21.2: icmp_seq=1 ttl=63" in routed.two.types("ping -c 1 172.7.21.2")
    assert "ttl=62" in routed.one.types("docker exec nginx ping -c 1 172.7.22.2")


def test_2_3_3_a_third_host_joins(grown: Seed) -> None:
    assert routes(grown.one)[1:] == [
        "172.7.21.0 0.0.0.0 255.255.255.0 U 0 0 0 docker0",
        "172.7.22.0 10.4.7.22 255.255.255.0 UG 0 0 0 eth0",
        "172.7.23.0 10.4.7.23 255.255.255.0 UG 0 0 0 eth0",
    ]
    for host in grown.town.hosts:
        for number in {21, 22, 23} - {host.number}:
            assert "ttl=62" in host.types(f"docker exec nginx ping -c 1 172.7.{number}.2")
    told = grown.three.types(page("2.3.3", 2))
    assert "172.7.21.0/24  10.4.7.21" in told
    assert "right        172.7.21.0/24  10.4.7.21" in told


def test_3_1_1_an_outsider_and_a_host_are_seen_as_who_they_are(grown: Seed) -> None:
    outsider = grown.town.authority
    outsider.types("ip route add 172.7.22.0/24 via 10.4.7.22")
    assert grown.two.sources(lambda: outsider.types("curl --silent 172.7.22.2")) == ["10.4.7.200"]
    assert grown.two.sources(lambda: grown.one.types("curl --silent 172.7.22.2")) == ["10.4.7.21"]


def test_3_1_2_the_log_shows_the_host_for_itself_and_for_its_container(asked: Seed) -> None:
    assert asked.log == ["10.4.7.21", "10.4.7.21"]
    assert asked.one.tries(page("3.2.4")) == 1


def test_3_2_1_check_finds_the_rule(asked: Seed) -> None:
    assert docker_rules(asked.one) == [BROAD]
    assert asked.one.tries(page("3.1.2")) == 1
    found = asked.one.types("natfix check --exit-zero")
    assert "NAT001" in found
    assert BROAD in found
    assert "cluster 172.7.0.0/16 (from FLANNEL_NETWORK in ./subnet.env of natfix" in found


def test_3_2_2_apply_corrects_the_rule_and_saves_it(corrected: Seed) -> None:
    assert docker_rules(corrected.one) == [NARROW]
    assert corrected.one.types(f"cat {SAVED} |grep -i postrouting|grep docker0") == f"{NARROW}\n"
    assert corrected.one.tries(page("3.1.2")) == 0


def test_3_2_4_the_log_shows_the_container(corrected: Seed) -> None:
    assert wget(corrected) == "172.7.21.3"
    assert "seen as 172.7.21.1 (the peer says)" in corrected.one.types(page("3.2.4"))


def test_3_2_3_docker_writes_its_rule_again_when_it_is_restarted(restarted: Seed) -> None:
    assert docker_rules(restarted.one) == [BROAD, NARROW]
    assert wget(restarted) == "10.4.7.21"


def test_3_2_3_apply_deletes_it_again(kept: Seed) -> None:
    assert docker_rules(kept.one) == [NARROW]
    assert wget(kept) == "172.7.21.3"


def test_3_2_3_natfix_keeps_it_so_by_itself(kept: Seed) -> None:
    """Once with the watcher, once with the guard."""
    if kept.api == "v2":
        kept.one.types(page("3.2.3", 0))
        kept.one.restart_docker()
        until(lambda: docker_rules(kept.one) == [NARROW], lambda: kept.one.types("cat /var/log/natfix-watch.log"))
    else:
        kept.one.types(page("3.2.3", 1))
        kept.one.restart_docker()
        assert docker_rules(kept.one) == [BROAD, NARROW]
    assert wget(kept) == "172.7.21.3"


def test_the_agents_have_run_all_the_time(kept: Seed) -> None:
    for host in kept.town.hosts:
        # supervisord calls it RUNNING half a minute after its start, which is waited for once.
        waits(host, f"supervisorctl status flanneld | grep -E '{'RUNNING' if kept.api == 'v3' else 'STARTING|RUNNING'}'")
        assert log(host).count("node-leased") == 1

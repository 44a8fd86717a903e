"""1.2 of the recipe: the tunnel between segments, and the mixture of both, each with Docker, its rule and the correction.

hdss7-21 and hdss7-22 are on one segment; hdss8-23 is on another one, behind a router that knows nothing of containers.
"""

from collections.abc import Iterator

import pytest

from tests.seed.place import Place
from tests.seed.recipe import SUBNET, docker_rules, page, prepare, reach_each_other, restart, routes, start
from tests.seed.town import Town, town

pytestmark = [pytest.mark.machine("etcd", "etcdctl", "supervisord", "route", "curl", "openssl"), pytest.mark.slow]


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Two segments, Docker on each host."""
    with town(tmp_path_factory.mktemp("segments"), "10.4.7.21", "10.4.7.22", "10.4.8.23", server="10.4.7.12") as made:
        yield made


@pytest.fixture(scope="module")
def tunnelled(hosts: Town) -> Town:
    """1.2.1: the network is configured with a tunnel, and the agents are started."""
    hosts.store.types(page("1.2", 0))
    for host in hosts.hosts:
        prepare(host, hosts.authority)
        start(host)
    reach_each_other(*hosts.hosts)
    return hosts


@pytest.fixture(scope="module")
def tunnelled_and_corrected(tunnelled: Town) -> Town:
    """3.2.2 on each host."""
    for host in tunnelled.hosts:
        host.types(page("3.2.2"))
    return tunnelled


@pytest.fixture(scope="module")
def mixed(tunnelled_and_corrected: Town) -> Town:
    """1.2.1: the network is configured anew, and the agents are started again."""
    made = tunnelled_and_corrected
    made.store.types(page("1.2", 1))
    for host in made.hosts:
        restart(host)
    reach_each_other(*made.hosts)
    return made


def seen(sender: Place, receiver: Place) -> str:
    """Whom the web server of a host sees when a container of another one asks."""
    (source,) = receiver.sources(lambda: sender.types(f"docker run --rm busybox sh -c 'wget 172.7.{receiver.number}.2'"))
    return source


def pings_between_containers(hosts: Town) -> None:
    for host in hosts.hosts:
        for other in hosts.hosts:
            if other is not host:
                assert "ttl=62" in host.types(f"docker exec nginx ping -c 1 172.7.{other.number}.2")


def test_1_2_1_the_tunnel_leads_to_every_host(tunnelled: Town) -> None:
    one, _, far = tunnelled.hosts
    assert routes(one)[1:] == [
        "172.7.21.0 0.0.0.0 255.255.255.0 U 0 0 0 docker0",
        "172.7.22.0 172.7.22.0 255.255.255.0 UG 0 0 0 flannel.1",
        "172.7.23.0 172.7.23.0 255.255.255.0 UG 0 0 0 flannel.1",
    ]
    assert routes(far)[1:] == [
        "172.7.21.0 172.7.21.0 255.255.255.0 UG 0 0 0 flannel.1",
        "172.7.22.0 172.7.22.0 255.255.255.0 UG 0 0 0 flannel.1",
        "172.7.23.0 0.0.0.0 255.255.255.0 U 0 0 0 docker0",
    ]
    pings_between_containers(tunnelled)


def test_1_2_1_containers_have_to_leave_room_for_the_tunnel(tunnelled: Town) -> None:
    for host in tunnelled.hosts:
        assert host.types("cat /opt/flannel/subnet.env") == SUBNET.format(number=host.number, mtu=1450)


def test_3_1_2_the_log_shows_the_tunnels_end(tunnelled: Town) -> None:
    one, _, far = tunnelled.hosts
    assert seen(one, far) == "172.7.21.0"
    assert one.tries(page("3.1.2")) == 1


def test_3_2_4_the_log_shows_the_container_behind_a_tunnel(tunnelled_and_corrected: Town) -> None:
    one, _, far = tunnelled_and_corrected.hosts
    assert docker_rules(one) == ["-A POSTROUTING -s 172.7.21.0/24 ! -d 172.7.0.0/16 ! -o docker0 -j MASQUERADE"]
    assert seen(one, far) == "172.7.21.3"
    assert seen(far, one) == "172.7.23.3"


def test_1_2_1_the_mixture_takes_the_tunnel_for_hosts_of_other_segments_alone(mixed: Town) -> None:
    one, two, far = mixed.hosts
    assert routes(one)[1:] == [
        "172.7.21.0 0.0.0.0 255.255.255.0 U 0 0 0 docker0",
        "172.7.22.0 10.4.7.22 255.255.255.0 UG 0 0 0 eth0",
        "172.7.23.0 172.7.23.0 255.255.255.0 UG 0 0 0 flannel.1",
    ]
    assert routes(two)[1:] == [
        "172.7.21.0 10.4.7.21 255.255.255.0 UG 0 0 0 eth0",
        "172.7.22.0 0.0.0.0 255.255.255.0 U 0 0 0 docker0",
        "172.7.23.0 172.7.23.0 255.255.255.0 UG 0 0 0 flannel.1",
    ]
    assert routes(far)[1:] == [
        "172.7.21.0 172.7.21.0 255.255.255.0 UG 0 0 0 flannel.1",
        "172.7.22.0 172.7.22.0 255.255.255.0 UG 0 0 0 flannel.1",
        "172.7.23.0 0.0.0.0 255.255.255.0 U 0 0 0 docker0",
    ]
    pings_between_containers(mixed)


def test_3_2_4_the_log_shows_the_container_whatever_the_way(mixed: Town) -> None:
    one, two, far = mixed.hosts
    assert seen(one, two) == "172.7.21.3"
    assert seen(one, far) == "172.7.21.3"
    assert seen(far, two) == "172.7.23.3"

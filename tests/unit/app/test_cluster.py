"""Who is believed about the cluster's networks, in which order, and what is printed as the origin."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_interface, ip_network

import pytest

from natfix.app.cluster import Cluster, find_cluster, remembered_cluster, told_cluster
from natfix.app.ports import Interface, Links, Process, Route
from natfix.errors import ConfigError, HostError, UsageError
from natfix.host.memory.files import MemoryFiles
from natfix.host.memory.network import MemoryLinks, MemoryProcesses
from natfix.ruleset import Family, parse_network

SUBNET_ENV = b"FLANNEL_NETWORK=172.7.0.0/16\nFLANNEL_SUBNET=172.7.21.1/24\nFLANNEL_MTU=1500\n"
DUAL = SUBNET_ENV + b"FLANNEL_IPV6_NETWORK=fd00:7::/48\nFLANNEL_IPV6_SUBNET=fd00:7:0:21::1/64\n"
RUN = "/run/flannel/subnet.env"
TOML = "/etc/natfix/natfix.toml"
DOCKER = Interface("docker0", "bridge", (ip_interface("172.7.21.1/24"),))
PEERS = (
    Route(ip_network("0.0.0.0/0"), "10.4.7.254", "eth0"),
    Route(ip_network("172.7.22.0/24"), "10.4.7.22", "eth0"),
    Route(ip_network("172.7.23.0/24"), "10.4.7.23", "eth0"),
)
NETWORK = MemoryLinks([DOCKER], PEERS)


class Unasked:
    """Ports that nobody may ask."""

    def running(self, *programs: str) -> Sequence[Process]:
        raise AssertionError(f"nobody may look for {programs}")

    def interfaces(self) -> Sequence[Interface]:
        raise AssertionError("nobody may look at interfaces")

    def routes(self) -> Sequence[Route]:
        raise AssertionError("nobody may look at routes")


UNASKED = Unasked()


@dataclass
class Host:
    """A host in a few values."""

    contents: Mapping[str, bytes] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    daemons: tuple[Process, ...] = ()
    links: Links = field(default_factory=MemoryLinks)

    def find(self, *given: str) -> tuple[Cluster, ...]:
        files, processes = MemoryFiles(self.contents, self.folders), MemoryProcesses(self.daemons)
        return find_cluster(given, files=files, processes=processes, links=self.links)

    def told(self, *given: str) -> list[tuple[str, str]]:
        return [(", ".join(map(str, cluster.networks)), cluster.origin) for cluster in self.find(*given)]


def daemon(command: str, pid: int = 812) -> Process:
    words = tuple(command.split())
    return Process(pid, words[0].rpartition("/")[2], words)


def test_nothing_known_is_an_empty_answer() -> None:
    assert Host().find() == ()


def test_the_option_is_believed_before_all_else() -> None:
    host = Host({TOML: b'cluster-cidr = ["10.0.0.0/8"]', RUN: SUBNET_ENV})
    assert host.told("172.7.0.0/16") == [("172.7.0.0/16", "--cluster-cidr")]


def test_the_settings_come_next() -> None:
    host = Host({TOML: b'cluster-cidr = ["10.0.0.0/8", "10.0.0.0/9", "fd00::/48"]', RUN: DUAL})
    assert host.told() == [("10.0.0.0/8", TOML), ("fd00::/48", TOML)]


def test_then_flannel_which_also_knows_this_host_s_subnet() -> None:
    host = Host({RUN: SUBNET_ENV}, daemons=(daemon("kube-proxy --cluster-cidr=10.0.0.0/8"),))
    (cluster,) = host.find()
    assert cluster.origin == "FLANNEL_NETWORK in /run/flannel/subnet.env"
    assert [str(network) for network in cluster.local] == ["172.7.21.0/24"]
    assert not cluster.guessed


def test_then_kubernetes_and_at_last_the_routes() -> None:
    host = Host(daemons=(daemon("kube-proxy --cluster-cidr=172.7.0.0/16"),), links=NETWORK)
    assert host.told() == [("172.7.0.0/16", "--cluster-cidr of kube-proxy (pid 812)")]


def test_an_option_of_one_family_does_not_hide_what_others_know_of_the_other() -> None:
    host = Host({RUN: DUAL})
    assert host.told("10.0.0.0/8") == [
        ("10.0.0.0/8", "--cluster-cidr"),
        ("fd00:7::/48", "FLANNEL_IPV6_NETWORK in /run/flannel/subnet.env"),
    ]


def test_a_family_nobody_asks_about_is_not_looked_for() -> None:
    files = MemoryFiles({RUN: DUAL})
    (cluster,) = find_cluster(["172.7.0.0/16"], files=files, processes=UNASKED, links=UNASKED, families=[Family.IPV4])
    assert cluster.family is Family.IPV4


def test_what_was_written_for_natfix_is_read_strictly() -> None:
    with pytest.raises(UsageError, match="did you mean"):
        Host().find("172.7.11.0/16")
    with pytest.raises(ConfigError, match="did you mean"):
        Host({TOML: b'cluster-cidr = ["172.7.11.0/16"]'}).find()


def test_settings_that_cannot_be_read_are_an_error() -> None:
    with pytest.raises(HostError):
        Host(folders=(TOML,)).find()


def test_a_file_of_another_program_that_cannot_be_read_says_nothing() -> None:
    assert Host(folders=(RUN,)).find() == ()


class TestFlannel:
    def test_a_path_on_its_command_line_is_relative_to_its_folder(self) -> None:
        host = Host(
            {"/proc/900/cwd/subnet.env": SUBNET_ENV},
            daemons=(daemon("./flanneld --subnet-file=./subnet.env", 900),),
        )
        assert host.told() == [("172.7.0.0/16", "FLANNEL_NETWORK in ./subnet.env of flanneld (pid 900)")]

    def test_a_path_on_its_command_line_is_seen_from_its_container(self) -> None:
        host = Host(
            {"/proc/900/root/run/a.env": SUBNET_ENV, "/run/a.env": b"FLANNEL_NETWORK=10.0.0.0/8"},
            daemons=(daemon("/opt/bin/flanneld -subnet-file /run/a.env", 900),),
        )
        assert host.told() == [("172.7.0.0/16", "FLANNEL_NETWORK in /run/a.env of flanneld (pid 900)")]

    def test_a_path_is_read_from_the_host_when_the_process_is_gone(self) -> None:
        host = Host({"/run/a.env": SUBNET_ENV}, daemons=(daemon("flanneld -subnet-file /run/a.env", 900),))
        assert host.told() == [("172.7.0.0/16", "FLANNEL_NETWORK in /run/a.env of flanneld (pid 900)")]

    def test_the_usual_path_is_shown_as_itself(self) -> None:
        host = Host({RUN: SUBNET_ENV}, daemons=(daemon(f"flanneld -subnet-file {RUN}"),))
        assert host.told() == [("172.7.0.0/16", "FLANNEL_NETWORK in /run/flannel/subnet.env")]

    def test_a_file_at_the_usual_place_is_old_when_flanneld_writes_elsewhere(self) -> None:
        host = Host(
            {RUN: b"FLANNEL_NETWORK=10.0.0.0/8\n", "/proc/900/cwd/subnet.env": SUBNET_ENV},
            daemons=(daemon("./flanneld --subnet-file=subnet.env", 900),),
        )
        assert host.told() == [("172.7.0.0/16", "FLANNEL_NETWORK in subnet.env of flanneld (pid 900)")]

    def test_the_agent_of_natfix_is_one_too(self) -> None:
        host = Host(
            {"/proc/900/cwd/subnet.env": SUBNET_ENV},
            daemons=(daemon("natfix check", 800), daemon("natfix node run --subnet-file=./subnet.env", 900)),
        )
        assert host.told() == [("172.7.0.0/16", "FLANNEL_NETWORK in ./subnet.env of natfix (pid 900)")]

    def test_a_path_may_stand_in_its_environment(self) -> None:
        host = Host(
            {"/run/a.env": SUBNET_ENV, "/proc/900/environ": b"A=1\0FLANNELD_SUBNET_FILE=/run/a.env\0"},
            daemons=(daemon("natfix node run", 900),),
        )
        assert host.told() == [("172.7.0.0/16", "FLANNEL_NETWORK in /run/a.env of natfix (pid 900)")]

    def test_the_usual_place_counts_when_flanneld_has_not_written_yet(self) -> None:
        host = Host({RUN: SUBNET_ENV}, daemons=(daemon("./flanneld --subnet-file=subnet.env", 900),))
        assert host.told() == [("172.7.0.0/16", "FLANNEL_NETWORK in /run/flannel/subnet.env")]

    def test_several_networks_have_a_daemon_each(self) -> None:
        host = Host(
            {"/run/a.env": SUBNET_ENV, "/run/b.env": b"FLANNEL_NETWORK=10.244.0.0/16\n"},
            daemons=(daemon("flanneld -subnet-file=/run/a.env", 1), daemon("flanneld -subnet-file=/run/b.env", 2)),
        )
        assert host.told() == [
            (
                "10.244.0.0/16, 172.7.0.0/16",
                "FLANNEL_NETWORK in /run/a.env of flanneld (pid 1) and /run/b.env of flanneld (pid 2)",
            )
        ]

    def test_both_families_come_from_one_file(self) -> None:
        four, six = Host({RUN: DUAL}).find()
        assert (four.family, six.family) == (Family.IPV4, Family.IPV6)
        assert [str(network) for network in (*four.local, *six.local)] == ["172.7.21.0/24", "fd00:7:0:21::/64"]


class TestKubernetes:
    def test_both_families_come_from_one_flag(self) -> None:
        host = Host(daemons=(daemon("kube-proxy --cluster-cidr 10.244.0.0/16,fd00::/48"),))
        origin = "--cluster-cidr of kube-proxy (pid 812)"
        assert host.told() == [("10.244.0.0/16", origin), ("fd00::/48", origin)]

    def test_kube_proxy_s_configuration_is_read_in_its_container_and_outweighs_its_flags(self) -> None:
        host = Host(
            {"/proc/812/root/var/lib/kube-proxy/config.conf": b"clusterCIDR: 10.244.0.0/16\n"},
            daemons=(daemon("kube-proxy --cluster-cidr=10.0.0.0/8 --config=/var/lib/kube-proxy/config.conf"),),
        )
        assert host.told() == [("10.244.0.0/16", "clusterCIDR in /var/lib/kube-proxy/config.conf of kube-proxy (pid 812)")]

    def test_its_flag_counts_when_the_configuration_does_not_tell(self) -> None:
        host = Host(daemons=(daemon("kube-proxy --cluster-cidr=10.244.0.0/16 --config=/absent"),))
        assert host.told() == [("10.244.0.0/16", "--cluster-cidr of kube-proxy (pid 812)")]

    @pytest.mark.parametrize("path", ["/var/lib/kube-proxy/config.conf", "/etc/kubernetes/kube-proxy.yaml"])
    def test_its_configuration_is_found_at_the_usual_places(self, path: str) -> None:
        assert Host({path: b'clusterCIDR: "10.244.0.0/16"'}).told() == [("10.244.0.0/16", f"clusterCIDR in {path}")]

    def test_a_control_plane_s_controller_knows_too(self) -> None:
        host = Host(daemons=(daemon("kube-controller-manager --cluster-cidr=10.244.0.0/16"),))
        assert host.told() == [("10.244.0.0/16", "--cluster-cidr of kube-controller-manager (pid 812)")]

    @pytest.mark.parametrize(
        ("command", "path"),
        [
            ("kubelet --pod-cidr=10.244.3.0/24", ""),
            ("kubelet --config=/etc/kubelet.yaml", "/proc/7/root/etc/kubelet.yaml"),
            ("kubelet", "/var/lib/kubelet/config.yaml"),
        ],
    )
    def test_kubelet_tells_this_host_s_subnet(self, command: str, path: str) -> None:
        host = Host(
            {path: b"podCIDR: 10.244.3.0/24\n"},
            daemons=(daemon(command, 7), daemon("kube-proxy --cluster-cidr=10.244.0.0/16", 8)),
        )
        (cluster,) = host.find()
        assert [str(network) for network in cluster.local] == ["10.244.3.0/24"]

    def test_kubelet_alone_does_not_know_the_cluster(self) -> None:
        assert Host(daemons=(daemon("kubelet --pod-cidr=10.244.3.0/24"),)).find() == ()

    def test_every_address_is_no_cluster(self) -> None:
        assert Host(daemons=(daemon("kube-proxy --cluster-cidr=0.0.0.0/0"),)).find() == ()


def test_the_routes_are_a_guess_and_say_so() -> None:
    (cluster,) = Host(links=NETWORK).find()
    assert [str(network) for network in cluster.networks] == ["172.7.20.0/22"]
    assert [str(network) for network in cluster.local] == ["172.7.21.0/24"]
    assert cluster.origin == "routes to peer subnets 172.7.22.0/24, 172.7.23.0/24 via eth0"
    assert cluster.guessed


def test_routes_are_not_looked_at_when_the_cluster_is_known() -> None:
    assert len(Host({RUN: DUAL}, links=UNASKED).find()) == 2


def test_for_a_text_only_what_was_written_for_natfix_counts() -> None:
    files = MemoryFiles({TOML: b'cluster-cidr = ["10.0.0.0/8", "fd00::/48"]', RUN: DUAL})
    four, six = told_cluster(["172.7.0.0/16"], files)
    assert (four.origin, six.origin) == ("--cluster-cidr", TOML)
    assert told_cluster([], MemoryFiles({RUN: DUAL})) == ()


def test_of_a_host_that_was_asked_before_an_option_outweighs_what_it_said_then() -> None:
    then = (Cluster((parse_network("172.7.0.0/16"),), RUN), Cluster((parse_network("fd00:7::/48"),), RUN))
    assert remembered_cluster([], then) == then
    four, six = remembered_cluster(["172.0.0.0/8"], then)
    assert (four.origin, str(four.networks[0]), six) == ("--cluster-cidr", "172.0.0.0/8", then[1])
    assert remembered_cluster([], then, [Family.IPV6]) == then[1:]
    with pytest.raises(UsageError, match="host bits"):
        remembered_cluster(["172.7.21.5/16"], then)

"""natfix/audit/docker.py: what Docker 28 and later drop on its way to a container."""

from collections.abc import Iterable, Mapping

import pytest

from natfix.audit import Finding, Subject, audit_table
from natfix.audit.docker import docker_drops_direct, docker_drops_unpublished
from natfix.audit.guard import Guard
from natfix.audit.hit import Hit
from natfix.audit.subject import filtering_of
from natfix.ruleset import Family, parse
from tests.unit.audit.subjects import CLUSTER, CORRECTED, kind, networks

DIRECT = "-d 172.7.21.2/32 ! -i docker0 -j DROP"
UNPUBLISHED = "! -i docker0 -o docker0 -j DROP"
JUMP = "-o docker0 -j DOCKER"


def looked(
    raw: Iterable[str] = (),
    forward: Iterable[str] = (),
    docker: Iterable[str] | None = None,
    *,
    nat: Iterable[str] = (CORRECTED,),
    hook: bool = True,
    devices: Mapping[str, str] | None = None,
) -> Subject:
    """A host behind docker0 with 172.7.21.0/24; with *devices* it is a live one."""
    lines = ["*raw", ":PREROUTING ACCEPT [0:0]", *(f"-A PREROUTING {spec}" for spec in raw), "COMMIT"]
    if docker is not None:
        lines += ["*filter", *([":FORWARD DROP [0:0]"] if hook else []), ":DOCKER - [0:0]"]
        lines += [*(f"-A FORWARD {spec}" for spec in forward), *(f"-A DOCKER {spec}" for spec in docker), "COMMIT"]
    lines += ["*nat", ":POSTROUTING ACCEPT [0:0]", *(f"-A POSTROUTING {spec}" for spec in nat), "COMMIT", ""]
    ruleset = parse("\n".join(lines).encode(), "dump.save", Family.IPV4)
    table = ruleset.table("nat", Family.IPV4)
    assert table is not None
    bridges = {"docker0": networks(["172.7.21.0/24"])} if devices else {}
    return Subject(table, networks(CLUSTER), bridges, devices or {}, filtering_of(ruleset, Family.IPV4))


def told(hits: Iterable[Hit]) -> list[tuple[str, str, bool]]:
    return [(hit.table, hit.rule.spec, hit.certain) for hit in hits]


def found(subject: Subject, analysis: str) -> Finding:
    (finding,) = audit_table(subject, [kind(analysis)])
    return finding


def test_without_the_tables_nothing_is_said() -> None:
    subject = looked()
    assert told(docker_drops_unpublished(subject)) == []
    assert told(docker_drops_direct(Subject(subject.table, subject.cluster))) == []


def test_the_packet_comes_from_another_host_to_the_container() -> None:
    finding = found(looked([DIRECT]), "docker-drops-direct")
    assert str(finding.packet) == "tcp 172.7.22.2:40000 -> 172.7.21.2:80 in eth0"
    assert finding.message == "drops what other hosts of the cluster send to 172.7.21.2 itself"
    assert (finding.table, finding.becomes, finding.path) == ("raw", "", (finding.rule,))


def test_the_packet_that_is_forwarded_goes_to_a_port_that_is_not_published() -> None:
    published = "-d 172.7.21.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT"
    finding = found(looked([], [JUMP], [published, UNPUBLISHED]), "docker-drops-unpublished")
    assert str(finding.packet).endswith("in eth0 out docker0")
    assert finding.packet is not None
    assert (str(finding.packet.destination), finding.packet.destination_port) != ("172.7.21.2", 80)
    assert [rule.target for rule in finding.path] == ["DOCKER", "DROP"]
    assert (finding.table, finding.certain) == ("filter", True)


def test_one_finding_names_the_first_containers_of_a_bridge() -> None:
    rules = [f"-d 172.7.21.{number}/32 ! -i docker0 -j DROP" for number in range(2, 9)]
    (hit,) = docker_drops_direct(looked(rules))
    assert hit.rule.spec == rules[0]
    assert "172.7.21.2, 172.7.21.3, 172.7.21.4, … itself" in hit.message


def test_on_a_host_the_packet_comes_in_by_the_best_uplink_and_others_do_not_count() -> None:
    trusted = ["-d 172.7.21.2/32 -i ens3 -j ACCEPT", DIRECT]
    assert told(docker_drops_direct(looked(trusted, devices={"ens3": "10.4.7.21", "eth1": "", "lo": ""}))) == []
    finding = found(looked(trusted, devices={"lo": "127.0.0.1", "eth1": "10.0.0.1"}), "docker-drops-direct")
    assert finding.packet is not None
    assert finding.packet.in_interface == "eth1"


@pytest.mark.parametrize(
    ("before", "silent"),
    [
        ("-d 172.7.21.2/32 -i eth0 -j ACCEPT", True),
        ("-d 172.7.21.2/32 -i eth+ -j ACCEPT", False),
        ("-d 172.7.21.2/32 -i lo -j ACCEPT", False),
        ("-d 172.7.21.2/32 -i br-1 -j ACCEPT", False),
        ("-d 172.7.21.2/32 -i eth0 -p tcp -j ACCEPT", False),
    ],
)
def test_without_a_host_a_device_that_is_let_in_by_its_name_counts_as_the_uplink(before: str, silent: bool) -> None:  # noqa: FBT001
    subject = looked([before, DIRECT], nat=[CORRECTED, "-s 172.18.0.0/16 ! -o br-1 -j MASQUERADE"])
    assert (told(docker_drops_direct(subject)) == []) is silent


def test_where_forward_could_not_be_read_what_docker_drops_is_possible() -> None:
    subject = looked([], [], [UNPUBLISHED], hook=False)
    assert told(docker_drops_unpublished(subject)) == [("filter", UNPUBLISHED, False)]


def test_what_depends_on_a_chain_that_was_not_read_is_possible() -> None:
    finding = found(looked([], ["-j KUBE-FORWARD", JUMP], [UNPUBLISHED]), "docker-drops-unpublished")
    assert (finding.certain, finding.unknown) == (False, ("-j KUBE-FORWARD",))
    assert finding.message.startswith("may drop ")


def test_what_a_chain_that_was_not_read_may_lead_to_is_possible() -> None:
    subject = looked([], ["-j SITE-FORWARD", "-j ACCEPT"], [UNPUBLISHED])
    assert told(docker_drops_unpublished(subject)) == [("filter", UNPUBLISHED, False)]
    unreached = looked([], ["-m set --match-set hosts src -j ACCEPT"], [UNPUBLISHED])
    assert told(docker_drops_unpublished(unreached)) == []


@pytest.mark.parametrize(
    "spec",
    [
        "! -i docker0 -o docker0 -j REJECT --reject-with icmp-port-unreachable",
        "-i eth0 -o docker0 -j DROP",
        "! -i docker0 -j DROP",
        "-o docker0 -j DROP",
        "! -i eth0 -o docker0 -j DROP",
        "! -i docker0 ! -o eth0 -j DROP",
    ],
)
def test_only_docker_s_own_rule_is_pointed_at(spec: str) -> None:
    assert told(docker_drops_unpublished(looked([], [JUMP], [spec]))) == []


def test_containers_that_only_the_drop_tells_of_are_found_at_both_gates() -> None:
    subject = looked([DIRECT], [JUMP], [UNPUBLISHED], nat=[])
    assert told(docker_drops_direct(subject)) == [("raw", DIRECT, True)]
    assert told(docker_drops_unpublished(subject)) == [("filter", UNPUBLISHED, True)]


def test_a_cluster_that_is_one_subnet_has_no_other_hosts() -> None:
    subject = looked([DIRECT], nat=["-s 172.7.21.0/24 ! -o docker0 -j MASQUERADE"])
    alone = Subject(subject.table, networks(["172.7.21.0/24"]), filtering=subject.filtering)
    assert told(docker_drops_direct(alone)) == []


def test_the_guard_shields_nothing_that_is_dropped() -> None:
    subject = looked([DIRECT])
    guard = Guard.of(Family.IPV4, subject.cluster, subject.localities)
    (finding,) = audit_table(subject, [kind("docker-drops-direct")], guard)
    assert (finding.shielded_by, finding.certain) == ("", True)

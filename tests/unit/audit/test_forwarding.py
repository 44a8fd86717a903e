"""natfix/audit/forwarding.py: what FORWARD drops of the cluster, and what nat POSTROUTING does by its policy."""

import pytest

from natfix.audit import Subject
from natfix.audit.forwarding import forward_closed, forward_policy_drop, nat_policy_drop
from natfix.audit.subject import subject_of
from natfix.ruleset import Family, parse, parse_network
from tests.unit.audit.subjects import BROAD, CORRECTED, subject

CLUSTER = [parse_network("172.7.0.0/16")]
DOCKER = ("-o docker0 -j DOCKER", "-i docker0 -j ACCEPT")
CLOSING = "-j REJECT --reject-with icmp-host-prohibited"


def host(*rules: str, policy: str = "DROP", nat: str = CORRECTED) -> Subject:
    forward = "".join(f"-A FORWARD {rule}\n" for rule in rules)
    port = "-A DOCKER -d 172.7.21.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT\n"
    text = f"*filter\n:FORWARD {policy} [7:420]\n:DOCKER - [0:0]\n{forward}{port}COMMIT\n"
    text += f"*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING {nat}\nCOMMIT\n"
    made = subject_of(parse(text.encode(), "x"), Family.IPV4, CLUSTER)
    assert made is not None
    return made


def test_a_policy_that_drops_the_cluster_stands_in_the_place_of_a_rule() -> None:
    (hit,) = forward_policy_drop(host(*DOCKER))
    assert (str(hit.rule), hit.rule.chain, hit.rule.line, hit.rule.target) == ("-P FORWARD DROP", "FORWARD", 2, "")
    assert (hit.table, hit.certain) == ("filter", True)
    assert hit.message == "drops what other hosts of the cluster send to the containers of docker0"
    assert list(forward_closed(host(*DOCKER))) == []


@pytest.mark.parametrize("closing", [CLOSING, "-j DROP", '-m comment --comment "the rest" -j DROP'])
def test_a_rule_for_everything_that_drops_the_cluster_is_found(closing: str) -> None:
    (hit,) = forward_closed(host(*DOCKER, closing, policy="ACCEPT"))
    assert hit.rule.spec == closing
    assert list(forward_policy_drop(host(*DOCKER, closing))) == []


@pytest.mark.parametrize(
    "rules",
    [
        ["-s 172.7.0.0/16 -j ACCEPT"],
        ["-s 172.7.22.0/24 -p tcp -j ACCEPT"],
        ["-i eth0 -j ACCEPT"],
        ["-m set --match-set pods src -j ACCEPT"],
        ["-m limit --limit 1/s -j LOG", "-m set --match-set pods src -j ACCEPT"],
    ],
)
def test_where_somebody_lets_the_cluster_in_or_may_the_rest_is_taken_for_meant(rules: list[str]) -> None:
    assert list(forward_policy_drop(host(*rules, *DOCKER))) == []
    assert list(forward_closed(host(*rules, *DOCKER, CLOSING))) == []


def test_a_rule_for_some_packets_closes_nothing() -> None:
    assert list(forward_closed(host("-s 172.7.66.0/24 -j DROP", "-p icmp -j DROP", policy="ACCEPT"))) == []


def test_a_drop_in_a_chain_of_its_own_is_left_to_others() -> None:
    text = "*filter\n:FORWARD ACCEPT [0:0]\n:SITE - [0:0]\n-A FORWARD -j SITE\n-A SITE -j DROP\nCOMMIT\n*nat\n"
    made = subject_of(
        parse(f"{text}:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING {CORRECTED}\nCOMMIT\n".encode(), "x"), Family.IPV4, CLUSTER
    )
    assert made is not None
    assert list(forward_closed(made)) == []


def test_without_the_table_its_hook_or_a_bridge_nothing_is_said() -> None:
    assert list(forward_policy_drop(subject(CORRECTED))) == []
    assert list(forward_policy_drop(host(*DOCKER, nat="-s 172.7.21.0/24 -o eth0 -j ACCEPT"))) == []
    unread = parse(
        f"*filter\n:DOCKER - [0:0]\nCOMMIT\n*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING {CORRECTED}\nCOMMIT\n".encode(), "x"
    )
    made = subject_of(unread, Family.IPV4, CLUSTER)
    assert made is not None
    assert list(forward_policy_drop(made)) == []


def dropping(*rules: str, cluster: str = "172.7.0.0/16") -> Subject:
    nat = "".join(f"-A POSTROUTING {rule}\n" for rule in rules)
    text = f"*nat\n:POSTROUTING DROP [0:0]\n{nat}COMMIT\n"
    made = subject_of(parse(text.encode(), "x"), Family.IPV4, [parse_network(cluster)])
    assert made is not None
    return made


def test_a_nat_policy_that_drops_what_no_rule_rewrites_is_found() -> None:
    (hit,) = nat_policy_drop(dropping(CORRECTED))
    assert (str(hit.rule), hit.table) == ("-P POSTROUTING DROP", "nat")
    assert hit.message == "drops what 172.7.21.0/24 sends to the rest of the cluster and no rule rewrites"


@pytest.mark.parametrize(
    "rules", [["-d 172.7.0.0/16 -j ACCEPT", CORRECTED], [BROAD], ["-m set --match-set x src -j ACCEPT", CORRECTED]]
)
def test_a_nat_policy_that_no_packet_of_the_cluster_surely_meets_is_passed_over(rules: list[str]) -> None:
    assert list(nat_policy_drop(dropping(*rules))) == []


def test_a_cluster_of_one_subnet_has_nothing_to_drop() -> None:
    assert list(nat_policy_drop(dropping("-s 10.9.1.0/25 ! -o br-1 -j ACCEPT", BROAD, cluster="172.7.21.0/24"))) == []
    halves = ["-s 172.7.21.0/25 ! -o docker0 -j ACCEPT", "-s 172.7.21.128/25 ! -o docker0 -j ACCEPT"]
    assert list(nat_policy_drop(dropping(*halves, cluster="172.7.21.0/24"))) == []

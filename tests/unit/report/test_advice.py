"""natfix/report/advice.py: what Docker's own switches could do, for people and as JSON."""

from dataclasses import replace

import pytest

from natfix.report.advice import Advice, NetworkAdvice, Verdict, advice_document, advice_lines
from natfix.report.lines import plain
from natfix.ruleset import parse_network
from tests.unit.report.results import CLUSTER, problems

DOCKER0 = NetworkAdvice(
    name="bridge",
    bridge="docker0",
    subnets=(parse_network("172.7.21.0/24"),),
    hidden=True,
    dropped=("raw",),
    cure=("systemctl restart docker",),
    once=("iptables -D \udcff",),
    passage=("iptables -I",),
)
APART = NetworkAdvice("", "br-1", (parse_network("172.7.121.0/24"), parse_network("172.7.122.0/24")))
FULL = Advice(
    verdict="docker",
    why="flannel masquerades",
    path="/etc/docker/daemon.json",
    diff=("--- /etc/docker/daemon.json", "+++ /etc/docker/daemon.json", "@@ -1 +1 @@", "-{}", '+{"ip-masq": false}'),
    networks=(DOCKER0, APART),
    limits=("a restart",),
    clusters=(CLUSTER,),
    notes=("Docker \x1b[2J is silent",),
)


def shown(advice: Advice) -> list[str]:
    return plain(advice_lines(advice)).split("\n")


def test_the_text_says_network_by_network_what_is_and_what_to_do() -> None:
    condition = "Docker's rule hides its containers inside the cluster; Docker drops what other hosts send to them"
    assert shown(FULL) == [
        "cluster 172.7.0.0/16 (from --cluster-cidr)",
        "note: Docker \ufffd[2J is silent",
        f"docker0 (172.7.21.0/24, network bridge): {condition}",
        "  its own switch:",
        "    systemctl restart docker",
        "  once, afterwards:",
        "    iptables -D \udcff",
        "  to reach its containers from other hosts:",
        "    iptables -I",
        "br-1 (172.7.121.0/24, 172.7.122.0/24): its containers are not hidden",
        "better here: Docker's own switch, as flannel masquerades",
        "",
        *FULL.diff,
        "",
        "what it does not cover:",
        "  - a restart",
        "",
        "write it with: natfix advise --write",
        "",
    ]


def test_what_was_written_says_how_to_undo_it() -> None:
    assert shown(replace(FULL, done=True, id="20261122T233000Z-1"))[-3:] == [
        "written: /etc/docker/daemon.json; it counts from the next restart of Docker, which natfix does not do",
        "undo with: natfix undo 20261122T233000Z-1",
        "",
    ]


def test_what_would_be_refused_says_why() -> None:
    assert "natfix advise --write would refuse: a flag" in shown(replace(FULL, obstacle="a flag"))


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        ("natfix", "better here: natfix apply, or natfix guard on, as so"),
        ("set", "Docker's own switch is set, as so"),
        ("nothing", "nothing to switch, as so"),
    ],
)
def test_without_an_edit_the_verdict_is_all(verdict: Verdict, words: str) -> None:
    assert shown(Advice(verdict, "so", "/etc/docker/daemon.json")) == [words, ""]


def test_the_document_says_all_of_it_as_its_schema_does() -> None:
    written = replace(FULL, done=True, id="20261122T233000Z-1", obstacle="a flag")
    assert [problems(advice_document(each), "advise-1.json") for each in (FULL, written)] == [[], []]
    held = advice_document(FULL)
    assert (held["verdict"], held["id"], held["obstacle"], held["done"]) == ("docker", None, None, False)
    assert held["networks"][0] == {
        "name": "bridge",
        "bridge": "docker0",
        "subnets": ["172.7.21.0/24"],
        "hidden": True,
        "dropped": ["raw"],
        "cure": ["systemctl restart docker"],
        "once": ["iptables -D \ufffd"],
        "passage": ["iptables -I"],
    }
    assert held["networks"][1]["name"] is None

"""Rules first, then Docker once, then rules again and again."""

from natfix.app.node import metrics
from natfix.app.node.rule_keeping import RuleKeeper, RuleWish, wanted_chains
from natfix.app.node.upkeep import Upkeep
from natfix.app.node.voice import Voice
from natfix.errors import HostError
from natfix.host.memory.hook_tables import MemoryHookTables
from natfix.host.memory.metrics import MemoryMeter
from natfix.host.memory.watch import MemoryChronicle, MemoryNotifier
from natfix.routing.network import NetworkConfig
from natfix.ruleset import Family
from tests.unit.app.node.stage import HOST_GW, OWN


class Scene:
    def __init__(self) -> None:
        self.tables = MemoryHookTables()
        self.chronicle = MemoryChronicle()
        self.meter = MemoryMeter()
        self.done: list[str] = []
        self.broken: str = ""
        self.docker_broken: str = ""
        self.upkeep = Upkeep(self.build, self.docker, Voice(self.chronicle, MemoryNotifier(), self.meter))

    def build(self) -> list[RuleKeeper]:
        if self.broken:
            raise HostError(self.broken)
        chains = wanted_chains(NetworkConfig.parse(HOST_GW), OWN, RuleWish(), fully_random=True)[Family.IPV4]
        return [RuleKeeper(self.tables, chains, lambda script: self.done.append("rules"))]

    def docker(self) -> str:
        if self.docker_broken:
            raise HostError(self.docker_broken)
        self.done.append("docker")
        return "Docker was restarted"

    def told(self, what: str) -> int:
        return sum(entry.what == what for entry in self.chronicle.entries)


def test_rules_come_first_docker_once_and_rules_again() -> None:
    scene = Scene()
    scene.upkeep.turn()
    scene.tables.commit("*filter\n-F NATFIX-FWD\nCOMMIT\n")
    scene.upkeep.turn()
    scene.upkeep.turn()
    assert scene.done == ["rules", "docker", "rules"]
    assert scene.told("node-did") == 1


def test_what_fails_is_told_once_and_tried_again() -> None:
    scene = Scene()
    scene.broken = "iptables is not installed"
    scene.upkeep.turn()
    scene.upkeep.turn()
    assert (scene.done, scene.told("node-remark")) == ([], 1)
    scene.broken, scene.docker_broken = "", "Docker does not start"
    scene.upkeep.turn()
    scene.upkeep.turn()
    assert (scene.done, scene.told("node-remark")) == (["rules"], 2)
    scene.docker_broken = ""
    scene.upkeep.turn()
    assert scene.done == ["rules", "docker"]
    scene.broken = scene.docker_broken = ""


def test_the_monitoring_knows_whether_rules_and_docker_are_as_they_should_be() -> None:
    scene = Scene()
    told = []
    for scene.broken, scene.docker_broken in (("no iptables", ""), ("", "Docker does not start"), ("", "")):
        scene.upkeep.turn()
        told.append(scene.meter.value(metrics.RULES_RIGHT))
    assert told == [0, 0, 1]


def test_the_monitoring_knows_how_often_rules_were_put_right() -> None:
    meter, chronicle = MemoryMeter(), MemoryChronicle()
    Voice(chronicle, MemoryNotifier(), meter).ruled("*filter")
    assert meter.value(metrics.RULE_REPAIRS) == 1
    assert [entry.what for entry in chronicle.entries] == ["node-did"]

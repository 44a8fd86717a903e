"""What holds for every plan: script and text agree, nothing else is touched, and there is a way back."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import TypeAlias

from hypothesis import given
from hypothesis import strategies as st

from natfix.audit import Subject, audit_table
from natfix.host.catalogue import read_catalogue
from natfix.packets import Intervals, Names, PacketSet, walk
from natfix.packets.bits import Bits
from natfix.plan import Plan, compile_script, inverse, repair, rewrite, save_into
from natfix.ruleset import Family, Rule, Ruleset, Table, parse, parse_network, render

CATALOGUE = read_catalogue(local="/nowhere")

Chains: TypeAlias = dict[str, list[str]]
Fates: TypeAlias = set[tuple[str, str]]


@dataclass(frozen=True)
class World:
    """The addresses of one family that the generated tables are made of."""

    clusters: tuple[tuple[str, ...], ...]
    subnets: tuple[str, ...]
    hosts: tuple[str, ...]
    multicast: str
    wide: str
    node: str


WORLDS = {
    Family.IPV4: World(
        clusters=(("172.7.0.0/16",), ("172.7.0.0/16", "172.9.0.0/16"), ("172.6.0.0/15",), ("172.9.0.0/16", "172.7.0.0/16")),
        subnets=("172.7.21.0/24", "172.7.121.0/24", "172.9.21.0/24"),
        hosts=("172.7.21.2", "172.7.22.2", "172.7.121.2", "172.9.21.9", "172.6.1.1", "10.4.7.22", "8.8.8.8", "172.200.0.1"),
        multicast="224.0.0.0/4",
        wide="172.0.0.0/8",
        node="10.4.7.21",
    ),
    Family.IPV6: World(
        clusters=(("fd00:7::/32",), ("fd00:7::/32", "fd00:9::/32"), ("fd00:6::/31",), ("fd00:9::/32", "fd00:7::/32")),
        subnets=("fd00:7:21::/64", "fd00:7:121::/64", "fd00:9:21::/64"),
        hosts=(
            "fd00:7:21::2",
            "fd00:7:22::2",
            "fd00:7:121::2",
            "fd00:9:21::9",
            "fd00:6::1",
            "fd04::22",
            "2001:db8::8",
            "fd99::1",
        ),
        multicast="ff00::/8",
        wide="fd00::/8",
        node="fd04::21",
    ),
}
BRIDGES = ("docker0", "br-0a1b2c3d4e5f", "cni0")
DEVICES = (*BRIDGES, "eth0", "tun0")
CHAINS = ("CNI-1", "CNI-2", "KUBE-POSTROUTING")


@dataclass(frozen=True)
class Host:
    """A generated nat table and its cluster."""

    family: Family
    cluster: tuple[str, ...]
    text: str

    @property
    def ruleset(self) -> Ruleset:
        return parse(self.text.encode(), "rules", self.family)

    def subject(self, ruleset: Ruleset) -> Subject:
        return Subject(_nat(ruleset, self.family), tuple(map(parse_network, self.cluster)))


def _nat(ruleset: Ruleset, family: Family) -> Table:
    table = ruleset.table("nat", family)
    assert table is not None
    return table


@st.composite
def _containers_rules(draw: st.DrawFn, world: World) -> str:
    """A source NAT rule for a container subnet, as Docker, LXD, people and natfix write them."""
    place = draw(st.integers(0, 2))
    source, bridge = world.subnets[place], BRIDGES[place]
    excluded = draw(st.sampled_from(["", "", "", "! -d ", "! -d ", "-d "]))
    networks = [world.wide] if excluded == "-d " else [source, world.multicast, *world.clusters[0], *world.clusters[2]]
    destination = excluded + draw(st.sampled_from(networks)) + " " if excluded else ""
    extra = draw(
        st.sampled_from(["", "", '-m comment --comment "a \\"b\\" -j DROP" ', "-p tcp ", "-m set --match-set odd dst "])
    )
    target = draw(st.sampled_from(["MASQUERADE", "MASQUERADE", f"SNAT --to-source {world.node}", "MASQUERADE --random-fully"]))
    return f"-s {source} {destination}! -o {bridge} {extra}-j {target}"


def _other_rules(world: World) -> st.SearchStrategy[str]:
    """Rules of other programs, which no plan may touch."""
    return st.sampled_from(
        [
            "-j KUBE-POSTROUTING",
            f"-s {world.subnets[0]} -j CNI-1",
            f"-s {world.hosts[3]} -j CNI-2",
            "-o eth0 -j MASQUERADE",
            "-o tun0 -j ACCEPT",
            f"-s {world.hosts[0]} -d {world.hosts[0]} -p tcp -m tcp --dport 80 -j MASQUERADE",
            f"-d {world.hosts[1]} -o eth0 -j RETURN",
            "-o docker0 -m addrtype --src-type LOCAL -j MASQUERADE",
            "-m set --match-set cluster dst -j ACCEPT",
            f"-s {world.subnets[0]} -d {world.hosts[1]} -j MASQUERADE",
            "-m mark --mark 0x40000/0xff0000 -j MASQUERADE",
        ]
    )


def _fixed_chains(world: World) -> Chains:
    return {
        "CNI-1": [f"-d {world.subnets[0]} -j ACCEPT", f"! -d {world.multicast} -j MASQUERADE"],
        "CNI-2": [f"-d {world.subnets[2]} -j ACCEPT", f"! -d {world.multicast} -j SNAT --to-source {world.node}"],
        "KUBE-POSTROUTING": ["-m mark ! --mark 0x4000/0x4000 -j RETURN", "-j MASQUERADE --random-fully"],
    }


@st.composite
def hosts(draw: st.DrawFn) -> Host:
    family = draw(st.sampled_from(list(Family)))
    world = WORLDS[family]
    pool = draw(st.lists(_containers_rules(world) | _other_rules(world), min_size=1, max_size=5))
    rules = draw(st.lists(st.sampled_from(pool), min_size=1, max_size=8))
    cluster = draw(st.sampled_from(world.clusters))
    host = Host(family, cluster, _text({"POSTROUTING": rules, **_fixed_chains(world)}, counted=draw(st.booleans())))
    if not draw(st.booleans()):
        return host
    # What a Docker restart leaves: natfix's corrections below some of the rules that it corrected; then the cluster grows.
    _, after = planned(host)
    back = draw(st.lists(st.sampled_from(rules), max_size=2))
    chains = _chains(_nat(after, family))
    text = _text({**chains, "POSTROUTING": [*back, *chains["POSTROUTING"]]}, counted=False)
    return Host(family, draw(st.sampled_from(world.clusters)), text)


def _text(chains: Chains, *, counted: bool) -> str:
    lines = ["*nat", *(f":{name} {'ACCEPT' if name == 'POSTROUTING' else '-'} [0:0]" for name in chains)]
    for name, specs in chains.items():
        lines += [f"{f'[{number}:{number * 60}] ' if counted else ''}-A {name} {spec}" for number, spec in enumerate(specs)]
    return "\n".join([*lines, "COMMIT", ""])


def planned(host: Host) -> tuple[Plan, Ruleset]:
    """The plan for a table, and the text after it."""
    ruleset = host.ruleset
    subject = host.subject(ruleset)
    plan = repair(subject, audit_table(subject, CATALOGUE))
    return plan, rewrite(ruleset, subject.table, plan)


def _chains(table: Table) -> Chains:
    return {name: [rule.spec for rule in chain.rules] for name in table.declared if (chain := table.chain(name))}


def _run(script: str, chains: Chains) -> Chains:
    """Do what iptables-restore --noflush does; an IndexError or a ValueError is its refusal."""
    chains = {name: list(specs) for name, specs in chains.items()}
    for line in script.splitlines()[1:-1]:
        word, _, rest = line.partition(" ")
        name, _, spec = rest.partition(" ")
        if word.startswith(":"):
            chains[word[1:]] = []
        elif word == "-A":
            chains[name].append(spec)
        elif word == "-D":
            chains[name].remove(spec)
        elif word == "-I":
            number, _, spec = spec.partition(" ")
            assert 1 <= int(number) <= len(chains[name]) + 1
            chains[name].insert(int(number) - 1, re.sub(r"^-c [0-9]+ [0-9]+ ", "", spec))
        elif word == "-F":
            chains[name].clear()
        else:
            assert word == "-X"
            assert chains.pop(name) == []
    return chains


@given(hosts())
def test_planning_twice_plans_nothing(host: Host) -> None:
    _, after = planned(host)
    assert not planned(replace(host, text=render(after).decode()))[0]


@given(hosts())
def test_the_script_does_to_the_kernel_what_the_text_shows(host: Host) -> None:
    plan, after = planned(host)
    table = _nat(host.ruleset, host.family)
    assert _run(compile_script(plan, table), _chains(table)) == _chains(_nat(after, host.family))


def _named(plan: Plan) -> set[Rule]:
    rules = {rule for edit in plan.edits for rule in (edit.old, edit.new)}
    return rules | {Rule(name, spec) for held in (plan.chains, plan.before) for name in held for spec in held[name]}


def _others(ruleset: Ruleset, family: Family, plan: Plan) -> list[str]:
    """The lines of a text, as they stand, that the plan does not name."""
    table = _nat(ruleset, family)
    rules = [rule for name in table.declared if (chain := table.chain(name)) for rule in chain.rules]
    named = _named(plan)
    mine = {rule.line for rule in rules if rule in named}
    mine |= {place + 1 for name, place in table.declared.items() if name in plan.chains}
    return [line for number, line in enumerate(ruleset.lines, 1) if number not in mine]


@given(hosts())
def test_what_a_plan_does_not_name_keeps_its_words_and_order(host: Host) -> None:
    plan, after = planned(host)
    assert _others(after, host.family, plan) == _others(host.ruleset, host.family, plan)


@given(hosts())
def test_a_plan_names_only_source_nat_rules_that_findings_name(host: Host) -> None:
    subject = host.subject(host.ruleset)
    findings = audit_table(subject, CATALOGUE)
    correctable = {finding.rule for finding in findings if finding.correctable}
    plan = repair(subject, findings)
    assert {edit.old for edit in plan.edits} <= correctable
    assert bool(plan) is bool(correctable)


def _packet(host: Host, source: str, destination: str, device: str, mark: int) -> PacketSet:
    one, other = (Intervals.single(int(ip_address(text))) for text in (source, destination))
    return PacketSet(
        family=host.family,
        source=one,
        destination=other,
        out_interface=Names(device),
        protocol=Intervals.single(6),
        source_port=Intervals.single(40000),
        destination_port=Intervals.single(80),
        mark=Bits(mark),
        source_type=frozenset({"UNICAST"}),
        destination_type=frozenset({"UNICAST"}),
        state=frozenset({"NEW"}),
    )


def _fates(table: Table, packet: PacketSet, without: Iterable[Rule] = ()) -> Fates:
    """What may become of a packet, and the words of the target that does it."""
    outcomes = walk(table, "POSTROUTING", packet, skip=frozenset(without))
    return {(outcome.fate.name, _target(outcome.rule)) for outcome in outcomes}


def _target(rule: Rule | None) -> str:
    if rule is None or rule.target in {"ACCEPT", "RETURN"}:
        return ""
    return " ".join((rule.target, *(f"{option.name} {option.value}" for option in rule.target_options)))


def _packets(host: Host) -> Iterator[tuple[str, str, str, int]]:
    names = WORLDS[host.family].hosts
    return (
        (source, destination, device, mark)
        for source in names
        for destination in names
        for device in DEVICES
        for mark in (0, 0x4000)
    )


def _within(text: str, networks: Sequence[str]) -> bool:
    return any(ip_address(text) in parse_network(network) for network in networks)


def _moves(plan: Plan, table: Table) -> bool:
    """Whether a broad rule goes whose corrected form stands further down: what lies between then decides earlier."""
    for edit in plan.edits:
        chain = table.chain(edit.chain)
        rules = list(chain.rules if chain else ())
        if edit.new in rules and rules.index(edit.new) > rules.index(edit.old):
            return True
    return False


@given(hosts(), st.data())
def test_a_plan_leaves_every_packet_alone_that_it_does_not_protect(host: Host, data: st.DataObject) -> None:
    plan, after = planned(host)
    before, now = _nat(host.ruleset, host.family), _nat(after, host.family)
    old = {edit.old for edit in plan.edits}
    own = {Rule(name, spec) for name, specs in plan.chains.items() if name in plan.before for spec in specs[-1:]}
    subnets = WORLDS[host.family].subnets
    for source, destination, device, mark in data.draw(
        st.lists(st.sampled_from(list(_packets(host))), min_size=20, max_size=20)
    ):
        packet = _packet(host, source, destination, device, mark)
        into_cluster = _within(destination, host.cluster)
        if into_cluster:
            assert _fates(now, packet) == _fates(before, packet, old | own)
        elif not _moves(plan, before):
            assert _fates(now, packet) == _fates(before, packet)
        if into_cluster and not _within(source, subnets):
            assert _fates(now, packet) == _fates(before, packet)


@given(hosts())
def test_after_a_plan_what_still_hides_a_container_is_named_by_a_finding_without_a_cure(host: Host) -> None:
    _, after = planned(host)
    subject = host.subject(after)
    findings = audit_table(subject, CATALOGUE)
    assert [finding.rule for finding in findings if finding.correctable] == []
    remaining = {finding.rule for finding in findings}
    for locality in subject.localities:
        packets = subject.protected(locality)
        assert packets is not None
        hiding = {each.rule for each in walk(subject.table, "POSTROUTING", packets) if each.fate.name == "SOURCE_NAT"}
        assert hiding <= remaining


def _without_counters(text: str) -> str:
    return re.sub(r"(?m)^\[[0-9]+:[0-9]+\] ", "", text)


@given(hosts())
def test_the_way_back_restores_the_text_and_the_kernel(host: Host) -> None:
    plan, after = planned(host)
    stored = Plan.from_json(json.loads(json.dumps(plan.to_json())))
    assert stored == plan
    table = _nat(after, host.family)
    back = inverse(stored, table)
    text = render(rewrite(after, table, back)).decode()
    assert _without_counters(text) == _without_counters(host.text)
    assert _run(compile_script(back, table), _chains(table)) == _chains(_nat(host.ruleset, host.family))
    if not any(edit.kept or edit.copies for edit in plan.edits):
        assert text == host.text


@given(hosts())
def test_counters_of_corrected_rules_stay(host: Host) -> None:
    plan, after = planned(host)
    before = {rule.line: rule.counters for chain in host.subject(host.ruleset).chains for rule in chain.rules}
    chain = _nat(after, host.family).chain("POSTROUTING")
    assert chain is not None
    for edit in plan.edits:
        if not edit.kept and edit.chain == "POSTROUTING":
            assert next(rule for rule in chain.rules if rule == edit.new).counters == before[edit.old.line]


@st.composite
def saved_files(draw: st.DrawFn) -> tuple[Host, bytes | None]:
    """A running table that is corrected, and a file that says some of it, more, or nothing."""
    host = draw(hosts())
    _, after = planned(host)
    running = replace(host, text=render(after).decode())
    rules = _chains(_nat(host.ruleset, host.family))["POSTROUTING"]
    own = [rule for rule in rules if "-j CNI" not in rule and "-j KUBE" not in rule and "-j NATFIX" not in rule]
    kept = draw(st.lists(st.sampled_from(own), max_size=4)) if own else []
    text = _text({"PREROUTING": [], "POSTROUTING": kept}, counted=draw(st.booleans())).replace(
        ":PREROUTING -", ":PREROUTING ACCEPT"
    )
    filtered = '# mine\n*filter\n:INPUT DROP [1:60]\n-A INPUT -m comment --comment "x  y" -j ACCEPT\nCOMMIT\n'
    text = draw(st.sampled_from([text, filtered + text, text + filtered, filtered, host.text]))
    return running, draw(st.sampled_from([None, b"", text.encode(), text.replace("\n", "\r\n").encode()]))


@given(saved_files())
def test_saving_twice_saves_once(pair: tuple[Host, bytes | None]) -> None:
    running, saved = pair
    subject = running.subject(running.ruleset)
    once = save_into(saved, "saved", subject, CATALOGUE)
    assert once is None or save_into(once, "saved", subject, CATALOGUE) is None


@given(saved_files())
def test_saving_touches_no_line_but_those_of_container_rules(pair: tuple[Host, bytes | None]) -> None:
    running, saved = pair
    once = save_into(saved, "saved", running.subject(running.ruleset), CATALOGUE)
    if once is not None:
        mine = (b" ! -o ", b"-A CNI-", b"-A NATFIX-", b":NATFIX-")
        kept = [line for line in (saved or b"").split(b"\n") if not any(words in line for words in mine)]
        now = iter(once.split(b"\n"))
        assert [line for line in kept if line not in now] == []

"""Pods that call services and are masqueraded for it, though they belong to the cluster.

kube-proxy marks what it wants masqueraded. Of packets to a service's own address it means those from outside of the cluster:
the rule that marks them has ``! -s CLUSTER`` (or ``! -i DEVICE``), by --cluster-cidr and --detect-local-mode; and no exception
under --masquerade-all. Sources: kubernetes, proxier.go of pkg/proxy/iptables, ipvs and nftables, and
pkg/proxy/util/localdetector.go, of 1.4 to 1.33.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Final, NamedTuple

from natfix.audit.hidden import once
from natfix.audit.hit import Hit
from natfix.audit.reach import every_packet
from natfix.audit.subject import Locality, Subject
from natfix.packets import Fate, Names, PacketSet, walk
from natfix.packets.bits import Bits
from natfix.packets.match import match
from natfix.ruleset import Network, Rule, Table


class _Mode(NamedTuple):
    """How kube-proxy writes its rules.

    Attributes:
        hook: the chain that packets of pods come to first.
        entry: the chain that it calls for what may be sent to a service.
        services: what the names of the chains begin with in which services' own addresses stand.
        comment: what is in the comment of a rule for such an address; others are for addresses that the world calls.
        marking: the chain that marks.
    """

    hook: str
    entry: str
    services: tuple[str, ...]
    comment: str
    marking: str


_MODES: Final = (
    # Before 1.22, and with IPVS, all services are told apart in one chain; since then each has its own.
    _Mode("PREROUTING", "KUBE-SERVICES", ("KUBE-SERVICES", "KUBE-SVC-", "KUBE-SVL-"), "cluster ip", "KUBE-MARK-MASQ"),
    _Mode("nat-prerouting", "services", ("service-", "local-"), "", "mark-for-masquerade"),
)
_EXCEPTIONS: Final = {"source": "{}", "in-interface": "what comes in by {}"}
# One setting makes the rules of all services, so that a few of them tell what the others say: a host can have 10,000.
_ENOUGH: Final = 20


class _Marked(NamedTuple):
    """Pods that are masqueraded when they call a service.

    Attributes:
        rule: what marks their packets.
        pods: their subnets.
        certain: whether it surely does.
        spared: whom the rule leaves alone; empty when that is nobody.
    """

    rule: Rule
    pods: tuple[Network, ...]
    certain: bool
    spared: str

    @property
    def hit(self) -> Hit:
        """Point at the rule."""
        spared = f"only {self.spared} is spared" if self.spared else "nobody is spared"
        pods = ", ".join(map(str, self.pods))
        message = f"marks for masquerade what {pods} sends to this service; {spared}, here and at other services"
        return Hit(self.rule, message, certain=self.certain)


def calls_hidden(subject: Subject) -> Iterator[Hit]:
    """Rules of kube-proxy that mark calls of this host's pods, for whom they spare are others; the first one tells it."""
    return islice((each.hit for each in _marked(subject) if each.spared), 1)


def all_calls_hidden(subject: Subject) -> Iterator[Hit]:
    """Rules of kube-proxy that mark everybody's calls; the first one tells it."""
    return islice((each.hit for each in _marked(subject) if not each.spared), 1)


@once
def _marked(subject: Subject) -> Iterator[_Marked]:
    everybody = replace(_calls(subject), source=subject.local_addresses)
    for mode in (each for each in _MODES if _is_entered(subject.table, each)) if subject.localities else ():
        # Most spare all pods, so that nobody need be asked one by one.
        rules = _for_services(subject.table, mode)
        marking = [rule for rule in rules if match(rule, everybody, ipsets=subject.ipsets).inside]
        pods = _exposed(subject, mode) if marking else {}
        yield from (met for rule in marking if (met := _met(subject, rule, pods)) is not None)


def _is_entered(table: Table, mode: _Mode) -> bool:
    hook = table.chain(mode.hook)
    return hook is not None and any(rule.target == mode.entry for rule in hook.rules)


def _exposed(subject: Subject, mode: _Mode) -> dict[Locality, bool]:
    """Whose packets are rewritten once they have kube-proxy's mark, and whether surely."""
    from natfix.audit.arrival import arrivals  # noqa: PLC0415  (start-up time: on most hosts nothing comes to this)

    found = {}
    for locality in subject.localities:
        packets = subject.protected(locality)
        marks = {each.change.of(packets.mark) for each in walk(subject.table, mode.marking, packets)} if packets else set()
        marked = [packets.having("mark", mark) for mark in marks if mark != packets.mark] if packets else []
        come = [each for calls in marked for each in arrivals(subject, calls, locality) if each.lost is None]
        sent = [outcome for each in come for outcome in subject.sent(each.packets)]
        if any(each.fate is Fate.SOURCE_NAT for each in sent):
            found[locality] = all(each.certain for each in sent) and not any(each.doubts for each in come)
    return found


def _met(subject: Subject, rule: Rule, pods: Mapping[Locality, bool]) -> _Marked | None:
    """Whom of *pods* a rule marks; None when that is nobody."""
    exceptions = [option for option in rule.options if option.name in _EXCEPTIONS]
    by_device = any(option.name == "in-interface" for option in exceptions)
    met = {}
    for locality, surely in pods.items():
        device = Names(locality.bridge) if locality.bridge else None
        calls = replace(_calls(subject), source=locality.addresses, in_interface=device)
        matched = match(rule, calls, ipsets=subject.ipsets)
        # Where nobody told the bridge, an exception for a device may be the right one.
        if matched.inside and (device or not by_device):
            met[locality] = surely and not matched.unknown
    networks = tuple(network for locality in met for network in locality.networks)
    spared = " ".join(_EXCEPTIONS[option.name].format(option.value) for option in exceptions)
    return _Marked(rule, networks, all(met.values()), spared) if met else None


def _calls(subject: Subject) -> PacketSet:
    """What somebody else than this host sends to open a connection, with no mark."""
    return replace(
        every_packet(subject),
        mark=Bits(),
        connmark=Bits(),
        source_type=frozenset({"UNICAST"}),
        state=frozenset({"NEW"}),
    )


def _for_services(table: Table, mode: _Mode) -> Iterator[Rule]:
    """The first rules of *table* that mark what is sent to services' own addresses."""
    names = (name for name in table.declared if name.startswith(mode.services))
    for name in islice(names, _ENOUGH):
        chain = table.chain(name)
        assert chain is not None, "it is declared"  # noqa: S101
        for rule in replace(chain, places=chain.places[:_ENOUGH]).rules:
            if rule.target == mode.marking and mode.comment in (rule.comment or "").lower() and not _asks_for_service(rule):
                yield rule


def _asks_for_service(rule: Rule) -> bool:
    """Whether it is about packets *from* a service's address, which with IPVS is one of the host's own."""
    return any(option.name == "match-set" and option.value.split(" ")[-1].startswith("src") for option in rule.options)

"""Pods that call services and are masqueraded for it, though they belong to the cluster.

kube-proxy marks what it wants masqueraded. Of packets to a service's own address it means those from outside of the cluster:
the rule that marks them has ``! -s CLUSTER`` (or ``! -i DEVICE``), by --cluster-cidr and --detect-local-mode; and no exception
under --masquerade-all. Sources: kubernetes, proxier.go of pkg/proxy/iptables, ipvs and nftables, and
pkg/proxy/util/localdetector.go, of 1.4 to 1.33.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Final, NamedTuple

from natfix.audit.hidden import once
from natfix.audit.hit import Hit
from natfix.audit.reach import every_packet
from natfix.audit.subject import Subject
from natfix.packets import Intervals, Names
from natfix.packets.match import match
from natfix.ruleset import Network, Rule, Table


class _Mode(NamedTuple):
    """How kube-proxy writes its rules.

    Attributes:
        masquerading: the chain that rewrites what is marked.
        marking: the chain that marks.
        services: what the names of the chains begin with in which services' own addresses stand.
        comment: what is in the comment of a rule for such an address; others are for addresses that the world calls.
    """

    masquerading: str
    marking: str
    services: tuple[str, ...]
    comment: str = ""


_MODES: Final = (
    # Before 1.22, and with IPVS, all services are told apart in one chain; since then each has its own.
    _Mode("KUBE-POSTROUTING", "KUBE-MARK-MASQ", ("KUBE-SERVICES", "KUBE-SVC-", "KUBE-SVL-"), "cluster ip"),
    _Mode("masquerading", "mark-for-masquerade", ("service-", "local-")),
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


def service_calls_hidden(subject: Subject) -> Iterator[Hit]:
    """Rules of kube-proxy that mark calls of this host's pods, for whom they spare are others; the first one tells it."""
    return islice((each.hit for each in _marked(subject) if each.spared), 1)


def all_service_calls_hidden(subject: Subject) -> Iterator[Hit]:
    """Rules of kube-proxy that mark everybody's calls; the first one tells it."""
    return islice((each.hit for each in _marked(subject) if not each.spared), 1)


@once
def _marked(subject: Subject) -> Iterator[_Marked]:
    reached = {chain.name for chain in subject.chains}
    for rule in (each for mode in _MODES if mode.masquerading in reached for each in _for_services(subject.table, mode)):
        if _unknown(subject, subject.local_addresses, "", rule) is None:
            continue
        exceptions = [option for option in rule.options if option.name in _EXCEPTIONS]
        by_device = any(option.name == "in-interface" for option in exceptions)
        met = {
            locality: unknown
            for locality in subject.localities
            # Where nobody told the bridge, an exception for a device may be the right one.
            if (locality.bridge or not by_device)
            and (unknown := _unknown(subject, locality.addresses, locality.bridge, rule)) is not None
        }
        if met:
            pods = tuple(network for locality in met for network in locality.networks)
            spared = " ".join(_EXCEPTIONS[option.name].format(option.value) for option in exceptions)
            yield _Marked(rule, pods, not any(met.values()), spared)


def _unknown(subject: Subject, sources: Intervals, bridge: str, rule: Rule) -> tuple[str, ...] | None:
    """What of *rule* nobody can tell of packets from *sources* that come in by *bridge*; None when it meets none of them."""
    packets = replace(every_packet(subject), source=sources, in_interface=Names(bridge) if bridge else None)
    matched = match(rule, packets, ipsets=subject.ipsets)
    return matched.unknown if matched.inside else None


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

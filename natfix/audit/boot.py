"""Files that are loaded into iptables at boot: what they freeze, bring back and lack, and what comes after them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from natfix.audit.actor import DOCKERS, OWN_PREFIX, actor_of
from natfix.audit.hidden import hidden, once
from natfix.audit.hit import Hit
from natfix.audit.subject import HOOK, Subject, bridge_of, excluded_destination
from natfix.errors import RulesetSyntaxError
from natfix.packets import SOURCE_NAT_TARGETS, Intervals
from natfix.ruleset import Family, Rule, parse, same_meaning

LIVE_CHAINS: Final = (
    "DOCKER", "KUBE-", "CNI-", "NETAVARK", "FLANNEL-", "cali-", "CILIUM_", "WEAVE", "LIBVIRT_", "ts-",
)  # fmt: skip
"""Beginnings of chains whose programs put them back by themselves, and stumble over old ones."""

# What iptables-services and netfilter-persistent load, by its end, and the unit that loads it.
_LOADED: Final = {
    "/rules.v4": (Family.IPV4, "netfilter-persistent.service"),
    "/rules.v6": (Family.IPV6, "netfilter-persistent.service"),
    "sysconfig/iptables": (Family.IPV4, "iptables.service"),
    "sysconfig/ip6tables": (Family.IPV6, "ip6tables.service"),
}
DOCKER: Final = "docker.service"
_KEEPERS: Final = "natfix-"
_SWITCHES: Final = {Family.IPV4: "iptables", Family.IPV6: "ip6tables"}
# What an empty file says of nat.
_NOTHING: Final = "*nat\nCOMMIT\n"
_NAMED = 3


def frozen_chains(subject: Subject) -> Iterator[Hit]:
    """In a file that is loaded at boot, jumps to chains that other programs keep."""
    if subject.dumped and _loaded(subject.table.source) is not None:
        yield from _frozen(subject, "nat")
    for saved in _saved(subject):
        yield from _frozen(saved, saved.table.source)


def brought_back(subject: Subject) -> Iterator[Hit]:
    """Rules of a file that is loaded at boot that hide what the running rules leave alone."""
    running: set[Rule] | None = None
    for saved in _saved(subject):
        for hit in hidden(saved):
            running = _hiding(subject) if running is None else running
            if hit.rule not in running and hit.certain:
                path = saved.table.source
                message = f"{hit.message} from the next boot on: line {hit.rule.line} of {path}"
                yield Hit(hit.rule, message, locality=hit.locality, outcomes=hit.outcomes, table=path)


def unsaved_correction(subject: Subject) -> Iterator[Hit]:
    """Running rules for Docker's bridges that spare the cluster, which the file that is loaded at boot does not hold."""
    for saved in _saved(subject, empty=True):
        for rule in _corrected(subject):
            if not any(same_meaning(rule, other) for other in saved.rules):
                message = f"spares the cluster now, and is not in {saved.table.source}, which is loaded at boot"
                yield Hit(rule, message, certain=False)


def undone_at_boot(subject: Subject) -> Iterator[Hit]:
    """Corrected rules of a file that is loaded before Docker starts, which then puts its own rule before them."""
    facts = subject.facts
    if any(name.startswith(_KEEPERS) for name in facts.boot) or not _writes(subject):
        return
    for saved in _saved(subject):
        path = saved.table.source
        _, loader = _LOADED[_end(path)]
        if loader not in facts.boot.get(DOCKER, ()):
            continue
        for rule in _corrected(saved):
            if bridge_of(rule) != "docker0" or facts.daemon.get("ip-masq"):
                message = (
                    f"stands in {path}; {DOCKER} starts after {loader} and puts its own rule for {bridge_of(rule)} before it"
                )
                yield Hit(rule, message, certain=False, table=path)


def _frozen(subject: Subject, table: str) -> Iterator[Hit]:
    frozen = [rule for rule in subject.rules if rule.chain == HOOK and rule.target.startswith(LIVE_CHAINS)]
    if frozen:
        names = list(dict.fromkeys(rule.target for rule in frozen))
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        message = f"brings chains back as they were when the file was saved: {', '.join(names[:_NAMED])}{more}"
        yield Hit(frozen[0], message, table=table)


def _hiding(subject: Subject) -> set[Rule]:
    """Every running rule that hides an address, of whichever backend."""
    others = (replace(subject, table=table, made={}) for table in subject.beside if table.family is subject.family)
    return {hit.rule for each in (subject, *others) for hit in hidden(each)}


def _writes(subject: Subject) -> bool:
    """Whether Docker is known to write rules of the family with iptables, as it does unless it is told otherwise."""
    daemon = subject.facts.daemon
    wanted = ("iptables", _SWITCHES[subject.family])
    return all(daemon.get(name) for name in wanted) and not daemon.get("nftables")


def _corrected(subject: Subject) -> Iterator[Rule]:
    """The rules of POSTROUTING for Docker's bridges that somebody gave an exclusion; Docker knows none."""
    chain = subject.table.chain(HOOK)
    for rule in chain.rules if chain else ():
        if actor_of((rule,)) in DOCKERS and (rule.target.startswith(OWN_PREFIX) or _excludes_cluster(rule, subject)):
            yield rule


def _excludes_cluster(rule: Rule, subject: Subject) -> bool:
    excluded = excluded_destination(rule) if rule.target in SOURCE_NAT_TARGETS else None
    return bool(excluded and subject.cluster and subject.cluster_addresses <= Intervals.networks([excluded]))


def _saved(running: Subject, *, empty: bool = False) -> Iterator[Subject]:
    """The nat tables of the files that are loaded at boot, judged as the running one; no text that no program would load.

    Args:
        running: who tells of them.
        empty: whether a file without a nat table counts too, as one that says nothing.
    """
    return (saved for saved, holds_nat in _files(running) if holds_nat or empty)


@once
def _files(running: Subject) -> Iterator[tuple[Subject, bool]]:
    """Each file of the running table's family, and whether it holds a nat table; read once, as such a file can be large."""
    for path, text in running.facts.saved.items():
        loaded = _loaded(path)
        if loaded is None or loaded[0] is not running.family:
            continue
        data = (text if text.strip() else _NOTHING).encode("utf-8", "surrogateescape")
        try:
            held = parse(data, path, running.family).table("nat", running.family)
            _ = held and held.reached_from(HOOK)
        except RulesetSyntaxError:
            continue
        table = held or parse(_NOTHING.encode(), path, running.family).table("nat", running.family)
        assert table is not None, "a text that says *nat holds that table"  # noqa: S101
        yield Subject(table, running.cluster, running.bridges, running.devices), held is not None


def _loaded(path: str) -> tuple[Family, str] | None:
    end = _end(path)
    return _LOADED[end] if end else None


def _end(path: str) -> str:
    return next((end for end in _LOADED if f"/{path}".endswith(end)), "")

"""Files that are loaded into iptables at boot: what they freeze, and what they bring back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from natfix.audit.hidden import hidden
from natfix.audit.hit import Hit
from natfix.audit.subject import HOOK, Subject
from natfix.errors import RulesetSyntaxError
from natfix.ruleset import Family, parse

LIVE_CHAINS: Final = (
    "DOCKER", "KUBE-", "CNI-", "NETAVARK", "FLANNEL-", "cali-", "CILIUM_", "WEAVE", "LIBVIRT_", "ts-",
)  # fmt: skip
"""Beginnings of chains whose programs put them back by themselves, and stumble over old ones."""

# What iptables-services and netfilter-persistent load, by its end.
_LOADED: Final = {
    "/rules.v4": Family.IPV4,
    "/rules.v6": Family.IPV6,
    "sysconfig/iptables": Family.IPV4,
    "sysconfig/ip6tables": Family.IPV6,
}
_NAMED = 3


def frozen_chains(subject: Subject) -> Iterator[Hit]:
    """In a file that is loaded at boot, jumps to chains that other programs keep."""
    if not subject.dumped or _family_of(subject.table.source) is None:
        return
    frozen = [rule for rule in subject.rules if rule.chain == HOOK and rule.target.startswith(LIVE_CHAINS)]
    if frozen:
        names = list(dict.fromkeys(rule.target for rule in frozen))
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        message = f"brings chains back as they were when the file was saved: {', '.join(names[:_NAMED])}{more}"
        yield Hit(frozen[0], message)


def brought_back(subject: Subject) -> Iterator[Hit]:
    """Rules of a file that is loaded at boot that hide what the running rules leave alone."""
    running = {hit.rule for hit in hidden(subject)}
    for path, text in subject.facts.saved.items():
        saved = _subject(subject, path, text) if _family_of(path) is subject.family else None
        for hit in hidden(saved) if saved else ():
            if hit.rule not in running and hit.certain:
                message = f"{hit.message} from the next boot on: line {hit.rule.line} of {path}"
                yield Hit(hit.rule, message, locality=hit.locality, outcomes=hit.outcomes, table=path)


def _subject(running: Subject, path: str, text: str) -> Subject | None:
    """The nat table of a saved file, judged as the running one; None for a text that no program would load."""
    try:
        table = parse(text.encode("utf-8", "surrogateescape"), path, running.family).table("nat", running.family)
    except RulesetSyntaxError:
        return None
    return Subject(table, running.cluster, running.bridges, running.devices) if table else None


def _family_of(path: str) -> Family | None:
    return next((family for end, family in _LOADED.items() if f"/{path}".endswith(end)), None)

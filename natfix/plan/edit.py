"""What natfix changes in one nat table: rules in place of rules, and chains of its own. Values, no text yet."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from natfix.audit.actor import OWN_PREFIX
from natfix.packets import Intervals
from natfix.ruleset import Network, Rule, Table
from natfix.ruleset.rule import network_of


@dataclass(frozen=True, slots=True)
class Edit:
    """In one chain, *new* shall stand instead of *old*.

    Attributes:
        old: the rule that must go, every copy of it.
        new: the rule that must be there, once.
        kept: whether *new* was there before, so that undoing the edit brings *old* back and leaves *new*.
        copies: the numbers of further copies of *old*, so that undoing the edit brings them back too.
    """

    old: Rule
    new: Rule
    kept: bool = False
    copies: tuple[int, ...] = ()

    @property
    def chain(self) -> str:
        """The chain both stand in."""
        return self.old.chain


@dataclass(frozen=True, slots=True)
class Plan:
    """Every change to one nat table.

    Attributes:
        edits: rules in place of rules.
        chains: for each chain of natfix's own the specs it shall hold; an empty one shall be removed.
        before: what these chains held before; absent for one that was not there.
        inserts: rules that shall be there again, at their number or at the end of a shorter chain; for undoing.
    """

    edits: tuple[Edit, ...] = ()
    chains: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    before: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    inserts: tuple[Rule, ...] = ()

    def __bool__(self) -> bool:
        """Whether there is anything to change."""
        return bool(self.edits or self.chains or self.inserts)

    def to_json(self) -> dict[str, Any]:
        """The plan in JSON types, for the history; *inserts*, which only undoing has, are left out."""
        return {
            "edits": [_edit_to_json(edit) for edit in self.edits],
            "chains": {name: list(specs) for name, specs in self.chains.items()},
            "before": {name: list(specs) for name, specs in self.before.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Plan:
        """Read what to_json wrote.

        Raises:
            KeyError: *data* is something else.
        """
        return cls(
            tuple(_edit_from_json(each) for each in data["edits"]),
            {name: tuple(specs) for name, specs in data["chains"].items()},
            {name: tuple(specs) for name, specs in data["before"].items()},
        )


def _edit_to_json(edit: Edit) -> dict[str, Any]:
    return {
        "chain": edit.chain,
        "old": edit.old.spec,
        "new": edit.new.spec,
        "kept": edit.kept,
        "number": edit.old.number,
        "copies": list(edit.copies),
    }


def _edit_from_json(data: Mapping[str, Any]) -> Edit:
    old = Rule(data["chain"], data["old"], number=data["number"])
    # natfix wrote no copies at first.
    return Edit(old, Rule(data["chain"], data["new"]), data["kept"], tuple(data.get("copies", ())))


def exclude(rule: Rule, cluster: Sequence[Network], table: Table) -> Plan:
    """Make *rule* leave packets to the *cluster* alone, and change nothing else about it.

    With one CIDR and no other destination that is ``! -d CIDR`` in the rule itself. Otherwise the rule leads to a chain of
    natfix's own that holds a RETURN for each CIDR and then the rule's target: after RETURN the packet goes on behind the
    rule, as one that did not match.
    """
    if rule.chain.startswith(OWN_PREFIX):
        return _more_returns(rule, cluster, table)
    option = rule.destination
    if len(cluster) == 1:
        if option is None:
            return Plan((Edit(rule, _with_destination(rule, cluster[0])),))
        excluded = network_of(option)
        if option.negated and excluded is not None and _within(excluded, cluster[0]):
            spec = f"{rule.spec[: option.start]}! -d {cluster[0]}{rule.spec[option.stop :]}"
            return Plan((Edit(rule, Rule(rule.chain, spec, rule.counters)),))
    return _through_own_chain(rule, cluster)


def own_chain_name(specs: Sequence[str]) -> str:
    """The name of natfix's chain that holds *specs*: rules that need the same chain share it.

    CNI plugins and netavark write a rule for each pod, so that a chain for each rule would stay behind for each pod that goes.
    """
    digest = hashlib.sha256("\n".join(specs).encode("utf-8", "surrogateescape")).hexdigest()
    return f"{OWN_PREFIX}{digest[:16].upper()}"


def _with_destination(rule: Rule, network: Network) -> Rule:
    """Put ``! -d NETWORK`` where iptables-save would print it: behind the source."""
    source = rule.source
    place = source.stop if source is not None and rule.spec.startswith(("-s ", "! -s ")) else 0
    words = (rule.spec[:place].strip(), f"! -d {network}", rule.spec[place:].strip())
    return Rule(rule.chain, " ".join(word for word in words if word), rule.counters)


def _through_own_chain(rule: Rule, cluster: Sequence[Network]) -> Plan:
    place = next(option.start for option in rule.options if option.name in {"jump", "goto"})
    specs = (*_returns(cluster), _protocol(rule, place) + rule.spec[place:])
    name = own_chain_name(specs)
    new = Rule(rule.chain, f"{rule.spec[:place]}-j {name}", rule.counters)
    return Plan((Edit(rule, new),), {name: specs})


def _protocol(rule: Rule, place: int) -> str:
    """The ``-p`` before *place*: targets with ports (``--to-ports``, ``--to-source …:80``) are refused without one."""
    option = rule.protocol
    return f"{rule.spec[option.start : option.stop]} " if option is not None and option.start < place else ""


def _more_returns(rule: Rule, cluster: Sequence[Network], table: Table) -> Plan:
    """Complete the RETURNs of a chain of ours whose cluster has grown."""
    chain = table.chain(rule.chain)
    known = [each.spec for each in (chain.rules if chain else ()) if each.target == "RETURN"]
    missing = [spec for spec in _returns(cluster) if spec not in known]
    return Plan((), {rule.chain: (*known, *missing, rule.spec)})


def _returns(cluster: Sequence[Network]) -> tuple[str, ...]:
    return tuple(f"-d {network} -j RETURN" for network in cluster)


def _within(inner: Network, outer: Network) -> bool:
    return inner.version == outer.version and Intervals.networks([inner]) <= Intervals.networks([outer])

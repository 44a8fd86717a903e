"""The in-memory twin of a nat table."""

from __future__ import annotations

from dataclasses import replace

from natfix.app.ports import Backend
from natfix.errors import HostError, NatfixError
from natfix.host.outcomes import gone
from natfix.host.script import Step, read_script, says_the_same
from natfix.ruleset import Family, Rule, Ruleset, parse, render

_BUILT_IN = ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING")
_BACKEND = Backend(Family.IPV4, "nft")
_TARGETS = ("ACCEPT", "DROP", "RETURN", "MASQUERADE", "SNAT", "DNAT", "NETMAP", "REDIRECT", "MARK", "LOG", "CONNMARK")


class MemoryRulesetStore:
    """A nat table that lives in this object; see natfix.app.ports.RulesetStore.

    Args:
        backend: the one it plays.
        text: what iptables-save would print of its nat table; none is an empty one.
    """

    def __init__(self, backend: Backend = _BACKEND, text: str = "") -> None:
        self.backend = backend
        self.chains: dict[str, tuple[Rule, ...]] = dict.fromkeys(_BUILT_IN, ())
        if text:
            ruleset = parse(text.encode("utf-8", "surrogateescape"), str(backend), backend.family)
            for name in ruleset.tables[0].declared:
                chain = ruleset.tables[0].chain(name)
                self.chains[name] = tuple(chain.rules if chain else ())

    def read(self) -> Ruleset:
        """Read POSTROUTING and every chain it reaches, counters included."""
        whole = _parse(self.chains, self.backend)
        reached = [chain.name for chain in whole.tables[0].reached_from("POSTROUTING")]
        return _parse({name: self.chains[name] for name in reached}, self.backend)

    def dump(self) -> bytes:
        """Read the whole table, as iptables-save prints it."""
        chains = {name: tuple(replace(rule, counters=None) for rule in rules) for name, rules in self.chains.items()}
        return render(_parse(chains, self.backend))

    def rehearse(self, script: str) -> str:
        """Apply *script* to a copy and forget it."""
        try:
            _apply(self.chains, script)
        except NatfixError as error:
            raise HostError(f"{self.backend} refused: {error.message}\n    (tried on a copy; nothing was changed)") from error
        return ""

    def commit(self, script: str) -> None:
        """Apply *script*: all of it or nothing."""
        self.chains = _apply(self.chains, script)


def _parse(chains: dict[str, tuple[Rule, ...]], backend: Backend) -> Ruleset:
    declarations = [f":{name} {'ACCEPT' if name in _BUILT_IN else '-'} [0:0]" for name in chains]
    rules = [f"{_prefix(rule)}{rule}" for chain in chains.values() for rule in chain]
    text = "\n".join(["*nat", *declarations, *rules, "COMMIT", ""])
    return parse(text.encode("utf-8", "surrogateescape"), str(backend), backend.family)


def _prefix(rule: Rule) -> str:
    return f"[{rule.counters.packets}:{rule.counters.bytes}] " if rule.counters else ""


def _apply(chains: dict[str, tuple[Rule, ...]], script: str) -> dict[str, tuple[Rule, ...]]:
    """Play *script* on a copy of *chains*."""
    steps = [step for step in read_script(script) if step.verb not in {"*nat", "COMMIT"}]
    after = dict(chains)
    for step in steps:
        _play(after, step)
    for rules in after.values():
        for rule in rules:
            if rule.target and rule.target not in after and rule.target not in _TARGETS:
                raise HostError(f"there is no target or chain {rule.target}: {rule}")
    return after


def _play(chains: dict[str, tuple[Rule, ...]], step: Step) -> None:
    if step.verb == ":":
        chains[step.chain] = ()
        return
    if step.chain not in chains:
        raise gone(step) if step.verb == "-D" else HostError(f"there is no chain {step.chain}: {step.text}")
    rules = chains[step.chain]
    if step.verb == "-X":
        _remove(chains, step)
    elif step.verb == "-F":
        chains[step.chain] = ()
    elif step.rule is not None:
        chains[step.chain] = _edited(rules, step, step.rule)
    else:
        raise HostError(f"a line that the twin of iptables does not know: {step.text}")


def _edited(rules: tuple[Rule, ...], step: Step, rule: Rule) -> tuple[Rule, ...]:
    if step.verb == "-A":
        return (*rules, rule)
    if step.verb == "-I":
        if not 1 <= step.number <= len(rules) + 1:
            raise HostError(f"the chain {step.chain} has no place {step.number}: {step.text}")
        return (*rules[: step.number - 1], rule, *rules[step.number - 1 :])
    for place, found in enumerate(rules):
        if says_the_same(found, rule):
            return (*rules[:place], *rules[place + 1 :])
    raise gone(step)


def _remove(chains: dict[str, tuple[Rule, ...]], step: Step) -> None:
    used = any(rule.target == step.chain for rules in chains.values() for rule in rules)
    if used or chains[step.chain] or step.chain in _BUILT_IN:
        raise HostError(f"the chain {step.chain} is in use, built in or not empty: {step.text}")
    del chains[step.chain]

"""What is wrong with a nat table and what ends it, worked out once for each way the table has looked.

A walk of what packets meet takes milliseconds; a host that restarts Docker comes back to a table it had before, word for
word. So a verdict is kept under the words it was made from, and forgotten when an interface, a route or the cluster changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from natfix.app.change_ports import Rewritten
from natfix.app.check import look_at_store
from natfix.app.planning import Wishes
from natfix.app.ports import Backend, Links
from natfix.audit import Finding, faults
from natfix.plan import Edit, Plan, compile_script, repair
from natfix.ruleset import Ruleset, Table, parse

_REMEMBERED: Final = 64
_ENDING: Final = ("MASQUERADE", "SNAT", "ACCEPT")


@dataclass(frozen=True, slots=True)
class Correction:
    """One rule that must go, with all it takes.

    Attributes:
        kind: names it, the same each time that rule comes back.
        before: the rule, or the chain of natfix's own that must be completed.
        after: what stands there instead.
        plan: this correction alone.
    """

    kind: str
    before: str
    after: str
    plan: Plan

    @property
    def words(self) -> tuple[str, str, tuple[tuple[str, tuple[str, ...]], ...]]:
        """All that iptables will be told but for places and counters: who rehearsed these words has rehearsed it."""
        return self.kind, self.after, tuple(sorted(self.plan.chains.items()))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What natfix thinks of one nat table.

    Attributes:
        findings: everything that is wrong with it.
        corrections: what natfix corrects by itself.
        rewritten: the tracked connections that the rules to be corrected may have rewritten.
        script: all corrections as one transaction, with the counters of the time it was made.
        lines: how many lines the ruleset has that it was made from, of rules in a row that say the same only the first.
    """

    findings: tuple[Finding, ...]
    corrections: tuple[Correction, ...]
    rewritten: tuple[Rewritten, ...]
    script: str
    lines: int

    def transaction(self, wanted: Sequence[Correction], ruleset: Ruleset, table: Table) -> str:
        """The corrections *wanted* as a transaction on the table as it is now, its counters included."""
        if len(wanted) == len(self.corrections) and len(ruleset.lines) == self.lines:
            return _recounted(self.script, self.corrections, ruleset)
        return compile_script(_together(wanted), table)


class Judge:
    """Judges nat tables by a cluster, and remembers.

    Args:
        links: the host's interfaces and routes; the same objects again as long as nothing changed.
        wishes: the clusters and audit rules.
    """

    def __init__(self, links: Links, wishes: Wishes) -> None:
        self._links = links
        self._wishes = wishes
        self._known: dict[tuple[Backend, tuple[str, ...]], Verdict] = {}
        self._network = (links.interfaces(), links.routes())

    @property
    def surroundings(self) -> object:
        """What decides beside the rules: the same object as long as it is the same."""
        network = (self._links.interfaces(), self._links.routes())
        if network[0] is not self._network[0] or network[1] is not self._network[1]:
            self._network = network
            self._known.clear()
        return self._network

    def verdict(self, backend: Backend, ruleset: Ruleset) -> Verdict:
        """Judge one nat table.

        Raises:
            NatfixError: a rule cannot be read, or an audit rule is wrong.
        """
        _ = self.surroundings
        single, said = _without_copies(ruleset.lines)
        key = backend, said
        known = self._known.pop(key, None)
        # What was asked for last stands last, so that the first is the one to forget.
        self._known[key] = known or self._judge(backend, _reread(ruleset, single, backend))
        if len(self._known) > _REMEMBERED:
            del self._known[next(iter(self._known))]
        return self._known[key]

    def _judge(self, backend: Backend, ruleset: Ruleset) -> Verdict:
        looked = look_at_store(ruleset, backend.family, self._wishes.clusters, self._network, faults(self._wishes.catalogue))
        findings = looked.checked.findings
        plan = repair(looked.subject, findings)
        rewritten = tuple(
            Rewritten(source, looked.subject.cluster, locality.networks)
            for locality in (looked.subject.localities if plan else ())
            for source in locality.networks
        )
        script = compile_script(plan, looked.subject.table) if plan else ""
        return Verdict(tuple(findings), tuple(_corrections(backend, plan)), rewritten, script, len(ruleset.lines))


def _corrections(backend: Backend, plan: Plan) -> Iterator[Correction]:
    """Take a plan apart: an edit goes with the chain of natfix's own that its new rule leads to."""
    led_to: set[str] = set()
    for edit in plan.edits:
        chains = {name: specs for name, specs in plan.chains.items() if name == edit.new.target}
        led_to |= chains.keys()
        alone = Plan((edit,), chains, {name: specs for name, specs in plan.before.items() if name in chains})
        yield Correction(f"{backend}: {edit.old}", str(edit.old), str(edit.new), alone)
    for name in plan.chains.keys() - led_to:
        specs = plan.chains[name]
        alone = Plan((), {name: specs}, {name: plan.before[name]} if name in plan.before else {})
        yield Correction(f"{backend}: {name}", f":{name}", "; ".join(f"-A {name} {spec}" for spec in specs), alone)


def _together(corrections: Sequence[Correction]) -> Plan:
    """Put corrections together again; of edits with the same new rule the first brings it."""
    brought = set()
    edits: list[Edit] = []
    for edit in (edit for each in corrections for edit in each.plan.edits):
        edits.append(replace(edit, kept=edit.kept or edit.new in brought))
        brought.add(edit.new)
    return Plan(
        tuple(edits),
        {name: specs for each in corrections for name, specs in each.plan.chains.items()},
        {name: specs for each in corrections for name, specs in each.plan.before.items()},
    )


def _without_copies(lines: Sequence[str]) -> tuple[Sequence[str], tuple[str, ...]]:
    """Leave out rules that follow one that says the same: whoever inserts a rule in a loop makes thousands of them.

    Only of rules that end the walk of a packet: whatever one of them lets pass, the next one does.

    Returns:
        The lines that are left, and the same without counters.
    """
    said = [_said(line) for line in lines]
    copies = {
        place
        for place in range(1, len(said))
        if said[place] == said[place - 1] and any(f" -j {target}" in said[place] for target in _ENDING)
    }
    if not copies:
        return lines, tuple(said)
    kept = [place for place in range(len(lines)) if place not in copies]
    return [lines[place] for place in kept], tuple(said[place] for place in kept)


def _reread(ruleset: Ruleset, lines: Sequence[str], backend: Backend) -> Ruleset:
    if len(lines) == len(ruleset.lines):
        return ruleset
    return parse("\n".join(lines).encode("utf-8", "surrogateescape"), ruleset.source, backend.family)


def _said(line: str) -> str:
    """A line without counters."""
    if line.startswith("["):
        return line.partition("] ")[2]
    return line.partition(" [")[0] if line.startswith(":") else line


def _recounted(script: str, corrections: Sequence[Correction], ruleset: Ruleset) -> str:
    """The same transaction with the counters that the old rules have now; their lines are where they were."""
    edits = [edit for each in corrections for edit in each.plan.edits if not edit.kept]
    counted = iter([_counters(ruleset.lines[edit.old.line - 1]) for edit in edits])
    return "\n".join(_recount(line, next(counted)) if line.startswith("-I ") else line for line in script.split("\n"))


def _recount(line: str, counters: str) -> str:
    """Put counters into ``-I CHAIN NUMBER [-c PACKETS BYTES] SPEC``."""
    verb, chain, number, spec = line.split(" ", 3)
    if spec.startswith("-c "):
        spec = spec.split(" ", 3)[3]
    return f"{verb} {chain} {number} {counters}{spec}"


def _counters(line: str) -> str:
    """The counters of a line of iptables-save, as ``-I`` takes them."""
    if not line.startswith("["):
        return ""
    packets, _, size = line[1:].partition("]")[0].partition(":")
    return f"-c {packets} {size} "

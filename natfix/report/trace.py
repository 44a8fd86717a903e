"""The way of packets through the tables of a host: as a story for people and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from natfix.packets import Fate, Intervals, Names, PacketSet
from natfix.packets.given import mapped
from natfix.packets.trace import End, Stage, Step, Trace
from natfix.report.document import headed, readable
from natfix.report.lines import Line, Style, shown
from natfix.report.packets import described, names, networks, packets_document
from natfix.ruleset import Family, Rule

# A pod's packet comes to thousands of kube-proxy's rules and meets a handful: so many that do not match are told by rule.
_TOLD = 3


@dataclass(frozen=True, slots=True)
class Traced:
    """The way of packets, with what it was told from.

    Attributes:
        packets: what was followed.
        trace: the way through the tables.
        sources: the texts or backends the tables are from.
        notes: what was concluded, for people.
        addresses: for each device its first address, which MASQUERADE gives; empty where no host is known.
    """

    packets: PacketSet
    trace: Trace
    sources: tuple[str, ...]
    notes: tuple[str, ...] = ()
    addresses: Mapping[str, str] = field(default_factory=dict)


def trace_lines(traced: Traced, *, every: bool = False) -> Iterator[Line]:
    """The story, chain by chain and rule by rule.

    Args:
        traced: the way.
        every: whether to tell every rule that does not match, though there be thousands.
    """
    yield Line(described(traced.packets), "strong")
    for note in traced.notes:
        yield Line(shown(f"  {note}"), "dim")
    for stage in traced.trace.stages:
        if stage.steps or any(outcome.fate is Fate.DROP for outcome in stage.outcomes):
            yield Line()
            yield from _stage_lines(stage, every=every)
    yield Line()
    for end in traced.trace.ends:
        yield _end_line(end, traced)


def _stage_lines(stage: Stage, *, every: bool) -> Iterator[Line]:
    place = stage.place
    yield Line(shown(f"{place.table.name} {place.chain} of {place.origin}"), "strong")
    missed: list[Line] = []
    for step in stage.steps:
        line = _step_line(step, stage)
        if step.matched:
            yield from _few(missed, every=every)
            missed = []
            yield line
        else:
            missed.append(line)
    yield from _few(missed, every=every)
    policy = place.table.chain(place.chain)
    if any(outcome.rule is None for outcome in stage.outcomes) and policy is not None:
        yield Line(f"  policy {policy.policy}", "bad" if policy.policy == "DROP" else "dim")


def _few(missed: list[Line], *, every: bool) -> Iterator[Line]:
    yield from missed if every or len(missed) <= _TOLD else missed[:1]
    if not every and len(missed) > _TOLD:
        yield Line(f"  … and {len(missed) - 1} more rules do not match; --all tells why", "dim")


def _step_line(step: Step, stage: Stage) -> Line:
    rule = step.rule
    where = f"  {'  ' * step.depth}{rule.home} {rule.number}"
    answer, style = _answer(step, stage)
    return Line(shown(f"{where}  {str(rule).removeprefix(f'-A {rule.chain} ')}  => {answer}"), style)


def _answer(step: Step, stage: Stage) -> tuple[str, Style]:
    if not step.matched:
        return f"no: {step.refused}", "dim"
    does = _effect(step, stage)
    if step.unknown:
        return f"perhaps, natfix cannot evaluate {'; '.join(step.unknown)}: {does}", "warn"
    if step.missed:
        some = "; ".join(described(part, stage.came) for part in step.matched)
        return f"some ({some}): {does}", "warn"
    return f"yes: {does}", _STYLES.get(step.rule.target, "")


_LOCAL = frozenset({"LOCAL"})
_NO_DEVICE = Names("")
_EVERYWHERE = frozenset({"0.0.0.0/0", "::/0"})
_EFFECTS = {
    "": "counted",
    "ACCEPT": "accepted, this table is done",
    "DROP": "dropped",
    "REJECT": "refused",
    "RETURN": "back",
    "MASQUERADE": "the source becomes the address of the device it leaves by",
    "DNAT": "gets another destination",
    "REDIRECT": "handed to this host",
    "MARK": "marked",
}
_STYLES: dict[str, Style] = {"DROP": "bad", "REJECT": "bad", "MASQUERADE": "bad", "SNAT": "bad", "NETMAP": "bad"}


def _effect(step: Step, stage: Stage) -> str:
    rule = step.rule
    called = stage.place.table.chain(rule.target)
    if called is not None and any(each.home != called.name for each in called.rules):
        return "its parts, one after the other"
    if called is not None:
        return f"{'on to' if rule.is_goto else 'into'} {rule.target}"
    option = rule.option("to-source", "SNAT") or rule.option("to", "NETMAP")
    if option is not None:
        sources = Intervals.of(part for each in step.matched for part in each.source.ranges)
        bound = option.value in _EVERYWHERE
        return "bound to the source it has" if bound else f"the source becomes {_named(rule, sources, stage.came.family)}"
    return _EFFECTS.get(rule.target, rule.target)


def _end_line(end: End, traced: Traced) -> Line:
    whole = len(traced.trace.ends) == 1
    which = "" if whole else f"{described(end.packets, traced.packets)}: "
    sure = "" if not end.doubts else f" (possible: it depends on {'; '.join(end.doubts)})"
    text, style = _fate(end, traced)
    return Line(shown(f"{which}{text}{sure}"), style)


def _fate(end: End, traced: Traced) -> tuple[str, Style]:
    if end.fate is Fate.DROP:
        return f"dropped by {_by(end.rule)}", "bad"
    if end.fate is Fate.DESTINATION_NAT:
        return f"handed to this host itself by {_by(end.rule)}", "warn"
    source = networks(end.packets.source, end.packets.family)
    where = networks(end.packets.destination, end.packets.family)
    here = end.packets.destination_type == _LOCAL and end.packets.in_interface != _NO_DEVICE
    reader = "this host" if here else "the far side"
    if end.fate is Fate.SOURCE_NAT:
        return f"rewritten: {reader} sees {becomes(end, traced.addresses)} instead of {source}, by {_by(end.rule)}", "bad"
    untracked = "; its connection is not tracked, so no nat chain is asked" if end.untracked else ""
    return f"{reader} ({where}) sees {source}, the address it has{untracked}", "good"


def _by(rule: Rule | None) -> str:
    return f"rule {rule.number} of {rule.home}" if rule else "the policy of a chain"


def becomes(end: End, addresses: Mapping[str, str]) -> str:
    """What the source of packets becomes that meet a source NAT rule."""
    rule = end.rule
    named = _named(rule, end.packets.source, end.packets.family) if rule else ""
    if named:
        return named
    device = names(end.packets.out_interface)
    # "any but docker0" is no name.
    return addresses.get(device, f"the address of {'the device it leaves by' if ' ' in device else device}")


def _named(rule: Rule, sources: Intervals, family: Family) -> str:
    """The addresses that *rule* names for packets from *sources*; empty where a device decides."""
    made = mapped(rule, sources, family)
    if made is not None:
        return networks(made, family)
    option = rule.option("to-source", "SNAT") or rule.option("to", rule.target)
    return option.value if option else ""


def trace_document(traced: Traced) -> dict[str, Any]:
    """The whole way; docs/schemas/trace-1.json."""
    return headed(
        packets=packets_document(traced.packets),
        sources=[readable(each) for each in traced.sources],
        notes=[readable(each) for each in traced.notes],
        stages=[_stage_document(stage) for stage in traced.trace.stages],
        ends=[_end_document(end, traced) for end in traced.trace.ends],
    )


def _stage_document(stage: Stage) -> dict[str, Any]:
    return {
        "origin": readable(stage.place.origin),
        "table": stage.place.table.name,
        "chain": stage.place.chain,
        "steps": [_step_document(step) for step in stage.steps],
    }


def _step_document(step: Step) -> dict[str, Any]:
    answers = {(True, True): "some", (True, False): "yes", (False, True): "no", (False, False): "no"}
    return {
        "depth": step.depth,
        **_rule_document(step.rule),
        "answer": "perhaps" if step.unknown and step.matched else answers[bool(step.matched), bool(step.missed)],
        "matched": [packets_document(each) for each in step.matched],
        "refused": readable(step.refused),
        "unknown": [readable(each) for each in step.unknown],
    }


def _rule_document(rule: Rule) -> dict[str, Any]:
    return {"chain": rule.home, "number": rule.number, "line": rule.line, "rule": readable(str(rule))}


def _end_document(end: End, traced: Traced) -> dict[str, Any]:
    return {
        "packets": packets_document(end.packets),
        "fate": end.fate.value,
        "certain": not end.doubts,
        "becomes": readable(becomes(end, traced.addresses)) if end.fate is Fate.SOURCE_NAT else None,
        "rule": _rule_document(end.rule) if end.rule else None,
        "doubts": [readable(each) for each in end.doubts],
        "untracked": end.untracked,
    }

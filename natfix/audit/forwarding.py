"""Whether the table filter lets through what other hosts of the cluster send to containers of this one.

A policy, or a closing rule, that drops is right as long as somebody accepts the cluster before it. Where an accept for any
part of the cluster is met, its author has thought of it, and nothing is said; so with what cannot be evaluated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from natfix.audit.docker import DOCKER, coming_in
from natfix.audit.hidden import once
from natfix.audit.hit import Hit, Statement
from natfix.audit.subject import HOOK, Locality, Subject
from natfix.packets import Fate, Outcome, walk
from natfix.ruleset import Option, Rule, Table

_FORWARD = "FORWARD"


def forward_policy_drop(subject: Subject) -> Iterator[Hit]:
    """A policy of FORWARD that drops what no rule accepted."""
    table = subject.filtering.get("filter")
    for locality, rule, outcomes in _closed(subject):
        if rule is None and table is not None:
            yield _hit(policy(table, _FORWARD), locality, outcomes)


def forward_closed(subject: Subject) -> Iterator[Hit]:
    """A rule at the end of FORWARD that drops or rejects everything."""
    for locality, rule, outcomes in _closed(subject):
        if rule is not None:
            yield _hit(rule, locality, outcomes)


def nat_policy_drop(subject: Subject) -> Iterator[Hit]:
    """A policy of nat POSTROUTING that drops what no rule rewrites or accepts."""
    hook = subject.table.chain(HOOK)
    for locality in subject.localities if hook and hook.policy == "DROP" else ():
        packets = subject.protected(locality)
        for outcome in subject.sent(packets) if packets else ():
            if outcome.fate is Fate.DROP and outcome.rule is None and outcome.certain:
                message = f"drops what {_named(locality)} sends to the rest of the cluster and no rule rewrites"
                yield Hit(policy(subject.table, HOOK), message, locality=locality, outcomes=(outcome,))


def policy(table: Table, name: str) -> Statement:
    """The policy of a chain that is there, in the place of a rule."""
    chain = table.chain(name)
    assert chain is not None, "only the policy of a chain that is there decides"  # noqa: S101
    return Statement(name, f"-P {name} {chain.policy}", chain.counters, table.declared[name] + 1)


@once
def _closed(subject: Subject) -> Iterator[tuple[Locality, Rule | None, tuple[Outcome, ...]]]:
    """For each bridge the packets from the rest of the cluster that a policy (None) or a rule for everything drops."""
    table = subject.filtering.get("filter")
    if table is None or table.chain(_FORWARD) is None:
        return
    for locality in subject.localities:
        packets = coming_in(subject, locality) if locality.bridge else None
        outcomes = walk(table, _FORWARD, packets) if packets else ()
        closing = () if _lets_in(outcomes) else [outcome for outcome in outcomes if _closes(outcome.rule, outcome)]
        for rule in dict.fromkeys(outcome.rule for outcome in closing):
            yield locality, rule, tuple(outcome for outcome in closing if outcome.rule is rule)


def _lets_in(outcomes: Sequence[Outcome]) -> bool:
    """Whether some of them pass, but for published ports, or nobody can tell."""
    return any(
        not each.certain or (each.fate is Fate.ACCEPT and (each.rule is None or each.rule.chain != DOCKER)) for each in outcomes
    )


def _closes(rule: Rule | None, outcome: Outcome) -> bool:
    """Whether the policy drops, or a rule of FORWARD that tests nothing."""
    if outcome.fate is not Fate.DROP:
        return False
    return rule is None or (rule.chain == _FORWARD and all(_tests_nothing(each, rule.target) for each in rule.options))


def _tests_nothing(option: Option, target: str) -> bool:
    return option.name == "jump" or option.owner in {target, "comment"} or (option.name, option.value) == ("match", "comment")


def _hit(rule: Rule, locality: Locality, outcomes: tuple[Outcome, ...]) -> Hit:
    message = f"drops what other hosts of the cluster send to the containers of {locality.bridge}"
    return Hit(rule, message, locality=locality, outcomes=outcomes, table="filter")


def _named(locality: Locality) -> str:
    return ", ".join(map(str, locality.networks))

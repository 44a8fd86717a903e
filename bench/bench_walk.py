"""Show what an audit costs as a table grows, and as what POSTROUTING reaches grows; needs no root.

Each round is a process of its own, so that it remembers nothing of the round before; processor time, medians.
"""

from __future__ import annotations

import gc
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple, TypeVar

from dumps import PODS, make_dump
from measure import CIDR, verdict

from natfix import Subject, audit_table, parse, parse_network, read_catalogue
from natfix.audit.hidden import hidden
from natfix.ruleset import Family

ROUNDS = 9
TABLES = (1_000, 10_000, 100_000)
WIDE = 20_000
REACHES = (6, 60, 600)
# Ten times the table, and nothing more that a packet can come to, may cost so much more;
GROWTH = 1.2
# and ten times of what it can come to so much, for each of these rules.
STEADY = 1.5

Made = TypeVar("Made")


class Cost(NamedTuple):
    """What one audit took, in milliseconds.

    Attributes:
        reached: how many rules POSTROUTING reaches.
        placing: to put every line of the text in its place.
        cutting: to cut what is reached into words.
        walking: to send the packets that must keep their source through it, again behind each rule that takes it.
        auditing: everything else that is asked of the table.
    """

    reached: float
    placing: float
    cutting: float
    walking: float
    auditing: float

    @property
    def behind_placing(self) -> float:
        """What an audit costs when the text is read."""
        return self.cutting + self.walking + self.auditing


def main() -> None:
    """Measure and print."""
    grown = show("The table grows, POSTROUTING reaches the same", [(rules, PODS) for rules in TABLES])
    wider = show(f"A table of {WIDE:,} rules, POSTROUTING reaches more", [(WIDE, pods) for pods in REACHES])
    for small, large, first, second in zip(grown, grown[1:], TABLES, TABLES[1:], strict=False):
        verdict(f"from {first:,} to {second:,} rules, behind the reading", large.behind_placing / small.behind_placing, GROWTH)
    for small, large, first, second in zip(wider, wider[1:], REACHES, REACHES[1:], strict=False):
        ratio = (large.walking / large.reached) / (small.walking / small.reached)
        verdict(f"from {first} to {second} pods, the walk for each rule reached", ratio, STEADY)


def show(title: str, shapes: list[tuple[int, int]]) -> list[Cost]:
    """Measure tables of some rules and pods, and print what each cost."""
    print(f"\n### {title}\n")
    print("| rules | reached | lines in place | reached ones cut | walked | else audited |\n|---:|---:|---:|---:|---:|---:|")
    costs = []
    for rules, pods in shapes:
        text = make_dump(rules, pods)
        rounds = [apart(partial(audit, text)) for _ in range(ROUNDS)]
        cost = Cost(*map(statistics.median, zip(*rounds, strict=True)))
        times = " | ".join(f"{each:.2f} ms" for each in cost[1:])
        print(f"| {rules:,} | {cost.reached:.0f} | {times} |")
        costs.append(cost)
    return costs


def apart(work: Callable[[], Made]) -> Made:
    """Do *work* in a process of its own, and give what it made."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if not pid:
        with os.fdopen(theirs, "w") as pipe:
            json.dump(work(), pipe)
        os._exit(0)
    os.close(theirs)
    with os.fdopen(ours) as pipe:
        made: Made = json.load(pipe)
    os.waitpid(pid, 0)
    return made


def audit(text: bytes) -> Cost:
    """Audit one text, with the collector of garbage at rest, as in a command."""
    gc.disable()
    catalogue = read_catalogue()
    placing, table = timed(lambda: parse(text, "dump").table("nat", Family.IPV4))
    if table is None:
        sys.exit("The dump holds no nat table.")
    subject = Subject(table, (parse_network(CIDR),), dumped=True)
    cutting, rules = timed(lambda: subject.rules)
    walking, hits = timed(lambda: hidden(subject))
    if not hits:
        sys.exit("Nothing was found, although the broad rule of Docker is in every dump.")
    auditing, _ = timed(lambda: audit_table(subject, catalogue))
    return Cost(len(rules), placing, cutting, walking, auditing)


def timed(work: Callable[[], Made]) -> tuple[float, Made]:
    """Do *work*; give the milliseconds of processor time it took, and what it made."""
    start = time.process_time()
    made = work()
    return (time.process_time() - start) * 1000, made


if __name__ == "__main__":
    main()

"""The steps of a rule of nft as rules of iptables: in the chain in which it stands, and in chains made for it.

A chain made for a rule is called, and comes back behind the rule. What leads on within it is ``-g``, which comes back there as
well, so that no packet meets a second alternative after the first has changed it. What leaves the chain in which the rule
stands is in that chain itself, before everything else: a packet that leaves meets nothing of what follows.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from functools import reduce
from typing import Final

from natfix.nft.matches import unknown
from natfix.nft.step import How, Step, Way
from natfix.packets.bits import Change
from natfix.packets.fields import parse_mark

_MARK_TEST: Final = re.compile(r"-m mark (! )?--mark (\S+)")
# What a chain that is called, or a target, can change of what a test asks for.
_UNSTABLE: Final = ("--mark ", "--ctstate ", "--ctdir ")
_OF_CONNECTIONS: Final = ("--ctstate ", "--ctdir ", "-m connmark ")
_CHANGED_BY: Final = (*((asked, "-j NOTRACK") for asked in _OF_CONNECTIONS), ("-m connmark ", "-j CONNMARK"))


def laid_out(steps: Sequence[Step], helper: str) -> tuple[list[str], dict[str, list[str]]]:
    """Put the steps of one rule into words.

    Args:
        steps: what it does, one after the other.
        helper: what chains made for it are called by.

    Returns:
        The words of the rules in the chain in which it stands, and the chains made for it.
    """
    writer = _Writer(helper)
    writer.write(steps)
    return writer.own, writer.chains


class _Writer:
    """One rule that becomes several."""

    def __init__(self, helper: str) -> None:
        self.own: list[str] = []
        self.chains: dict[str, list[str]] = {}
        self._helper = helper
        self._made: dict[tuple[str, int], str] = {}

    def write(self, steps: Sequence[Step]) -> None:
        reached = list(_reached(steps))
        for tests, changes, end in _leaving(reached):
            self._leave(tests, changes, end)
        staying = _effective(_staying(reached))
        if staying:
            self._stay(staying)
        elif not self.own and all(steps):
            # It does nothing but count.
            self.own += map(_joined, itertools.product(*_tests(reached)))

    def _leave(self, tests: Sequence[str], changes: Sequence[Way], end: Way) -> None:
        if not changes:
            self.own.append(_joined((*tests, end.does)))
            return
        # The end of a chain that was gone to is a return from the one in which the rule stands.
        does = (*(each.does for each in changes), *([end.does] if end.does != "-j RETURN" else ()))
        self.own.append(_joined((*tests, f"-g {self._chain(does)}")))

    def _chain(self, words: Sequence[str] = ()) -> str:
        """Make a chain, or find one that holds the same words."""
        same = next((name for name, held in self.chains.items() if words and held == list(words)), None)
        name = same or (f"{self._helper}.{len(self.chains) + 1}" if self.chains else self._helper)
        if same is None:
            self.chains[name] = list(words)
        return name

    def _stay(self, steps: Sequence[Step]) -> None:
        """Write what comes back behind the rule, and what ends the table."""
        before = list(itertools.takewhile(lambda step: not any(way.does for way in step), steps))
        tests = [_joined(each) for each in itertools.product(*_tests(before))]
        first, *others = steps[len(before) :]
        if not others:
            doing = [way for way in first if way.does]
            back = sum(way.comes_back for way in doing) * len(tests)
            is_stable = _is_stable((*tests, *(way.test for way in doing)))
            if back <= 1 or is_stable:
                in_order = doing if is_stable else sorted(doing, key=lambda way: way.comes_back)
                self.own += [_joined((test, way.test, way.does)) for test in tests for way in in_order]
                return
        helper = self._chain()
        if len(tests) == 1 or _is_stable(tests):
            self.own += [_joined((test, f"-j {helper}")) for test in tests]
            self._fill(helper, steps, len(before))
        else:
            self.own.append(f"-j {helper}")
            self._fill(helper, steps, 0)

    def _fill(self, chain: str, steps: Sequence[Step], place: int) -> None:
        """Write the steps from *place* on into a chain made for them."""
        rules = self.chains[chain]
        while place < len(steps) and len(steps[place]) == 1 and not steps[place][0].test:
            (way,) = steps[place]
            rules += filter(None, [way.does])
            if way.how is not How.ON:
                return
            place += 1
        for way in steps[place] if place < len(steps) else ():
            end = way if way.how is not How.ON else self._end(way, steps, place + 1)
            if end is not None:
                rules.append(_joined((way.test, end.final)))
            elif way.does or place + 1 < len(steps):
                rules.append(_joined((way.test, f"-g {self._onward(way, steps, place + 1)}")))

    def _end(self, way: Way, steps: Sequence[Step], place: int) -> Way | None:
        """The end to which *way* leads at once; None where there is anything between."""
        following = steps[place] if place < len(steps) and not way.does else ()
        return following[0] if len(following) == 1 and not following[0].test and following[0].how is not How.ON else None

    def _onward(self, way: Way, steps: Sequence[Step], place: int) -> str:
        """The chain in which a rule goes on with the step at *place*, after what *way* does."""
        if (way.does, place) not in self._made:
            name = self._chain()
            self._made[way.does, place] = name
            self.chains[name] += filter(None, [way.does])
            self._fill(name, steps, place)
        return self._made[way.does, place]


def _joined(words: Sequence[str]) -> str:
    return " ".join(filter(None, words))


def _tests(steps: Sequence[Step]) -> list[list[str]]:
    return [[way.test for way in step] for step in steps]


def _is_stable(tests: Sequence[str]) -> bool:
    """Whether nothing that a rule does changes which of several tests a packet meets."""
    return not any(word in test for test in tests for word in _UNSTABLE)


def _reached(steps: Sequence[Step]) -> Iterator[Step]:
    """The steps to which a packet can come."""
    for step in itertools.takewhile(bool, steps):
        yield step
        if not any(way.how is How.ON for way in step):
            return


def _effective(steps: Sequence[Step]) -> Sequence[Step]:
    """The steps up to the last one that does something."""
    last = max((place for place, step in enumerate(steps, 1) if any(way.does for way in step)), default=0)
    return steps[:last]


def _staying(steps: Sequence[Step]) -> list[Step]:
    """What is left of the steps without what leaves the chain in which the rule stands."""
    left: list[Step] = []
    for step in steps:
        if any(way.how is How.LEAVE and not way.test for way in step):
            # Whoever comes to what every packet does before it leaves has left by now.
            while left and len(left[-1]) == 1 and not left[-1][0].test:
                left.pop()
            break
        left.append(tuple(way for way in step if way.how is not How.LEAVE))
    return list(itertools.takewhile(bool, left))


def _leaving(
    steps: Sequence[Step], tests: tuple[str, ...] = (), changes: tuple[Way, ...] = ()
) -> Iterator[tuple[tuple[str, ...], tuple[Way, ...], Way]]:
    """Every way out of the chain in which the rule stands: tests of packets as they come to the rule, what is done, the end."""
    if not any(way.how is How.LEAVE for step in steps for way in step):
        return
    for way in steps[0]:
        test = _before(way.test, changes)
        if test is None:
            continue
        if way.how is How.LEAVE:
            yield (*tests, test), changes, way
        elif way.how is How.ON:
            yield from _leaving(steps[1:], (*tests, test), (*changes, way) if way.does else changes)


def _before(test: str, changes: Sequence[Way]) -> str | None:
    """What a packet must be to meet a test after *changes*; None where none meets it then."""
    if not test or not changes:
        return test
    if any(asked in test and way.does.startswith(change) for asked, change in _CHANGED_BY for way in changes):
        return unknown(test)
    change = reduce(Change.then, (way.change for way in changes))
    before = {found[0]: _mark_before(found[2], change, negated=bool(found[1])) for found in _MARK_TEST.finditer(test)}
    if None in before.values():
        return None
    return _MARK_TEST.sub(lambda found: before[found[0]] or "", test).strip()


def _mark_before(text: str, change: Change, *, negated: bool) -> str | None:
    """The test of a mark before *change* that is *text* after it; None where no mark meets it, empty where every one does."""
    value, mask = parse_mark(text)
    if (value ^ change.value) & mask & change.mask & ~change.lost:
        return "" if negated else None
    if mask & change.lost:
        return unknown(f"meta mark {'! ' if negated else ''}{text}")
    kept = mask & ~change.mask
    if not kept:
        return None if negated else ""
    return f"-m mark {'! ' if negated else ''}--mark {(value ^ change.value) & kept:#x}/{kept:#x}"

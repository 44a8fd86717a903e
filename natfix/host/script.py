"""A restore script as a value: what ``iptables-restore --noflush`` is told, line by line.

Grammar, of which natfix writes this much::

    *nat
    :CHAIN - [0:0]                         make a chain, or empty it
    -A CHAIN [-c PACKETS BYTES] WORDS      append
    -I CHAIN [NUMBER] [-c …] WORDS         insert, at the top without a number
    -D CHAIN WORDS                         delete the first rule that says the same
    -F CHAIN   -X CHAIN                    empty a chain, remove a chain
    COMMIT
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from natfix.ruleset import Rule, parse
from natfix.ruleset.words import split_words


class Step(NamedTuple):
    """One line of a script.

    Attributes:
        text: the line.
        place: 1-based number of the line in the script.
        verb: ``:``, ``-A``, ``-I``, ``-D``, ``-F``, ``-X``, or the first word of any other line.
        chain: the chain it is about, or empty.
        number: where ``-I`` inserts, 1-based.
        rule: the rule of ``-A``, ``-I`` and ``-D``.
    """

    text: str
    place: int
    verb: str
    chain: str = ""
    number: int = 1
    rule: Rule | None = None


def read_script(script: str) -> tuple[Step, ...]:
    """Cut a script into its steps; empty lines and comments are left out.

    Raises:
        RulesetSyntaxError: the words after a chain's name make no rule.
    """
    # Not splitlines, which would also cut at characters that a comment may hold, such as a form feed.
    lines = enumerate(script.split("\n"), 1)
    return tuple(_step(line.strip(), place) for place, line in lines if line.strip() and line[0] != "#")


def says_the_same(one: Rule, other: Rule) -> bool:
    """Tell whether two rules of a chain have the same words; counters do not count, nor how words are quoted."""
    return one.chain == other.chain and _words(one) == _words(other)


def read_rule(chain: str, spec: str) -> Rule:
    """Read what stands behind a chain's name, ``-c PACKETS BYTES`` included."""
    text = f"*nat\n:{chain} - [0:0]\n-A {chain} {spec}\nCOMMIT\n"
    found = parse(text.encode("utf-8", "surrogateescape"), "restore script").tables[0].chain(chain)
    assert found is not None  # noqa: S101  (declared two lines above)
    return found.rules[0]


def _words(rule: Rule) -> Sequence[str]:
    return [word.text for word in split_words(rule.spec)]


def _step(line: str, place: int) -> Step:
    if line.startswith(":"):
        return Step(line, place, ":", line[1:].split(maxsplit=1)[0])
    verb, _, rest = line.partition(" ")
    chain, _, spec = rest.strip().partition(" ")
    if verb not in {"-A", "-I", "-D"}:
        return Step(line, place, verb, chain)
    number = 1
    first, _, after = spec.partition(" ")
    if verb == "-I" and first.isdigit():
        number, spec = int(first), after
    return Step(line, place, verb, chain, number, read_rule(chain, spec))

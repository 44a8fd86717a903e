"""The options of a rule: which words belong together, and to which match or target they belong.

iptables itself knows how many values an option takes only after loading the extension. natfix knows it for the options
below (from the extensions' man pages, iptables-extensions(8)); for any other option the following words that do not
look like options are taken as its values, and the option stays opaque.

``--proto`` is not among the long names of ``-p``: it is an option of ``-m policy``, and iptables-save writes ``-p``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from natfix.ruleset.words import Word

_LONG_NAMES = {
    "-s": "source", "--src": "source", "--source": "source",
    "-d": "destination", "--dst": "destination", "--destination": "destination",
    "-i": "in-interface", "--in-interface": "in-interface",
    "-o": "out-interface", "--out-interface": "out-interface",
    "-p": "protocol", "--protocol": "protocol",
    "-j": "jump", "--jump": "jump",
    "-g": "goto", "--goto": "goto",
    "-m": "match", "--match": "match",
    "-c": "set-counters", "--set-counters": "set-counters",
    "-f": "fragment", "--fragment": "fragment", "--fragments": "fragment",
    "--sport": "source-port", "--source-port": "source-port",
    "--dport": "destination-port", "--destination-port": "destination-port",
    "--sports": "source-ports", "--source-ports": "source-ports",
    "--dports": "destination-ports", "--destination-ports": "destination-ports",
}  # fmt: skip

# What follows one of these belongs to what it names,
_OWNING = frozenset({"match", "jump", "goto"})
# but for what every rule can have.
_OWNERLESS = _OWNING | {
    "source", "destination", "in-interface", "out-interface", "protocol", "fragment", "set-counters",
}  # fmt: skip

_VALUE_COUNTS = {
    "source": 1, "destination": 1, "in-interface": 1, "out-interface": 1, "protocol": 1,
    "jump": 1, "goto": 1, "match": 1, "set-counters": 2, "fragment": 0,
    "source-port": 1, "destination-port": 1, "source-ports": 1, "destination-ports": 1, "ports": 1,
    "comment": 1, "mark": 1, "src-type": 1, "dst-type": 1, "limit-iface-in": 0, "limit-iface-out": 0,
    "ctstate": 1, "ctstatus": 1, "state": 1, "ctdir": 1, "ctproto": 1,
    "src-range": 1, "dst-range": 1, "match-set": 2, "return-nomatch": 0, "tcp-option": 1, "syn": 0, "tcp-flags": 2,
    "icmp-type": 1, "icmpv6-type": 1, "mac-source": 1, "pkt-type": 1, "uid-owner": 1, "gid-owner": 1,
    "dir": 1, "pol": 1, "strict": 0, "next": 0, "reqid": 1, "spi": 1, "proto": 1, "mode": 1,
    "tunnel-src": 1, "tunnel-dst": 1, "probability": 1, "every": 1, "packet": 1, "limit": 1, "limit-burst": 1,
    "string": 1, "hex-string": 1, "algo": 1,
    "physdev-in": 1, "physdev-out": 1, "physdev-is-in": 0, "physdev-is-out": 0, "physdev-is-bridged": 0,
    "to-source": 1, "to-destination": 1, "to-ports": 1, "to": 1, "random": 0, "random-fully": 0, "persistent": 0,
    "set-xmark": 1, "set-mark": 1, "or-mark": 1, "and-mark": 1, "xor-mark": 1,
    "restore-mark": 0, "save-mark": 0, "nfmask": 1, "ctmask": 1,
    "log-prefix": 1, "log-level": 1, "nflog-prefix": 1, "nflog-group": 1,
}  # fmt: skip


class Option(NamedTuple):
    """One option with its values.

    Attributes:
        name: the long name without dashes (``source``, ``to-source``); an unknown one as it is written.
        values: what follows, quotes and escapes resolved.
        negated: whether ``!`` stands before it (or, in the form of iptables before 1.4.3, before its value).
        owner: the match or target it belongs to (``mark``, ``SNAT``); empty for what every rule can have.
        start: 0-based column of its first character, the ``!`` included.
        stop: column past its last character.
    """

    name: str
    values: tuple[str, ...]
    negated: bool
    owner: str
    start: int
    stop: int

    @property
    def value(self) -> str:
        """The values as one text."""
        return " ".join(self.values)


class OptionError(ValueError):
    """Words do not make an option; *column* is the 0-based place."""

    def __init__(self, problem: str, column: int) -> None:
        super().__init__(problem)
        self.column = column


def group_options(words: Sequence[Word]) -> tuple[Option, ...]:
    """Put the words of a rule together to options.

    Raises:
        OptionError: a word stands where only an option can stand, or an option lacks its value.
    """
    made: list[Option] = []
    owner, position = "", 0
    while position < len(words):
        option, position = _next_option(words, position, owner)
        made.append(option)
        if option.name in _OWNING:
            owner = option.value
    return tuple(made)


def _next_option(words: Sequence[Word], first: int, owner: str) -> tuple[Option, int]:
    """Read the option that begins at the word *first*; give it, and the place of the word after it."""
    position = first
    negated = _is_not(words[position])
    position += negated
    if position == len(words) or not _is_option(words[position]):
        message = "an option such as -s or --dport is expected here"
        raise OptionError(message, words[min(position, len(words) - 1)].start)
    word = words[position]
    position += 1
    if position + 1 < len(words) and _is_not(words[position]) and not _is_option(words[position + 1]):
        negated = True
        position += 1
    name = _LONG_NAMES.get(word.text) or word.text.lstrip("-")
    stop = _end_of_values(name, words, position, word)
    values = tuple([value.text for value in words[position:stop]])
    owner = "" if name in _OWNERLESS else owner
    return Option(name, values, negated, owner, words[first].start, words[stop - 1].stop), stop


def _end_of_values(name: str, words: Sequence[Word], position: int, option: Word) -> int:
    """The place of the first word, from *position* on, that is no value of an option."""
    count = _VALUE_COUNTS.get(name)
    if count is None:
        while position < len(words) and not _ends_values(words[position]):
            position += 1
        return position
    if position + count > len(words):
        message = f"the option {option.text} lacks its value"
        raise OptionError(message, option.start)
    return position + count


def _is_option(word: Word) -> bool:
    return word.text[:1] == "-" and len(word.text) > 1 and not word.quoted


def _ends_values(word: Word) -> bool:
    return _is_option(word) or _is_not(word)


def _is_not(word: Word) -> bool:
    return word.text == "!" and not word.quoted

"""One rule: its original words, and a typed view on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import groupby
from typing import ClassVar, Final, NamedTuple, TypeAlias

from natfix.ruleset.addresses import Network, parse_network
from natfix.ruleset.options import Option, group_options
from natfix.ruleset.words import split_words

REMEMBERED: Final = 4096
"""Of so many rules it is remembered what their words say: hosts of one cluster, and one that is read again, hold the same."""


@dataclass(frozen=True)
class Counters:
    """Packets and bytes a rule or a policy has seen."""

    packets: int
    bytes: int

    @classmethod
    def parse(cls, text: str) -> Counters:
        """Read ``12:3400`` (without its brackets).

        Raises:
            ValueError: *text* is not two numbers.
        """
        packets, _, size = text.partition(":")
        return cls(int(packets), int(size))


class Said(NamedTuple):
    """What the words of a rule say.

    Attributes:
        options: every option in the order written.
        first: of each name the first option.
        target: what ``-j`` or ``-g`` names; empty for a rule that only counts.
    """

    options: tuple[Option, ...] = ()
    first: Mapping[str, Option] = {}
    target: str = ""


@lru_cache(REMEMBERED)
def said(spec: str) -> Said:
    """Cut *spec* into words and put them together to options; what the same words say is worked out once.

    Raises:
        WordError, OptionError: the words make no rule.
    """
    options = group_options(split_words(spec))
    first = {option.name: option for option in reversed(options)}
    jump = first.get("jump") or first.get("goto")
    return Said(options, first, jump.value if jump else "")


Span: TypeAlias = tuple[int, int]
"""The first and the last address of a network, as integers."""


@dataclass(frozen=True)
class Rule:
    """One ``-A`` line.

    Attributes:
        chain: the chain it stands in.
        spec: what follows the chain's name, word for word as it was read; no counters, no line ending.
        counters: packets and bytes, when they were printed.
        line: 1-based line in the text it came from; 0 for a rule made by natfix.
        number: 1-based place in its chain; 0 for a rule made by natfix.
    """

    chain: str
    spec: str
    counters: Counters | None = None
    line: int = 0
    number: int = 0

    native: ClassVar[bool] = False
    """Whether it is one of nft's own, put into the words of iptables, which has no line in a text."""

    def __eq__(self, other: object) -> bool:
        """Compare as iptables -C does: same chain, same words; counters and places do not count."""
        if not isinstance(other, Rule):
            return NotImplemented
        return (self.chain, self.spec) == (other.chain, other.spec)

    def __hash__(self) -> int:
        """Hash what equality compares."""
        return hash((self.chain, self.spec))

    def __str__(self) -> str:
        """Spell the rule as iptables-save does, without counters."""
        return f"-A {self.chain} {self.spec}".rstrip()

    @property
    def home(self) -> str:
        """The chain in which whoever wrote it finds it."""
        return self.chain

    @cached_property
    def said(self) -> Said:
        """What the words say.

        Raises:
            WordError, OptionError: the words make no rule; the parser has turned these into errors with a place.
        """
        return said(self.spec)

    @property
    def options(self) -> tuple[Option, ...]:
        """Every option in the order written."""
        return self.said.options

    def option(self, name: str, owner: str | None = None) -> Option | None:
        """Find the first option called *name*, of the match or target *owner* if given."""
        first = self.said.first.get(name)
        if first is None or owner in {None, first.owner}:
            return first
        return next((option for option in self.options if option.name == name and option.owner == owner), None)

    @property
    def source(self) -> Option | None:
        """The ``-s`` option."""
        return self.option("source")

    @property
    def destination(self) -> Option | None:
        """The ``-d`` option."""
        return self.option("destination")

    @property
    def in_interface(self) -> Option | None:
        """The ``-i`` option."""
        return self.option("in-interface")

    @property
    def out_interface(self) -> Option | None:
        """The ``-o`` option."""
        return self.option("out-interface")

    @property
    def protocol(self) -> Option | None:
        """The ``-p`` option."""
        return self.option("protocol")

    @property
    def target(self) -> str:
        """What ``-j`` or ``-g`` names: a target or a chain; empty for a rule that only counts."""
        return self.said.target

    @property
    def is_goto(self) -> bool:
        """Whether the target is reached with ``-g``: a RETURN there goes back to the caller's caller."""
        return self.option("goto") is not None

    @property
    def target_options(self) -> tuple[Option, ...]:
        """The options of the target, such as ``--to-source`` or ``--random-fully``."""
        jump = self.option("jump") or self.option("goto")
        if jump is None:
            return ()
        return tuple(option for option in self.options if option.owner == jump.value and option.start > jump.start)

    @property
    def matches(self) -> tuple[str, ...]:
        """The names after ``-m``, in order."""
        return tuple(option.value for option in self.options if option.name == "match")

    @property
    def mark(self) -> Option | None:
        """The ``--mark`` option of ``-m mark``."""
        return self.option("mark", "mark")

    @property
    def comment(self) -> str | None:
        """The comment, quotes and escapes resolved; several are joined by a blank."""
        texts = [option.value for option in self.options if option.name == "comment" and option.owner == "comment"]
        return " ".join(texts) if texts else None

    def network(self, name: str) -> Network | None:
        """The network of the option *name*, ``source`` or ``destination``, when it stands there and is not negated.

        Returns:
            None without the option, with a negated one, or with a mask that has holes.
        """
        option = self.option(name)
        if option is None or option.negated:
            return None
        return network_of(option)

    @cached_property
    def spans(self) -> Mapping[str, tuple[int, Span]]:
        """What `network` tells of ``source`` and ``destination``: the version of IP, and the first and last address."""
        named = {name: network for name in ("source", "destination") if (network := self.network(name)) is not None}
        return {name: (each.version, (int(each.network_address), int(each.broadcast_address))) for name, each in named.items()}

    @cached_property
    def only_port(self) -> int | None:
        """The one port to which a packet must be sent; None where the rule takes several, or asks for none."""
        option = self.option("destination-port") or self.option("destination-ports")
        return int(option.value) if option is not None and not option.negated and option.value.isdecimal() else None


def network_of(option: Option) -> Network | None:
    """Read the network of an address option; None when its mask has holes."""
    try:
        return parse_network(option.value)
    except ValueError:
        return None


def as_written(path: Iterable[Rule]) -> tuple[Rule, ...]:
    """The rules of a way, each once that is several in the words of iptables."""
    parts = groupby(path, lambda rule: (rule.home, rule.number, str(rule)) if rule.native else rule)
    return tuple(list(same)[-1] for _, same in parts)

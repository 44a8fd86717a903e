"""What a rule of nft tests, in the words of iptables."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from natfix.nft.sets import PROTOCOL_KEYS, UnknownError, bare_element, key_of, own_protocol, set_of, text_of
from natfix.nft.spelling import statement
from natfix.packets.ipset import IpSet
from natfix.ruleset import Family

# Words that mean the test; several are alternatives of which a packet meets one at most, none is a test that nothing meets.
Alternatives: TypeAlias = tuple[str, ...]
ALWAYS: Final[Alternatives] = ("",)
NEVER: Final[Alternatives] = ()
_FAMILY_OF: Final = {"ip": Family.IPV4, "ip6": Family.IPV6}
# What a packet of either family is called by ``meta nfproto`` and by ``meta protocol``.
_FAMILY_NAMES: Final = {
    "nfproto": {Family.IPV4: "ipv4", Family.IPV6: "ipv6"},
    "protocol": {Family.IPV4: "ip", Family.IPV6: "ip6"},
}
_ADDRESS_OPTIONS: Final = {"saddr": "-s", "daddr": "-d"}
_DEVICE_OPTIONS: Final = {"iifname": "-i", "iif": "-i", "oifname": "-o", "oif": "-o"}
_PORT_OPTIONS: Final = {"sport": "--sports", "dport": "--dports"}
_MARK_FORMS: Final = {("meta", "mark"): "-m mark --mark {}", ("ct", "mark"): "-m connmark --mark {}"}
_ANY_PORTS: Final = "th"


class Matches:
    """The tests of one rule in one family.

    Args:
        family: of the packets that are walked.
        place: what sets that stand in the rule are called by.
        named: the elements of the table's own sets and maps.
        filled: those that the table's own rules fill as packets come: nobody knows what is in them by now.
    """

    def __init__(
        self, family: Family, place: str, named: Mapping[str, Sequence[Any]], filled: frozenset[str] = frozenset()
    ) -> None:
        self.family = family
        self.named = named
        self.filled = filled
        self._place = place
        self.ipsets: dict[str, IpSet] = {}

    def of(self, match: Mapping[str, Any]) -> Alternatives:
        """Put one match into words; into words that nobody can evaluate where iptables has none for it."""
        try:
            return self.exact(match["left"], match["right"], equal=_is_equal(match["op"]))
        except UnknownError:
            return (unknown(statement({"match": match})),)

    def exact(self, left: Any, right: Any, *, equal: bool) -> Alternatives:  # noqa: ANN401  (JSON)
        """Put a comparison into words.

        Raises:
            UnknownError: iptables has none for it.
        """
        if isinstance(left, Mapping) and "concat" in left:
            return self._concatenated(left, right, equal=equal)
        if isinstance(left, Mapping) and "&" in left:
            return _each(*_masked(left["&"], self._elements(right)), equal=equal)
        if isinstance(left, Mapping) and "fib" in left:
            return _address_type(left["fib"], self._one_by_one(right), equal=equal)
        return self._by_key(key_of(left), left, right, equal=equal)

    def _by_key(self, key: tuple[str, str], left: Any, right: Any, *, equal: bool) -> Alternatives:  # noqa: ANN401
        protocol, name = key
        if protocol in _FAMILY_OF and _FAMILY_OF[protocol] is not self.family:
            # A test of a header implies its family (nft(8), PAYLOAD EXPRESSIONS), negated or not.
            return NEVER
        if protocol in _FAMILY_OF and name in _ADDRESS_OPTIONS:
            return self._addresses(left, right, _ADDRESS_OPTIONS[name], equal=equal)
        if name in _PORT_OPTIONS:
            return self._ports(protocol, _PORT_OPTIONS[name], right, equal=equal)
        if protocol == "meta" and name in _FAMILY_NAMES:
            return ALWAYS if (_FAMILY_NAMES[name][self.family] in self._values(right)) is equal else NEVER
        return self._by_value(key, right, equal=equal)

    def _by_value(self, key: tuple[str, str], right: Any, *, equal: bool) -> Alternatives:  # noqa: ANN401
        if key in PROTOCOL_KEYS:
            return _each("-p {}", self._values(right), equal=equal)
        if key[0] == "meta" and key[1] in _DEVICE_OPTIONS:
            return _each(f"{_DEVICE_OPTIONS[key[1]]} {{}}", self._values(right), equal=equal)
        if key in _MARK_FORMS:
            return _each(_MARK_FORMS[key], [_number(each) for each in self._values(right)], equal=equal)
        if key == ("ct", "state"):
            # "ct state != new,related" compares the whole bit field with two bits, which no state has.
            states = self._values(right) if equal else self._one_by_one(right)
            return (_negated("-m conntrack --ctstate {}", ",".join(states).upper(), equal=equal),)
        if key == ("ct", "direction"):
            return _each("-m conntrack --ctdir {}", [each.upper() for each in self._one_by_one(right)], equal=equal)
        raise UnknownError

    def _addresses(self, left: Any, right: Any, option: str, *, equal: bool) -> Alternatives:  # noqa: ANN401
        if isinstance(right, str) and not right.startswith("@"):
            return (_negated(f"{option} {{}}", right, equal=equal),)
        if isinstance(right, Mapping) and "prefix" in right:
            return (_negated(f"{option} {{}}", text_of(right), equal=equal),)
        return self._in_set(left, right, equal=equal)

    def _concatenated(self, left: Any, right: Any, *, equal: bool) -> Alternatives:  # noqa: ANN401
        keys = [key_of(each) for each in left["concat"]]
        if any(_FAMILY_OF.get(protocol, self.family) is not self.family for protocol, _ in keys):
            return NEVER
        implied = dict.fromkeys(f"-p {each}" for each in map(own_protocol, keys) if each)
        try:
            (words,) = self._in_set(left, right, equal=equal)
        except UnknownError:
            if not equal:
                raise
            return tuple(words for each in self._elements(right) for words in self._part_by_part(left["concat"], each))
        return (" ".join((*implied, words)),)

    def _part_by_part(self, parts: Sequence[Any], element: Any) -> Iterator[str]:  # noqa: ANN401
        """What meets every part of one element of a set of which ipset has none."""
        values = bare_element(element)["concat"]
        tests = [self.exact(part, value, equal=True) for part, value in zip(parts, values, strict=True)]
        return map(" ".join, itertools.product(*tests))

    def _in_set(self, left: Any, right: Any, *, equal: bool) -> Alternatives:  # noqa: ANN401
        name = f"{self._place}.{len(self.ipsets) + 1}"
        ipset, directions = set_of(name, left, self._elements(right), self.family)
        self.ipsets[name] = ipset
        return (_negated(f"-m set --match-set {name} {{}}", directions, equal=equal),)

    def _ports(self, protocol: str, option: str, right: Any, *, equal: bool) -> Alternatives:  # noqa: ANN401
        if not self._elements(right):
            raise UnknownError
        ports = ",".join(value.replace("-", ":") for value in self._values(right))
        words = _negated(f"-m multiport {option} {{}}", ports, equal=equal)
        return (words if protocol == _ANY_PORTS else f"-p {protocol} {words}",)

    def _values(self, right: Any) -> list[str]:  # noqa: ANN401
        return [text_of(bare_element(each)) for each in self._elements(right)]

    def _one_by_one(self, right: Any) -> list[str]:  # noqa: ANN401
        """Values of which a packet has one; not flags, which it has all at once."""
        if isinstance(right, list) and len(right) > 1:
            raise UnknownError
        return self._values(right)

    def _elements(self, right: Any) -> Sequence[Any]:  # noqa: ANN401
        """What a value is compared with, one by one: those of a set, of a list of flags, or the one value."""
        if isinstance(right, str) and right.startswith("@"):
            if right[1:] not in self.named or right[1:] in self.filled:
                raise UnknownError
            return self.named[right[1:]]
        if isinstance(right, Mapping) and "set" in right:
            elements: Sequence[Any] = right["set"]
            return elements
        return right if isinstance(right, list) else [right]


def unknown(words: str) -> str:
    """Make a match that nobody can evaluate, in whose words it can be named."""
    quoted = words.replace("\\", "\\\\").replace('"', '\\"')
    return f'-m nft --expression "{quoted}"'


def _is_equal(operator: str) -> bool:
    if operator not in {"==", "in", "!="}:
        raise UnknownError
    return operator != "!="


def _negated(form: str, value: str, *, equal: bool) -> str:
    """Fill a form ``-x {}`` or ``-m M --x {}``; the exclamation mark stands before the last option."""
    words = form.split(" ")
    # The option is the word before its values; "--match-set NAME {}" has two.
    place = max(index for index, word in enumerate(words) if word.startswith("-"))
    if not equal:
        words.insert(place, "!")
    return " ".join(words).replace("{}", value)


def _each(form: str, values: Sequence[str], *, equal: bool) -> Alternatives:
    """One alternative a value; or, for what must be none of them, one test after the other."""
    if equal:
        return tuple(_negated(form, value, equal=True) for value in values)
    return (" ".join(_negated(form, value, equal=False) for value in values),)


def _number(value: str) -> str:
    if not value.isdecimal():
        raise UnknownError
    return hex(int(value))


def _masked(operands: Sequence[Any], elements: Sequence[Any]) -> tuple[str, list[str]]:
    """The form of a test of some bits of a mark, and the values for it."""
    values = [bare_element(each) for each in elements]
    form = _MARK_FORMS.get(key_of(operands[0]))
    if form is None or not all(isinstance(each, int) for each in (operands[1], *values)):
        raise UnknownError
    return form, [f"{each:#x}/{operands[1]:#x}" for each in values]


def _address_type(fib: Mapping[str, Any], names: Sequence[str], *, equal: bool) -> Alternatives:
    options = {("saddr",): "--src-type", ("daddr",): "--dst-type"}
    option = options.get(tuple(fib["flags"]))
    if option is None or fib["result"] != "type":
        raise UnknownError
    return (_negated(f"-m addrtype {option} {{}}", ",".join(names).upper(), equal=equal),)

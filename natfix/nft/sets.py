"""nft's sets as ipsets: the named ones of a table, and those that stand in a rule."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from natfix.packets.ipset import Entry, IpSet
from natfix.ruleset import Family

# What a part of a key is: where it stands in an ipset's entry, and from which end of the packet it is.
_FIELDS: Final = {
    ("ip", "saddr"): ("net", "src"), ("ip", "daddr"): ("net", "dst"),
    ("ip6", "saddr"): ("net", "src"), ("ip6", "daddr"): ("net", "dst"),
}  # fmt: skip
_NAMES: Final = {"iifname": "src", "oifname": "dst", "iif": "src", "oif": "dst"}
PROTOCOL_KEYS: Final = frozenset({("meta", "l4proto"), ("ip", "protocol"), ("ip6", "nexthdr")})
_PORT_FIELDS: Final = {"sport": "src", "dport": "dst"}
_PORTED: Final = frozenset({"tcp", "udp", "sctp", "dccp", "udplite"})


# What puts elements into a set as packets come: {"set": {"op": "add", "set": "@seen"}}, or "add @seen { … }" in nft's words.
_FILLING: Final = frozenset({"set", "map"})
_SAID: Final = re.compile(r"(?:add|update|delete) @(\S+) ")


class UnknownError(Exception):
    """Something has no words in iptables; natfix then says that it cannot tell."""


def key_of(value: Any) -> tuple[str, str]:  # noqa: ANN401  (JSON)
    """Name what a match looks at: ``("ip", "saddr")``, ``("meta", "l4proto")``.

    Raises:
        UnknownError: it is nothing that can be named so.
    """
    if isinstance(value, Mapping) and len(value) == 1:
        ((kind, inner),) = value.items()
        if kind == "payload" and "field" in inner:
            return inner["protocol"], inner["field"]
        if kind in {"meta", "ct"} and "dir" not in inner:
            return kind, inner["key"]
    raise UnknownError


def own_protocol(key: tuple[str, str]) -> str:
    """The protocol that what a match looks at brings with it, as ``tcp dport`` does; empty without."""
    return key[0] if key[0] in _PORTED and key[1] in _PORT_FIELDS else ""


def set_of(name: str, left: Any, elements: Sequence[Any], family: Family) -> tuple[IpSet, str]:  # noqa: ANN401  (JSON)
    """Make an ipset of elements, and the directions that ask it what *left* looks at.

    Raises:
        UnknownError: ipset has no such set.
    """
    keys = [key_of(each) for each in (left["concat"] if isinstance(left, Mapping) and "concat" in left else [left])]
    # A protocol before a port is one dimension with it.
    merged = [key in PROTOCOL_KEYS and place + 1 < len(keys) and keys[place + 1][0] == "th" for place, key in enumerate(keys)]
    parts = [_part(key, after_protocol=place > 0 and merged[place - 1]) for place, key in enumerate(keys) if not merged[place]]
    entries = tuple(Entry(_values(each, keys, merged)) for each in elements)
    return IpSet(name, tuple(dimension for dimension, _ in parts), family, entries), ",".join(each for _, each in parts)


def _part(key: tuple[str, str], *, after_protocol: bool) -> tuple[str, str]:
    """The dimension of an ipset that a part of a key is, and its direction."""
    if key in _FIELDS:
        return _FIELDS[key]
    if key[0] == "meta" and key[1] in _NAMES:
        return "iface", _NAMES[key[1]]
    if (after_protocol or own_protocol(key)) and key[1] in _PORT_FIELDS:
        return "port", _PORT_FIELDS[key[1]]
    if key in PROTOCOL_KEYS:
        return "proto", "src"
    raise UnknownError


def _values(element: Any, keys: Sequence[tuple[str, str]], merged: Sequence[bool]) -> tuple[str, ...]:  # noqa: ANN401  (JSON)
    bare = bare_element(element)
    parts = bare["concat"] if isinstance(bare, Mapping) and "concat" in bare else [bare]
    if len(parts) != len(merged):
        raise UnknownError
    values: list[str] = []
    protocol = ""
    for part, key, joins_next in zip(parts, keys, merged, strict=True):
        if joins_next:
            protocol = f"{text_of(part)}:"
            continue
        own = own_protocol(key)
        values.append(f"{f'{own}:' if own else protocol}{text_of(part)}")
        protocol = ""
    return tuple(values)


def bare_element(element: Any) -> Any:  # noqa: ANN401  (JSON)
    """An element without its timeout, comment and counters."""
    return element["elem"]["val"] if isinstance(element, Mapping) and "elem" in element else element


def filled_sets(expressions: Iterable[Any]) -> frozenset[str]:
    """The names of the sets and maps that rules fill, or empty, as packets come."""
    said = (name for one in expressions for name in _filled(one))
    return frozenset(said)


def _filled(one: Any) -> Iterator[str]:  # noqa: ANN401  (JSON)
    if isinstance(one, str):
        yield from _SAID.findall(one)
        return
    for kind in _FILLING.intersection(one):
        yield str(one[kind][kind]).removeprefix("@")


def text_of(value: Any) -> str:  # noqa: ANN401  (JSON)
    """Write a value as iptables does: ``10.0.0.0/8``, ``10.0.0.1-10.0.0.9``, ``80``, ``eth+``.

    Raises:
        UnknownError: it is none of these.
    """
    if isinstance(value, str):
        return f"{value[:-1]}+" if value.endswith("*") else value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Mapping) and "prefix" in value:
        return f"{value['prefix']['addr']}/{value['prefix']['len']}"
    if isinstance(value, Mapping) and "range" in value:
        return "-".join(text_of(each) for each in value["range"])
    raise UnknownError

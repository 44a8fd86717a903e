"""What a rule of nft does, in the words of iptables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_network
from typing import Any, Final

from natfix.nft.maps import Given, given, values
from natfix.nft.marks import CONNECTION, PACKET, set_connection_mark, set_mark
from natfix.nft.matches import Matches, unknown
from natfix.nft.rule import chain_name
from natfix.nft.sets import UnknownError, key_of, text_of
from natfix.nft.spelling import statement
from natfix.nft.step import EVERYBODY, MARKS_UNSEEN, NOBODY, How, Step, Way, asked
from natfix.packets.bits import Change
from natfix.ruleset import Family

_VERDICTS: Final = {
    "accept": Way(does="-j ACCEPT", how=How.END),
    "drop": Way(does="-j DROP", how=How.END),
    "reject": Way(does="-j REJECT", how=How.END),
    "return": Way(does="-j RETURN", how=How.LEAVE),
    "continue": Way(),
}
# Statements that change nothing an address depends on, and after which the rule always goes on.
_PASSING: Final = frozenset({"counter", "log", "comment", "ct helper", "ct timeout", "last", "secmark"})
# Those that change as little, after which it goes on or not: nf_tables_core.c calls that NFT_BREAK.
_STOPPING: Final = frozenset({"limit", "quota", "set", "map", "meter", "ct count", "ct expectation", "flow", "dup", "reset"})
# What nobody asks for who decides about addresses, and what a statement may set.
_HARMLESS_META: Final = frozenset({"priority", "nftrace", "pkttype", "secmark"})
_HARMLESS_FIELDS: Final = frozenset({"dscp", "ecn", "ttl", "hoplimit", "flowlabel"})
_EVERYWHERE: Final = {Family.IPV4: "0.0.0.0/0", Family.IPV6: "::/0"}
_FAMILIES: Final = {"ip": Family.IPV4, "ip6": Family.IPV6}
_OPTIONS: Final = {"SNAT": "--to-source", "DNAT": "--to-destination"}


def verdict(one: Mapping[str, Any]) -> Way | None:
    """The way of a verdict; None for a statement that is none.

    Raises:
        ValueError: it leads to something that cannot be the name of a chain.
    """
    ((kind, value),) = one.items()
    if kind in {"jump", "goto"}:
        target = value["target"]
        if not isinstance(target, str) or target.split() != [target]:
            raise ValueError(target)
        return Way(does=f"-{kind[0]} {chain_name(target)}", how=How.CALL if kind == "jump" else How.LEAVE)
    return _VERDICTS.get(kind)


def decided(vmap: Mapping[str, Any], matches: Matches) -> Step:
    """What a verdict map decides."""
    words = statement({"vmap": vmap})
    found = []
    for test, value in given(vmap, matches, words):
        # Of a map that nobody knows, nobody knows where it leads.
        way = verdict(value) if value is not None else Way(does=f"-j {_named(words)}", change=Change.to_unknown())
        assert way is not None, "a verdict map holds verdicts"  # noqa: S101
        found.append(Way(test, way.does, way.how, way.change))
    return tuple(found)


def translation(one: Mapping[str, Any], matches: Matches) -> Step | None:
    """The ways of a statement that rewrites addresses; None for a statement that does not."""
    ((kind, value),) = one.items()
    if kind not in {"masquerade", "redirect", "snat", "dnat"}:
        return None
    options: Mapping[str, Any] = value if isinstance(value, Mapping) else {}
    if _FAMILIES.get(options.get("family", ""), matches.family) is not matches.family:
        return NOBODY
    words = statement(one)
    found = []
    for by_address, address in _values(options.get("addr"), matches, words):
        for by_port, port in _values(options.get("port"), matches, words):
            test = " ".join(filter(None, (by_address, by_port)))
            try:
                does = _rewritten(kind.upper(), options, address, port, matches.family)
            except UnknownError:
                test, does = unknown(words), f"-j {kind.upper()}"
            found.append(Way(test, does, How.END))
    return tuple(found)


def _values(value: Any, matches: Matches, words: str) -> tuple[Given, ...]:  # noqa: ANN401  (JSON)
    """What a value may be, with the test for each: what a map gives, or the value itself."""
    if isinstance(value, Mapping) and "map" in value:
        # Nobody knows what there is in a map that was not listed.
        return tuple(each if each.value is not None else Given(each.test, {}) for each in values(value["map"], matches, words))
    return (Given("", value),)


def _rewritten(target: str, options: Mapping[str, Any], address: Any, port: Any, family: Family) -> str:  # noqa: ANN401  (JSON)
    if target in {"MASQUERADE", "REDIRECT"}:
        return f"-j {target}"
    if isinstance(address, Mapping) and "concat" in address:
        address, port = address["concat"]
    if target == "SNAT" and (address is None or _is_own(address, family)):
        # A packet gets the address it has anyway, as natfix's guard gives it.
        return f"-j NETMAP --to {_EVERYWHERE[family]}"
    if _is_of(address, family):
        return f"-j {target}"
    where = text_of(address) if address is not None else ""
    if options.get("type_flags") == "prefix":
        if target == "SNAT" and "-" not in where:
            return f"-j NETMAP --to {where}"
        raise UnknownError
    where = _range(where)
    if port is not None:
        where = f"[{where}]:{text_of(port)}" if ":" in where else f"{where}:{text_of(port)}"
    flags = options.get("flags", ())
    drawn = " --random" if {"random", "fully-random"} & set([flags] if isinstance(flags, str) else flags) else ""
    return f"-j {target} {_OPTIONS[target]} {where}{drawn}" if where else f"-j {target}"


def _range(where: str) -> str:
    """The addresses of a network as the first and the last of them, from which the kernel chooses one."""
    if "/" not in where:
        return where
    network = ip_network(where)
    return f"{network[0]}-{network[-1]}"


def _is_own(address: Any, family: Family) -> bool:  # noqa: ANN401  (JSON)
    """Whether an address is the one that the packet has: ``snat to ip saddr``."""
    return _is_of(address, family) and key_of(address)[1] == "saddr"


def _is_of(address: Any, family: Family) -> bool:  # noqa: ANN401  (JSON)
    """Whether an address is one of the two of the packet."""
    try:
        protocol, field = key_of(address)
    except UnknownError:
        return False
    return _FAMILIES.get(protocol) is family and field in {"saddr", "daddr"}


def effect(one: Mapping[str, Any], matches: Matches) -> list[Step]:
    """The steps of a statement after which the rule goes on.

    What is not modelled becomes a target that nobody can evaluate, after which it may go on or not.
    """
    ((kind, value),) = one.items()
    is_map = isinstance(value, Mapping) and "map" in value
    if kind in _PASSING and not is_map:
        return [EVERYBODY]
    if kind in _STOPPING or kind in _PASSING:
        return [asked(unknown(statement(one)))]
    if kind == "notrack":
        return [(Way(does="-j NOTRACK"),)]
    if kind == "mangle":
        return _mangled(one, matches)
    return [_strange(one)]


def _strange(one: Mapping[str, Any]) -> Step:
    words = statement(one)
    return (Way(unknown(words), f"-j {_named(words)}", change=Change.to_unknown()),)


def _mangled(one: Mapping[str, Any], matches: Matches) -> list[Step]:
    key, value = one["mangle"]["key"], one["mangle"]["value"]
    try:
        kind, name = key_of(key)
    except UnknownError:
        kind, name = next(iter(key)), ""
    if (kind, name) == PACKET:
        return _marked(one, value, matches)
    if (kind, name) == CONNECTION:
        return _connection_marked(one, value)
    if kind == "ct" or (kind == "meta" and name in _HARMLESS_META):
        return [EVERYBODY if isinstance(value, (int, str)) else asked(unknown(statement(one)))]
    if kind == "tcp option" or name in _HARMLESS_FIELDS:
        return [asked(unknown(statement(one)))]
    return [_strange(one)]


def _marked(one: Mapping[str, Any], value: Any, matches: Matches) -> list[Step]:  # noqa: ANN401  (JSON)
    words = statement(one)
    # Where there is nothing to take the value from the rule ends.
    perhaps = asked(unknown(words))
    if isinstance(value, Mapping) and "map" in value:
        return [tuple(_mapped_mark(each) for each in values(value["map"], matches, words))]
    try:
        targets = set_mark(value)
    except UnknownError:
        return [(MARKS_UNSEEN,), perhaps]
    does: list[Step] = [(Way(does=target, change=change),) for target, change in targets]
    return does if len(targets) == 1 and targets[0][1].lost == 0 else [*does, perhaps]


def _mapped_mark(each: Given) -> Way:
    if not isinstance(each.value, int):
        return replace(MARKS_UNSEEN, test=each.test)
    ((target, change),) = set_mark(each.value)
    return Way(each.test, target, change=change)


def _connection_marked(one: Mapping[str, Any], value: Any) -> list[Step]:  # noqa: ANN401  (JSON)
    try:
        return [(Way(does=target),) for target in set_connection_mark(value)]
    except UnknownError:
        # CONNMARK without words: to what nobody knows.
        return [(Way(does="-j CONNMARK"),), asked(unknown(statement(one)))]


def _named(words: str) -> str:
    """A target that says what it stands for, in one word."""
    return "nft:" + words.replace(" ", "_").replace('"', "'")

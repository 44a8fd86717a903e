"""What a rule of nft does, in the words of iptables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from natfix.nft.matches import NEVER, Alternatives
from natfix.nft.sets import UnknownError, key_of, text_of
from natfix.nft.spelling import statement
from natfix.ruleset import Family

VERDICTS: Final = {"accept": "-j ACCEPT", "drop": "-j DROP", "return": "-j RETURN", "reject": "-j REJECT"}
# Statements that change nothing an address depends on.
PASSING: Final = frozenset(
    {"counter", "log", "comment", "set", "map", "ct helper", "ct timeout", "ct expectation", "ct count", "last"}
)
_MARK_OPTIONS: Final = {"|": "--or-mark", "&": "--and-mark", "^": "--xor-mark"}
_EVERYWHERE: Final = {"ip": "0.0.0.0/0", "ip6": "::/0"}
_FAMILIES: Final = {"ip": Family.IPV4, "ip6": Family.IPV6}


def verdict(one: Mapping[str, Any]) -> str | None:
    """The words of a verdict; None for a statement that is none.

    Raises:
        ValueError: it leads to something that cannot be the name of a chain.
    """
    ((kind, value),) = one.items()
    if kind in {"jump", "goto"}:
        target = value["target"]
        if not isinstance(target, str) or target.split() != [target]:
            raise ValueError(target)
        return f"-{kind[0]} {target}"
    return VERDICTS.get(kind)


def translation(one: Mapping[str, Any], family: Family) -> Alternatives | None:
    """The words of a statement that rewrites addresses; None for a statement that does not.

    Several are alternatives, each with what it is for; none where it is for packets of the other family.
    """
    ((kind, value),) = one.items()
    if kind == "masquerade":
        return ("-j MASQUERADE",)
    if kind == "redirect":
        return ("-j REDIRECT",)
    if kind not in {"snat", "dnat"}:
        return None
    options: Mapping[str, Any] = value if isinstance(value, Mapping) else {}
    if options.get("family") in _FAMILIES and _FAMILIES[options["family"]] is not family:
        return NEVER
    return _rewritten(kind, options)


def _rewritten(kind: str, options: Mapping[str, Any]) -> Alternatives:
    target = kind.upper()
    option = "--to-source" if kind == "snat" else "--to-destination"
    address = options.get("addr")
    if isinstance(address, Mapping) and "map" in address:
        return _netmapped(address["map"], target)
    own = _own_address(address) if kind == "snat" else None
    if own is not None:
        return (f"-j NETMAP --to {own}",)
    try:
        where = text_of(address) if address is not None else ""
    except UnknownError:
        return (f"-j {target}",)
    bracketed = f"[{where}]" if ":" in where else where
    port = options.get("port")
    if port is not None:
        where = f"{bracketed}:{text_of(port)}"
    flags = options.get("flags", ())
    drawn = " --random" if {"random", "fully-random"} & set([flags] if isinstance(flags, str) else flags) else ""
    return (f"-j {target} {option} {where}{drawn}",) if where else (f"-j {target}",)


def _own_address(address: Any) -> str | None:  # noqa: ANN401  (JSON)
    """Every network, where a packet gets the address it has anyway, as natfix's guard does: ``snat to ip saddr``."""
    try:
        protocol, field = key_of(address)
    except UnknownError:
        return None
    return _EVERYWHERE.get(protocol) if field == "saddr" else None


def _netmapped(mapping: Mapping[str, Any], target: str) -> Alternatives:
    """``snat ip prefix to ip saddr map { NET : NET }``: each network to another, or, as the guard does, to itself."""
    try:
        elements = mapping["data"]["set"]
        if target != "SNAT" or key_of(mapping["key"])[1] != "saddr":
            raise UnknownError  # noqa: TRY301  (one answer for all that is not modelled)
        return tuple(f"-s {text_of(key)} -j NETMAP --to {text_of(value)}" for key, value in elements)
    except (UnknownError, TypeError, KeyError):
        return (f"-j {target}",)


def effect(one: Mapping[str, Any]) -> str | None:
    """The words of a statement after which the rule goes on; None for one that changes nothing.

    What is not modelled becomes a target that nobody can evaluate.
    """
    ((kind, value),) = one.items()
    if kind in PASSING:
        return None
    if kind == "notrack":
        return "-j NOTRACK"
    if kind == "mangle":
        return _mangled(value["key"], value["value"]) or f"-j {_named(one)}"
    return f"-j {_named(one)}"


def _mangled(key: Any, value: Any) -> str | None:  # noqa: ANN401  (JSON)
    try:
        if key_of(key) != ("meta", "mark"):
            # A mark of the connection is a match that nobody can evaluate wherever it is asked for.
            return "-j CONNMARK --save-mark" if key_of(key) == ("ct", "mark") else None
        if isinstance(value, int):
            return f"-j MARK --set-xmark {value:#x}/0xffffffff"
        ((operator, operands),) = value.items()
        if operator in _MARK_OPTIONS and key_of(operands[0]) == ("meta", "mark") and isinstance(operands[1], int):
            return f"-j MARK {_MARK_OPTIONS[operator]} {operands[1]:#x}"
        if operator == "ct":
            return "-j CONNMARK --restore-mark"
    except (UnknownError, AttributeError, ValueError):
        return None
    return None


def _named(one: Mapping[str, Any]) -> str:
    """A target that says what it stands for, in one word."""
    return "nft:" + statement(one).replace(" ", "_").replace('"', "'")

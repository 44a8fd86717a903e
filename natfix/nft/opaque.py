"""Rules of iptables in a listing of nft, which shows of their matches and targets no more than the names (``xt``). Pure.

``iptables`` in a rule of a listing is natfix's own addition: the words by which iptables knows that rule (natfix.host.opaque).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

WORDS: Final = "iptables"
# Tables that iptables-nft keeps, and the chains in them that it calls its own.
TABLES: Final = frozenset({"raw", "mangle", "nat", "filter", "security"})
CHAINS: Final = frozenset({"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"})
_FAMILIES: Final = frozenset({"ip", "ip6"})
# What needs no parameter to be understood: a comment, and a source NAT to the address of the device.
_COMMENT, _MASQUERADE = "comment", "MASQUERADE"
_ENDING: Final = frozenset({"SNAT", "DNAT", "REDIRECT", "NETMAP", "REJECT"})
# A mark that nobody knows afterwards, be it of the packet or of its connection too.
_MARKING: Final = {"MARK": (("nft:mark", False),), "CONNMARK": (("CONNMARK", False), ("nft:mark", False))}
# What no parameter makes change anything that an address depends on.
_HARMLESS: Final = frozenset(
    {"LOG", "NFLOG", "TRACE", "AUDIT", "TCPMSS", "CHECKSUM", "CLASSIFY", "DSCP", "ECN", "HL", "TTL", "TOS", "TEE"}
)


def is_iptables(family: str, table: str) -> bool:
    """Whether a table is one that iptables-nft keeps."""
    return family in _FAMILIES and table in TABLES


def plain(expressions: Sequence[Any]) -> list[Any]:
    """The expressions of a rule, with those of iptables that need no parameter as nft has them itself."""
    return [each for one in expressions for each in (_plain(one) if isinstance(one, Mapping) else [one])]


def _plain(one: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    extension = _extension(one)
    if extension == ("target", _MASQUERADE):
        yield {"masquerade": None}
    elif extension != ("match", _COMMENT):
        yield one


def is_hidden(listed: Mapping[str, Any]) -> bool:
    """Whether a rule holds what only iptables can show, and nft cannot load from a listing."""
    return WORDS in listed or any("xt" in one for one in plain(listed["expr"]))


def guessed(one: Mapping[str, Any]) -> tuple[str, tuple[tuple[str, bool], ...]]:
    """What an expression of iptables may be of which no more than the name is known.

    Returns:
        The words of a test, and targets, each with whether it ends the table.
    """
    # Start-up time: each check asks which tables are iptables' own, and few come to this.
    from natfix.nft.matches import unknown  # noqa: PLC0415
    from natfix.nft.spelling import statement  # noqa: PLC0415

    kind, name = _extension(one)
    if kind == "match":
        return unknown(f"xt match {name}"), ()
    if kind == "target":
        # What translates does so to an address that nobody tells; what marks or tracks may do so in any way.
        is_end = name in _ENDING
        known = ((name if is_end or name in _HARMLESS else f"nft:xt_{name}", is_end),)
        return "", _MARKING.get(name, known)
    # nft before 1.0.6 says nothing at all: it may be any test, any change, and any translation.
    return unknown(statement(one)), (("nft:xt", False), (_MASQUERADE, True))


def _extension(one: Mapping[str, Any]) -> tuple[str, str]:
    said = one.get("xt")
    return (str(said.get("type", "")), str(said.get("name", ""))) if isinstance(said, Mapping) else ("", "")

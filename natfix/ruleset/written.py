"""The addresses that the words of a rule name, and those that iptables would not take.

iptables-save prints addresses as numbers; a name, or a prefix that is too long, stands there by hand or by mistake.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from natfix.ruleset.addresses import Family
from natfix.ruleset.options import Option, OptionError

_NETWORKS: Final = frozenset({"source", "destination"})
_RANGES: Final = frozenset({("iprange", "src-range"), ("iprange", "dst-range")})
_TRANSLATED: Final = frozenset({("SNAT", "to-source"), ("DNAT", "to-destination")})
_NAMES: Final = _NETWORKS | {"src-range", "dst-range", "to-source", "to-destination", "to"}
_MOST_OCTETS, _OCTET = 4, 255


def check_addresses(options: Iterable[Option], family: Family | None) -> None:
    """Look at every address that *options* name.

    Args:
        options: those of a rule.
        family: of its table; None for any.

    Raises:
        OptionError: one is no address, or of the other family; points at it.
    """
    for option in options:
        if option.name in _NAMES and not _are_right(option.owner, option.name, option.values, family):
            raise _error(option, family)


@lru_cache(4096)
def _are_right(owner: str, name: str, values: tuple[str, ...], family: Family | None) -> bool:
    """Whether iptables would take each address of an option in a table of *family*; most rules name what others named."""
    try:
        found = {
            written_family(text) for text in addresses_in(Option(name, values, negated=False, owner=owner, start=0, stop=0))
        }
    except ValueError:
        return False
    return family is None or found <= {family}


def _error(option: Option, family: Family | None) -> OptionError:
    """What is wrong with the first address of *option* that is."""
    text = next(text for text in addresses_in(option) if not _are_right("", "source", (text,), family))
    column = max(option.start, option.stop - len(option.value)) + option.value.find(text)
    if not _are_right("", "source", (text,), None):
        return OptionError(f"{text} is no address, and no network, that iptables-save prints", column)
    has, wants = (6, 4) if ":" in text else (4, 6)
    return OptionError(f"an address of IPv{has} stands in a table of IPv{wants}", column)


def addresses_in(option: Option) -> Sequence[str]:
    """The addresses and networks that *option* names, each as it is written; none for an option that names none."""
    if option.name in _NETWORKS:
        return option.value.split(",")
    kind = option.owner, option.name
    if kind in _RANGES:
        return option.value.split("-")
    if kind in _TRANSLATED:
        addresses, _ = without_ports(option.value)
        return addresses.split("-") if addresses else ()
    return (option.value,) if kind == ("NETMAP", "to") else ()


def without_ports(text: str) -> tuple[str, str]:
    """Part ``10.0.0.1-10.0.0.9:80`` or ``[fd00::1]:80`` into addresses and ports; either may be empty."""
    if "]" not in text and text.count(":") != 1:
        return text, ""
    addresses, _, ports = text.rpartition(":") if not text.endswith("]") else (text, "", "")
    return addresses.replace("[", "").replace("]", ""), ports


def written_family(text: str) -> Family:
    """Tell the family of an address with or without a mask, such as ``10.0.0.0/255.0.255.0``, ``10/8`` or ``fd00::/ffff::``.

    Raises:
        ValueError: iptables would take it for a name, or refuse it.
    """
    address, slash, mask = text.partition("/")
    if ":" in address:
        IPv6Address(address)
        family = Family.IPV6
    else:
        octets = address.split(".")
        if not address.replace(".", "").isdecimal() or len(octets) > _MOST_OCTETS or max(map(int, octets)) > _OCTET:
            raise ValueError(text)
        family = Family.IPV4
    if mask.isdecimal():
        if int(mask) > family.width:
            raise ValueError(text)
    elif slash:
        (IPv6Address if family is Family.IPV6 else IPv4Address)(mask)
    return family

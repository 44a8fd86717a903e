"""JSON objects as Go reads them: names of fields without regard to case, the last of two alike, types taken strictly.

Source: Go, encoding/json, Unmarshal: a key matches a field exactly or by case folding; null leaves a number or a bool as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network, NetmaskValueError
from typing import TYPE_CHECKING, Any, Final, NoReturn

from natfix.errors import ConfigError
from natfix.routing.dotted import read_dotted
from natfix.ruleset import Family, Network

if TYPE_CHECKING:
    import json

_LONGEST: Final = 80


@dataclass(frozen=True, slots=True)
class Fields:
    """One JSON object.

    Attributes:
        source: what it is, to begin an error with: ``the network configuration``.
        values: by the folded name, each with the name as it was written.
    """

    source: str
    values: Mapping[str, tuple[str, Any]]

    @classmethod
    def parse(cls, text: str | bytes, source: str) -> Fields:
        """Read a text that holds one object.

        Raises:
            ConfigError: *text* is no JSON, or holds something else.
        """
        return cls.of(read_json(text, source), source)

    @classmethod
    def of(cls, value: Any, source: str) -> Fields:  # noqa: ANN401  (JSON)
        """Look into what JSON said.

        Raises:
            ConfigError: *value* is no object.
        """
        if not isinstance(value, dict):
            raise ConfigError(f'{source}: {_shown(value)} is no JSON object, such as {{"Name": "value"}}')
        return cls(source, {name.casefold(): (name, one) for name, one in value.items()})

    def value(self, name: str) -> Any:  # noqa: ANN401  (JSON)
        """What JSON said; None where it said nothing, or null."""
        return self.values.get(name.casefold(), (name, None))[1]

    def text(self, name: str) -> str:
        """Read a text; empty where there is none.

        Raises:
            ConfigError: it is no text.
        """
        value = self.value(name)
        if value is None:
            return ""
        return value if isinstance(value, str) else self.refuse(name, "is no text in quotes")

    def integer(self, name: str, default: int) -> int:
        """Read a whole number.

        Raises:
            ConfigError: it is no whole number; ``24.0`` and ``"24"`` are none.
        """
        value = self.value(name)
        if value is None:
            return default
        return value if type(value) is int else self.refuse(name, "is no whole number; write it without quotes and point")

    def boolean(self, name: str, *, default: bool) -> bool:
        """Read true or false.

        Raises:
            ConfigError: it is neither.
        """
        value = self.value(name)
        if value is None:
            return default
        return value if isinstance(value, bool) else self.refuse(name, "is neither true nor false; write it without quotes")

    def address(self, name: str, family: Family) -> IPv4Address | IPv6Address | None:
        """Read an address; None where there is none.

        Raises:
            ConfigError: it is none of this family.
        """
        text = self.text(name)
        if not text:
            return None
        try:
            return IPv4Address(read_dotted(text)) if family is Family.IPV4 else _without_zone(text)
        except AddressValueError as error:
            return self.refuse(name, f"is no IPv{family} address: {error}")

    def network(self, name: str, family: Family) -> Network | None:
        """Read a network with its prefix length, host bits cut off as flannel does; None where there is none.

        Raises:
            ConfigError: it is none of this family.
        """
        text = self.text(name)
        if not text:
            return None
        address, _, prefix = text.partition("/")
        # ipaddress would take a mask, or no prefix at all; flannel takes neither.
        if not (prefix.isascii() and prefix.isdigit()):
            self.refuse(name, "has no prefix length, as 172.7.0.0/16 or fd00:7::/48 has")
        try:
            if family is Family.IPV4:
                return IPv4Network((IPv4Address(address), int(prefix)), strict=False)
            return IPv6Network((_without_zone(address), int(prefix)), strict=False)
        except (AddressValueError, NetmaskValueError) as error:
            return self.refuse(name, f"is no IPv{family} network: {error}")

    def unknown(self, names: Iterable[str]) -> tuple[str, ...]:
        """Every name as it was written that is none of *names*."""
        known = {name.casefold() for name in names}
        return tuple(written for folded, (written, _) in self.values.items() if folded not in known)

    def refuse(self, name: str, why: str) -> NoReturn:
        """Raise the error that names a field, what it says, and why that cannot be.

        Raises:
            ConfigError: always.
        """
        written, value = self.values.get(name.casefold(), (name, None))
        raise ConfigError(f"{self.source}: {written} {_shown(value)} {why}")


def read_json(text: str | bytes, source: str) -> Any:  # noqa: ANN401  (JSON)
    """Read JSON alone: no NaN, no infinity, no more than a stack can hold.

    Raises:
        ConfigError: *text* is none; the message tells line and column.
    """
    try:
        return _decoder().decode(text if isinstance(text, str) else text.decode())
    except (ValueError, RecursionError) as error:
        said = str(text, "utf-8", "replace") if isinstance(text, bytes) else text
        raise ConfigError(f"{source} is no JSON: {error}", hint=f"It says: {_shown(said)}") from error


@cache
def _decoder() -> json.JSONDecoder:
    """Make the decoder once: it costs more than what it decodes."""
    import json  # noqa: PLC0415  (Whoever reads subnet.env alone needs no JSON.)

    return json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_last_of_each)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _last_of_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Keep the last of two alike at its place, so that it also is the last of those in another case."""
    found = dict(pairs)
    return found if len(found) == len(pairs) else dict(reversed({name: found[name] for name, _ in reversed(pairs)}.items()))


def _without_zone(text: str) -> IPv6Address:
    address = IPv6Address(text)
    if address.scope_id is not None:
        raise AddressValueError(f"{text!r} names a zone, which holds on one host alone")
    return address


def _shown(value: Any) -> str:  # noqa: ANN401  (JSON)
    """Show a value as JSON writes it, not more than a line of it."""
    import json  # noqa: PLC0415  (as read_json)

    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"

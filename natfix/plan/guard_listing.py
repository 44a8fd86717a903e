"""Reading the guard back from ``nft -j list table``: what it means, and whether it is what natfix writes.

nft gives numbers, ranges and single members their own form, and versions of it differ; so what is compared is the meaning.
Everything that natfix would not have written makes the whole no guard, for then nobody can promise what it does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from natfix.audit.guard import MARKS, TABLE, Guard, nft_family
from natfix.audit.subject import Locality
from natfix.plan.guard_text import PRIORITY, home_name
from natfix.ruleset import Family, Network, parse_network

_ACCEPT: Final = {"accept": None}
_OBJECTS: Final[Mapping[tuple[str, str], dict[str, Any]]] = {
    ("table", TABLE): {},
    ("map", "homes"): {"type": "ifname", "map": "verdict"},
    ("chain", "guard"): {"type": "nat", "hook": "postrouting", "prio": PRIORITY, "policy": "accept"},
}
# What nft says of an object beside what natfix has put there.
_BESIDE: Final = frozenset({"family", "table", "name", "handle", "chain"})


def read_listing(document: Any, family: Family) -> Guard | None:  # noqa: ANN401  (JSON)
    """Read what ``nft -j list table`` printed of the table of *family*; None when it is no guard as natfix writes it."""
    try:
        return _Listing(document["nftables"], family).guard()
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


class _Listing:
    """One table, its objects by kind and name.

    Every method raises ValueError, or what a look into JSON of another shape raises, when it is not as natfix writes it.
    """

    def __init__(self, objects: Iterable[Mapping[str, Any]], family: Family) -> None:
        self.family = family
        self.rules: dict[str, list[list[Any]]] = {}
        self.named: dict[tuple[str, str], dict[str, Any]] = {}
        for each in objects:
            ((kind, content),) = each.items()
            if kind == "rule":
                _check(not content.keys() - _BESIDE - {"expr"})
                self.rules.setdefault(content["chain"], []).append(content["expr"])
            elif kind != "metainfo":
                self.named[kind, content["name"]] = {key: content[key] for key in content.keys() - _BESIDE}

    def guard(self) -> Guard:
        """The guard that this table is."""
        homes = dict(self._homes())
        sets = {name: self._set(name) for name in ("subnets", "cluster", *homes.values())}
        bare: dict[tuple[str, str], dict[str, Any]] = {("chain", chain): {} for chain in homes.values()}
        _check(self.named == {**_OBJECTS, **bare} and self.rules.keys() == {"guard", *homes.values()})
        _check(all(self.rules[chain] == [_accepted("==", self._field("saddr"), f"@{chain}")] for chain in homes.values()))
        localities = [Locality(sets[chain], bridge) for bridge, chain in homes.items()]
        return Guard.of(self.family, sets["cluster"], [*localities, Locality(sets["subnets"])], self._connections())

    def _homes(self) -> Iterator[tuple[str, str]]:
        """For each bridge the chain that knows its subnets."""
        verdicts = dict(self.named["map", "homes"].pop("elem"))
        _check(verdicts.pop("lo") == _ACCEPT)
        for bridge, verdict in verdicts.items():
            _check(verdict == {"jump": {"target": home_name(bridge)}})
            yield bridge, home_name(bridge)

    def _set(self, name: str) -> tuple[Network, ...]:
        content = self.named.pop(("set", name))
        _check(content["type"] == f"ipv{self.family.value}_addr" and content["flags"] in ("interval", ["interval"]))
        return tuple(map(_network, content["elem"]))

    def _connections(self) -> int:
        """Check the rules of the guard itself; tell how many connections it has kept."""
        *rules, (counter, snat) = self.rules["guard"]
        _check(rules == self._tests() and snat == {"snat": {"addr": self._field("saddr")}})
        return int(counter["counter"]["packets"])

    def _tests(self) -> list[list[Any]]:
        """The rules before the last one, as nft prints them."""
        tests: list[tuple[str, Any, Any]] = [
            ("!=", self._field("daddr"), "@cluster"),
            ("!=", self._field("saddr"), "@subnets"),
            *(("==", {"&": [{"meta": {"key": "mark"}}, mask]}, value) for value, mask in MARKS),
        ]
        home = {"vmap": {"key": {"meta": {"key": "oifname"}}, "data": "@homes"}}
        return [*(_accepted(*test) for test in tests), [home]]

    def _field(self, name: str) -> dict[str, Any]:
        return {"payload": {"protocol": nft_family(self.family), "field": name}}


def _accepted(operator: str, left: object, right: object) -> list[Any]:
    return [{"match": {"op": operator, "left": left, "right": right}}, _ACCEPT]


def _network(element: Any) -> Network:  # noqa: ANN401  (JSON)
    """A member of a set: an address or a prefix."""
    if isinstance(element, str):
        return parse_network(element)
    return parse_network(f"{element['prefix']['addr']}/{element['prefix']['len']}")


def _check(holds: bool) -> None:  # noqa: FBT001  (a condition)
    if not holds:
        message = "not as natfix writes it"
        raise ValueError(message)

"""The guard as a text for nft: its whole table, or the edits that make one guard out of another.

``accept`` in a nat chain decides nothing: later chains are asked all the same. A source NAT to the address a packet has anyway
does, and that is all the guard does. The priority orders nat chains among each other and nothing else, and at the same number
the one that came last goes first, so it must be less than the 100 of iptables, Docker and the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from natfix.audit.guard import MARKS, TABLE, Guard, nft_family
from natfix.ruleset import Family, Network

PRIORITY = 99


def home_name(bridge: str) -> str:
    """The name of the chain, and of the set, that knows the subnets of *bridge*."""
    return f"home-{bridge}"


def guard_text(guard: Guard) -> str:
    """The table of *guard*, as ``nft -f`` reads it."""
    homes = _homes(guard)
    lines = [
        *(line for name, networks in _sets(guard).items() for line in _set_lines(name, guard.family, networks)),
        *(line for bridge in homes for line in _home_lines(bridge, guard.family)),
        *_map_lines(homes),
        *_chain_lines(guard.family),
    ]
    return "\n".join([f"table {nft_family(guard.family)} {TABLE} {{", *(f"    {line}" for line in lines), "}", ""])


def edits(before: Guard, after: Guard) -> Iterator[str]:
    """The commands for nft that make *after* out of *before*, and touch nothing that both have."""
    place = f"{nft_family(after.family)} {TABLE}"
    old, new = _sets(before), _sets(after)
    for bridge in _homes(after):
        if home_name(bridge) not in old:
            yield from _added_home(bridge, after.family, place)
    for name in old | new:
        yield from _element_edits(f"{place} {name}", old.get(name, ()), new.get(name, ()))
    for bridge in _homes(before):
        if home_name(bridge) not in new:
            yield from _removed_home(bridge, place)


def _homes(guard: Guard) -> Mapping[str, tuple[Network, ...]]:
    """The subnets of each bridge."""
    return {locality.bridge: locality.networks for locality in guard.localities if locality.bridge}


def _sets(guard: Guard) -> dict[str, tuple[Network, ...]]:
    """The members of each set."""
    homes = {home_name(bridge): networks for bridge, networks in _homes(guard).items()}
    return {"subnets": guard.subnets, "cluster": guard.cluster, **homes}


def _set_lines(name: str, family: Family, networks: Iterable[Network]) -> Iterable[str]:
    elements = ", ".join(map(str, networks))
    return (f"set {name} {{", f"    {_set_type(family)}", f"    elements = {{ {elements} }}", "}")


def _set_type(family: Family) -> str:
    return f"type ipv{family.value}_addr; flags interval;"


def _home_lines(bridge: str, family: Family) -> Iterable[str]:
    return (f"chain {home_name(bridge)} {{", f"    {_home_rule(bridge, family)}", "}")


def _home_rule(bridge: str, family: Family) -> str:
    return f"{nft_family(family)} saddr @{home_name(bridge)} accept"


def _map_lines(homes: Iterable[str]) -> Iterable[str]:
    elements = ['"lo" : accept', *map(_map_element, homes)]
    return ("map homes {", "    type ifname : verdict", f"    elements = {{ {', '.join(elements)} }}", "}")


def _map_element(bridge: str) -> str:
    return f'"{bridge}" : jump {home_name(bridge)}'


def _chain_lines(family: Family) -> Iterable[str]:
    name = nft_family(family)
    # Most connections lead out of the cluster; they shall cost one lookup.
    marks = (f"    meta mark & {mask:#x} == {value:#x} accept" for value, mask in MARKS)
    return (
        "chain guard {",
        f"    type nat hook postrouting priority {PRIORITY}; policy accept;",
        f"    {name} daddr != @cluster accept",
        f"    {name} saddr != @subnets accept",
        *marks,
        "    oifname vmap @homes",
        f"    counter snat to {name} saddr",
        "}",
    )


def _element_edits(place: str, old: Iterable[Network], new: Iterable[Network]) -> Iterator[str]:
    """What goes must go first: an interval set takes no overlap."""
    kept = set(old) & set(new)
    for verb, networks in (("delete", old), ("add", new)):
        changed = ", ".join(str(network) for network in networks if network not in kept)
        if changed:
            yield f"{verb} element {place} {{ {changed} }}"


def _added_home(bridge: str, family: Family, place: str) -> Iterator[str]:
    name = home_name(bridge)
    yield f"add set {place} {name} {{ {_set_type(family)} }}"
    yield f"add chain {place} {name}"
    yield f"add rule {place} {name} {_home_rule(bridge, family)}"
    yield f"add element {place} homes {{ {_map_element(bridge)} }}"


def _removed_home(bridge: str, place: str) -> Iterator[str]:
    name = home_name(bridge)
    yield f"delete element {place} homes {{ {_map_element(bridge)} }}"
    yield f"flush chain {place} {name}"
    yield f"delete chain {place} {name}"
    yield f"delete set {place} {name}"

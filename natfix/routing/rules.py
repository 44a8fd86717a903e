"""What the node agent puts into iptables, in chains of its own: masquerading for what leaves the cluster, and forwarding.

The rules are flannel's, in flannel's order (pkg/trafficmngr/iptables/iptables.go), with three differences, without which they
do nothing beside Docker's ``-s S ! -o docker0 -j MASQUERADE``:

- flannel appends its jump, so that Docker's rule is asked first; this one stands before every rule that translates sources.
- flannel excludes traffic inside the cluster with RETURN, behind which Docker's rule is asked next; here it is ACCEPT, which in
  a nat table ends the search and leaves the address as it is.
- What a host's containers send each other stays Docker's (RETURN), which masquerades a container that speaks to itself through
  a published port.

Forwarding between containers of the cluster stands before Docker's chains, which drop it since Docker 28, and behind
DOCKER-USER, where the administrator's own rules are; flannel's two wide rules stand behind everything, as flannel's do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from natfix.ruleset import Chain, Family, Network, Rule, Table, same_meaning

MASQUERADE_CHAIN: Final = "NATFIX-POSTRTG"
CLUSTER_CHAIN: Final = "NATFIX-CLUSTER"
FORWARD_CHAIN: Final = "NATFIX-FWD"

# kube-proxy marks what it wants masqueraded, and does that itself.
_MARKED: Final = "-m mark --mark 0x4000/0x4000"
_MULTICAST: Final = {Family.IPV4: "224.0.0.0/4", Family.IPV6: "ff00::/8"}
_SOURCE_NAT: Final = frozenset({"MASQUERADE", "SNAT", "NETMAP"})
_DOCKER: Final = frozenset({"DOCKER", "DOCKER-FORWARD", "DOCKER-ISOLATION", "DOCKER-ISOLATION-STAGE-1"})


@dataclass(frozen=True, slots=True)
class OwnChain:
    """A chain of natfix's own, and the jump that leads there.

    Attributes:
        table: ``nat`` or ``filter``.
        name: the chain's.
        rules: what it holds, in order, as iptables-save spells it.
        jump: the rule that leads there.
        before: the jump stands before every rule of its chain with one of these targets.
    """

    table: Literal["nat", "filter"]
    name: str
    rules: tuple[Rule, ...]
    jump: Rule
    before: frozenset[str] = frozenset()


def masquerade_rules(network: Network, subnet: Network, *, fully_random: bool = True) -> OwnChain:
    """Masquerade what leaves the cluster and what enters it through this host, and nothing inside it.

    Args:
        network: the cluster's.
        subnet: this host's, of the same family.
        fully_random: whether ports are chosen at random (iptables 1.6.2 and later).
    """
    masquerade = "-j MASQUERADE --random-fully" if fully_random else "-j MASQUERADE"
    specs = (
        f"{_MARKED} {{}} -j RETURN",
        f"-s {subnet} -d {subnet} {{}} -j RETURN",
        f"-s {subnet} -d {network} {{}} -j ACCEPT",
        f"-s {network} -d {subnet} {{}} -j ACCEPT",
        f"! -s {network} -d {subnet} {{}} -j RETURN",
        f"-s {network} ! -d {_MULTICAST[Family(network.version)]} {{}} {masquerade}",
        f"! -s {network} -d {network} {{}} {masquerade}",
    )
    return _own("nat", MASQUERADE_CHAIN, specs, ("POSTROUTING", "natfix masq", _SOURCE_NAT))


def forward_rules(network: Network) -> tuple[OwnChain, OwnChain]:
    """Forward what comes from and goes to the cluster's containers.

    Returns:
        What stands before Docker's chains, and what stands behind all.
    """
    within = (f"-s {network} -d {network} {{}} -j ACCEPT",)
    wide = (f"-s {network} {{}} -j ACCEPT", f"-d {network} {{}} -j ACCEPT")
    return (
        _own("filter", CLUSTER_CHAIN, within, ("FORWARD", "natfix forward", _DOCKER)),
        _own("filter", FORWARD_CHAIN, wide, ("FORWARD", "natfix forward", frozenset())),
    )


def settle_script(wanted: Sequence[OwnChain], table: Table) -> str:
    """Write what is missing as one transaction for ``iptables-restore --noflush``; empty when nothing is.

    A chain is filled anew as a whole; a jump that stands behind what it must precede, or more than once, is moved. Rules of
    others are neither moved nor deleted.

    Args:
        wanted: chains of this table and family; those of other tables are passed over.
        table: as it is; of it the hooks and what they reach count.
    """
    return _transaction(wanted, table, _settle)


def removal_script(chains: Sequence[OwnChain], table: Table) -> str:
    """Write what takes the chains and their jumps away; empty when they are not there."""
    return _transaction(chains, table, _remove)


def _own(
    table: Literal["nat", "filter"],
    name: str,
    specs: Iterable[str],
    hook: tuple[str, str, frozenset[str]],
) -> OwnChain:
    base, comment, before = hook
    said = f'-m comment --comment "{comment}"'
    rules = tuple(Rule(name, spec.format(said)) for spec in specs)
    return OwnChain(table, name, rules, Rule(base, f"{said} -j {name}"), before)


def _transaction(chains: Sequence[OwnChain], table: Table, lines_of: Callable[[OwnChain, _Hooks], Iterable[str]]) -> str:
    hooks = _Hooks(table)
    lines = [line for chain in chains if chain.table == table.name for line in lines_of(chain, hooks)]
    return "\n".join([f"*{table.name}", *lines, "COMMIT", ""]) if lines else ""


def _settle(wanted: OwnChain, hooks: _Hooks) -> Iterable[str]:
    if not _same(hooks.table.chain(wanted.name), wanted.rules):
        yield f":{wanted.name} - [0:0]"
        yield from map(str, wanted.rules)
    rules = hooks.rules(wanted.jump.chain)
    jumps = [place for place, rule in enumerate(rules) if same_meaning(rule, wanted.jump)]
    if len(jumps) != 1 or jumps[0] > _limit(rules, wanted):
        yield from _without(wanted.jump, rules)
        place = _limit(rules, wanted)
        rules.insert(place, wanted.jump)
        yield f"-I {wanted.jump.chain} {place + 1} {wanted.jump.spec}"


def _remove(chain: OwnChain, hooks: _Hooks) -> Iterable[str]:
    yield from _without(chain.jump, hooks.rules(chain.jump.chain))
    if hooks.table.chain(chain.name) is not None:
        yield from (f"-F {chain.name}", f"-X {chain.name}")


def _without(jump: Rule, rules: list[Rule]) -> Iterable[str]:
    """Take every copy of *jump* out of *rules*, each by a line."""
    for rule in [rule for rule in rules if same_meaning(rule, jump)]:
        rules.remove(rule)
        yield f"-D {rule.chain} {rule.spec}"


def _limit(rules: Sequence[Rule], wanted: OwnChain) -> int:
    """The place of the first rule that the jump must precede; past the last one when there is none."""
    return next((place for place, rule in enumerate(rules) if rule.target in wanted.before), len(rules))


def _same(chain: Chain | None, rules: Sequence[Rule]) -> bool:
    return chain is not None and len(chain.rules) == len(rules) and all(map(same_meaning, chain.rules, rules))


class _Hooks:
    """The chains that jumps stand in, as they are after the lines written so far."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self._rules: dict[str, list[Rule]] = {}

    def rules(self, name: str) -> list[Rule]:
        chain = self.table.chain(name)
        return self._rules.setdefault(name, list(chain.rules) if chain else [])

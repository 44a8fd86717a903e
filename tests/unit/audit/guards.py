"""Guards for tests of the guard and of what is built on it."""

from __future__ import annotations

from collections.abc import Mapping

from natfix.audit import Locality
from natfix.audit.guard import Guard
from natfix.ruleset import Family, parse_network
from tests.unit.audit.subjects import networks

CIDR = {Family.IPV4: "172.7.0.0/16", Family.IPV6: "fd07::/16"}
DOCKER0 = {Family.IPV4: {"docker0": ["172.7.21.0/24"]}, Family.IPV6: {"docker0": ["fd07:21::/64"]}}


def guard(
    homes: Mapping[str, list[str]] | None = None, *, cluster: str = "", family: Family = Family.IPV4, kept: int = 0
) -> Guard:
    """The guard of docker0, or of other bridges; the bridge without a name has subnets of which nobody knows one."""
    localities = [Locality(networks(texts), bridge) for bridge, texts in (homes or DOCKER0[family]).items()]
    return Guard.of(family, [parse_network(cluster or CIDR[family])], localities, kept)

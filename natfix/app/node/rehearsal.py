"""What `natfix node run` would do first: which subnet it would take, what it would write and change in the kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from natfix.app.node.forwarding import read_all
from natfix.app.node.interface import choose_outside
from natfix.app.node.opening import announced, here_of, previous_subnet
from natfix.app.node.orders import Orders
from natfix.app.node.ports import DataPlane, LeaseStore
from natfix.app.node.voice import describe
from natfix.app.ports import Files
from natfix.errors import HostError
from natfix.plan import text_diff
from natfix.report.changes import Change, ChangeResult
from natfix.routing.allocation import choose
from natfix.routing.backends import backend_of
from natfix.routing.capacity import measure
from natfix.routing.difference import diff
from natfix.routing.network import NetworkConfig
from natfix.routing.state import Operation
from natfix.routing.subnet_env import render_subnet_env
from natfix.routing.union import unite

KERNEL = "routes and tunnels"
STORE = "lease store"
VERB = "node run"


@dataclass(frozen=True, slots=True)
class Ground:
    """What is looked at.

    Attributes:
        store: where leases live.
        plane: the kernel.
        files: the host's.
        chance: as of Site.
    """

    store: LeaseStore
    plane: DataPlane
    files: Files
    chance: Callable[[int], int]


def rehearse(ground: Ground, orders: Orders, seed: bytes) -> ChangeResult:
    """Tell what the agent would do at its start; nothing is written.

    Raises:
        HostError: store or kernel do not answer, no network is configured, or no subnet is left.
        ConfigError: the configuration is none that a host could work with.
    """
    text = ground.store.config()
    if text is None:
        raise HostError("no network is configured in the lease store", hint="See: natfix net set --help")
    config = NetworkConfig.parse(text)
    links = ground.plane.links(config.networks)
    outside = choose_outside(links, orders.wish, ipv4=config.ipv4 is not None, ipv6=config.ipv6 is not None)
    here = here_of(ground.plane, config, outside, links, seed)
    host = announced(config, outside, here)
    leases = ground.store.snapshot().leases
    choice = choose(config, leases, host, previous_subnet(ground.files, orders.subnet_file), ground.chance)
    subnet = ground.store.assigned() or choice.subnet
    if subnet is None:
        raise HostError(f"no subnet is left for this host: {measure(config, leases, 0.0).warning}")
    backend = backend_of(config, replace(here, subnet=subnet))
    peers = [replace(lease, reserved=lease.reserved and not lease.attributes.backend_type) for lease in leases]
    desired = unite(backend.own(), [(lease.subnet, backend.peer(lease, links)) for lease in peers]).state
    operations = diff(read_all(ground.plane, backend, links), desired, backend.domain)
    written = render_subnet_env(config.networks, subnet, mtu=backend.mtu, ip_masq=orders.ip_masq)
    before = ground.files.read(orders.subnet_file)
    taken = f"+{subnet} for {host.public_ip or host.public_ipv6} ({choice.reason}), over {outside.link}"
    changes = [Change(STORE, headed(STORE, (taken,)))]
    if before != written:
        changes.append(Change(orders.subnet_file, text_diff(before, written, orders.subnet_file)))
    if operations:
        changes.append(Change(KERNEL, headed(KERNEL, spelt(operations))))
    later = any(not one.put for one in operations)
    notes = (f"what no lease wants is removed {orders.grace:g} s after the start",) if later else ()
    return ChangeResult(VERB, done=False, changes=tuple(changes), notes=notes)


def headed(place: str, lines: Iterable[str]) -> tuple[str, ...]:
    """Lines of a diff with the head that names their place."""
    return (f"--- {place}", f"+++ {place}", *lines)


def spelt(operations: Iterable[Operation]) -> tuple[str, ...]:
    """Operations as lines of a diff."""
    return tuple(f"{'+' if one.put else '-'}{describe(one.entry)}" for one in operations)

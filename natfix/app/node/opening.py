"""From nothing to a lease that is held; whatever is missing on the way is told once, and waited for.

What was in the kernel before, by an earlier agent or by flannel, goes on forwarding meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from natfix.app.node.follow import Pauses
from natfix.app.node.forwarding import HostBackend
from natfix.app.node.interface import Outside, choose_outside
from natfix.app.node.news import Stop
from natfix.app.node.orders import Orders, Site
from natfix.app.node.ports import DataPlane
from natfix.app.node.tenancy import LEASE_SECONDS
from natfix.app.ports import Files
from natfix.errors import BusyError, ConfigError, ConflictError, HostError, NatfixError, UsageError
from natfix.routing.allocation import Choice, choose, rival
from natfix.routing.backend_config import HostGw
from natfix.routing.backends import Here, backend_of, vtep_mac
from natfix.routing.capacity import measure
from natfix.routing.lease import Attributes, Lease
from natfix.routing.links import Link, Links
from natfix.routing.network import NetworkConfig
from natfix.routing.subnet import Subnet
from natfix.routing.subnet_env import SubnetEnv

_TRIES: Final = 10
_JITTER_STEPS: Final = 1000
_NO_CONFIG: Final = 'natfix net set \'{"Network": "172.7.0.0/16", "Backend": {"Type": "host-gw"}}\''
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Opened:
    """What is decided at the beginning.

    Attributes:
        config: of the network.
        outside: how this host is reached.
        here: this host, as its backend knows it.
        lease: what it holds.
        how: why this subnet: ``held``, ``previous``, ``address``, ``chance``, …
    """

    config: NetworkConfig
    outside: Outside
    here: Here
    lease: Lease
    how: str

    @property
    def backend(self) -> HostBackend:
        """How it reaches its peers."""
        return backend_of(self.config, self.here)


def open_node(site: Site, orders: Orders, seed: bytes) -> Opened | None:
    """Read the configuration, choose the device, take a lease; wait for what is missing.

    Args:
        site: the machine.
        orders: what the user wants.
        seed: what no other host has, for the MAC of the tunnel's end.

    Returns:
        None when the user wanted an end before it came to that.

    Raises:
        UsageError: the user asked for what cannot be.
    """
    return _patiently(site, lambda: _open(site, orders, seed))


def _patiently(site: Site, step: Callable[[], _Result]) -> _Result | None:
    """Try until it works, told once for each reason; None when the user wants an end."""
    pauses = Pauses(lambda: site.chance(_JITTER_STEPS) / _JITTER_STEPS)
    told = ""
    while True:
        try:
            return step()
        except (HostError, ConfigError, ConflictError, BusyError) as error:
            if error.message != told:
                told = error.message
                site.voice.waiting(error)
        if any(isinstance(news, Stop) for news in site.inbox.take(pauses.next())):
            return None


def _open(site: Site, orders: Orders, seed: bytes) -> Opened:
    text = site.store.config()
    if text is None:
        raise HostError("no network is configured in the lease store", hint=f"Configure one: {_NO_CONFIG}")
    config = NetworkConfig.parse(text)
    links = site.plane.links(config.networks)
    outside = choose_outside(links, orders.wish, ipv4=config.ipv4 is not None, ipv6=config.ipv6 is not None)
    here = here_of(site.plane, config, outside, links, seed)
    lease, how = _acquire(site, config, announced(config, outside, here), previous_subnet(site.files, orders.subnet_file))
    return Opened(config, outside, replace(here, subnet=lease.subnet), lease, how)


def here_of(plane: DataPlane, config: NetworkConfig, outside: Outside, links: Links, seed: bytes) -> Here:
    """This host as a backend knows it, with the first subnet of the network in place of its own.

    A tunnel that is there keeps its MAC, which peers know; a new one gets the MAC it had on this host before it was deleted.

    Raises:
        UsageError: host-gw, and peers are told an address that is not on this host's link.
    """
    own = (outside.ipv4, outside.ipv6)
    if isinstance(config.backend, HostGw) and own != (outside.public_ip, outside.public_ipv6):
        raise UsageError(
            f"peers would be told {outside.public_ip or outside.public_ipv6}, which is no address of {outside.link},"
            " and host-gw needs one on the link",
            hint="Leave --public-ip out, or configure the backend vxlan.",
        )
    link = links.named(outside.link) or Link(outside.link, outside.mtu)
    here = Here(Subnet.of(pool.subnet(0) for pool in config.pools), link, *own)
    devices = backend_of(config, here).devices
    there = {device.name: device.mac for device in plane.read((), devices).devices}
    known = (there.get(name, "") for name in devices)
    macs = {pool.network.version: mac for pool, mac in zip(config.pools, known, strict=False)}
    unique = seed + f" {outside.public_ip} {outside.public_ipv6}".encode()
    return replace(here, mac=macs.get(4) or vtep_mac(unique, 4), mac_v6=macs.get(6) or vtep_mac(unique, 6))


def announced(config: NetworkConfig, outside: Outside, here: Here) -> Attributes:
    """What this host tells its peers."""
    said = backend_of(config, here).attributes
    return replace(said, public_ip=outside.public_ip, public_ipv6=outside.public_ipv6)


def previous_subnet(files: Files, path: str) -> Subnet | None:
    """What this host had before, by its subnet.env."""
    data = files.read(path)
    return SubnetEnv.parse(data).subnet if data is not None else None


def _acquire(site: Site, config: NetworkConfig, host: Attributes, previous: Subnet | None) -> tuple[Lease, str]:
    """Take a subnet, again when another host was faster.

    Raises:
        HostError: none is free, or all others were faster.
    """
    assigned = site.store.assigned()
    if assigned is not None:
        return site.store.create(assigned, host, seconds=LEASE_SECONDS), "assigned"
    for _ in range(_TRIES):
        leases = site.store.snapshot().leases
        choice = choose(config, leases, host, previous, site.chance)
        if choice.subnet is None:
            raise HostError(f"no subnet is left for this host: {measure(config, leases, 0.0).warning}")
        try:
            lease = _take(site, choice, choice.subnet, host)
        except ConflictError:
            continue
        if choice.lease is None and rival(lease, site.store.snapshot().leases, config) is not None:
            _let_go(site, lease)
            continue
        for one in choice.obsolete:
            _let_go(site, one)
        return lease, choice.reason
    raise HostError(f"other hosts were faster {_TRIES} times in a row")


def _take(site: Site, choice: Choice, subnet: Subnet, host: Attributes) -> Lease:
    if choice.lease is not None:
        return site.store.renew(choice.lease, host, seconds=LEASE_SECONDS)
    return site.store.create(subnet, host, seconds=LEASE_SECONDS)


def _let_go(site: Site, lease: Lease) -> None:
    try:
        site.store.release(lease)
    except NatfixError as error:
        site.voice.remark(f"the lease of {lease.subnet} could not be let go, and ends by itself", error)

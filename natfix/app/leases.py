"""Who holds which subnet: look, keep a subnet back, let one go."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from natfix.app.node.ports import LeaseStore
from natfix.errors import ConfigError, ConflictError, HostError, UsageError
from natfix.report.leases import LeaseReport, LeasesReport, host_of, moment
from natfix.routing.allocation import fits
from natfix.routing.capacity import measure
from natfix.routing.lease import Attributes, Lease
from natfix.routing.network import NetworkConfig
from natfix.routing.subnet import Subnet
from natfix.ruleset import Network


def look(store: LeaseStore, now: float, *, expiry: bool) -> LeasesReport:
    """Look at all leases and reservations, and at how much is left.

    Args:
        store: where they live.
        now: in seconds since 1970.
        expiry: whether to ask until when each holds.

    Raises:
        HostError: the store does not answer.
    """
    found = store.snapshot(expiry=expiry)
    text = store.config()
    if text is None:
        return LeasesReport(found.leases, None, found.unreadable, ("nobody has configured a network yet; natfix net set does",))
    try:
        config = NetworkConfig.parse(text)
    except ConfigError as error:
        return LeasesReport(found.leases, None, found.unreadable, (str(error),))
    return LeasesReport(found.leases, measure(config, found.leases, now), found.unreadable)


def reserve(store: LeaseStore, subnet: Subnet, host: Attributes, *, dry_run: bool) -> LeaseReport:
    """Keep a subnet from being leased, or keep it for one host.

    Raises:
        ConfigError: it does not lie in the network, or no host could have it.
        ConflictError: somebody holds it, or a part of it.
        HostError: the store does not answer, or nobody has configured a network.
        UnsupportedError: the store knows no reservations.
    """
    config = _configured(store)
    _want_inside(subnet, config)
    named = host != Attributes()
    if named and not fits(subnet, config):
        shape = " and ".join(f"a /{pool.subnet_len} between {pool.subnet_min} and {pool.subnet_max}" for pool in config.pools)
        raise ConfigError(f"no host can have {subnet}: the network leases {shape}")
    leases = store.snapshot().leases
    same = next((lease for lease in leases if lease.subnet == subnet and lease.reserved), None)
    if same and _address(same.attributes) == _address(host):
        return LeaseReport("reserve", "nothing", same)
    taken = next((lease for lease in leases if lease.subnet.overlaps(subnet)), None)
    if taken:
        raise ConflictError(
            f"{subnet} cannot be reserved: {_who(taken)} holds {taken.subnet}; nothing was changed",
            hint="natfix leases shows who holds what.",
        )
    if dry_run:
        return LeaseReport("reserve", "planned", Lease(subnet, host, reserved=True))
    return LeaseReport("reserve", "done", store.reserve(subnet, host))


def release(store: LeaseStore, subnet: Subnet, *, held: bool, dry_run: bool) -> LeaseReport:
    """Let a reservation go, or a lease.

    Args:
        store: where it lives.
        subnet: which.
        held: whether to let go also what a host holds, which its containers may use.
        dry_run: only look.

    Raises:
        UsageError: a host holds it, and that was not meant.
        ConflictError: somebody has changed it meanwhile.
        HostError: the store does not answer, or nobody holds it.
    """
    lease = next((lease for lease in store.snapshot(expiry=True).leases if lease.subnet == subnet), None)
    if lease is None:
        raise HostError(f"nobody holds {subnet}", hint="natfix leases shows who holds what.")
    if not lease.reserved and not held:
        until = f" until {moment(lease.expires)}" if lease.expires is not None else ""
        raise UsageError(
            f"{subnet} is no reservation: {_who(lease)} holds it{until}",
            hint="If that host is gone for good, let it go with --held. If not, its containers would lose their way.",
        )
    if not dry_run:
        store.release(lease)
    return LeaseReport("release", "planned" if dry_run else "done", lease)


def read_subnet(text: str) -> Subnet:
    """Read ``172.7.30.0/24``, or ``172.7.30.0/24,fd00:7:30::/64`` in dual stack.

    Raises:
        UsageError: it is none.
    """
    try:
        return Subnet.of(ip_network(part.strip()) for part in text.split(","))
    except ValueError as error:
        raise UsageError(
            f"{text!r} is no subnet: {error}", hint="Write for example 172.7.30.0/24, or 172.7.30.0/24,fd00:7:30::/64."
        ) from error


def read_host(text: str | None) -> Attributes:
    """Read a host's public address, or one of each family: ``10.4.7.30``, ``10.4.7.30,fd00:4:7::30``; None is no host.

    Raises:
        UsageError: it is none.
    """
    if text is None:
        return Attributes()
    try:
        addresses = [ip_address(part.strip()) for part in text.split(",")]
    except ValueError as error:
        raise UsageError(f"{text!r} is no address of a host: {error}", hint="Write for example 10.4.7.30.") from error
    ipv4 = next((one for one in addresses if isinstance(one, IPv4Address)), None)
    return Attributes(public_ip=ipv4, public_ipv6=next((one for one in addresses if isinstance(one, IPv6Address)), None))


def _configured(store: LeaseStore) -> NetworkConfig:
    text = store.config()
    if text is None:
        raise HostError("nobody has configured a network yet", hint="natfix net set does.")
    return NetworkConfig.parse(text)


def _want_inside(subnet: Subnet, config: NetworkConfig) -> None:
    for network in subnet.networks:
        if not any(_inside(network, outer) for outer in config.networks):
            outers = " and ".join(map(str, config.networks))
            raise ConfigError(f"{network} does not lie in the cluster's network, {outers}; there is nothing to keep back")


def _inside(network: Network, outer: Network) -> bool:
    if isinstance(network, IPv4Network):
        return isinstance(outer, IPv4Network) and network.subnet_of(outer)
    return isinstance(outer, IPv6Network) and network.subnet_of(outer)


def _address(attributes: Attributes) -> tuple[object, object]:
    return attributes.public_ip, attributes.public_ipv6


def _who(lease: Lease) -> str:
    return host_of(lease) or ("a reservation" if lease.reserved else "somebody")

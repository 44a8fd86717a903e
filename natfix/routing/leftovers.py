"""Tunnels that flannel or natfix left behind when the network's configuration changed: another VNI, or no tunnel at all.

A device counts as one only if all says so: it is of the kind vxlan, bears flannel's name with its own VNI, has an
address of this very network, and nobody else's route leads over it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from natfix.routing.difference import TUNNEL, Domain
from natfix.routing.links import Link, Links
from natfix.routing.state import LinkAddress, NetState, VxlanDevice


def former_tunnels(links: Links, domain: Domain, own: Collection[str]) -> tuple[str, ...]:
    """The names of devices that may have been left behind, so that they are worth reading.

    Args:
        links: the host's devices and its ways outside the cluster's network.
        domain: what is natfix's to change.
        own: the devices that are wanted today.
    """
    used = {way.link for way in links.ways if not way.destination.is_link_local}
    passed_over = used | {*own}
    return tuple(link.name for link in links.links if link.name not in passed_over and _is_tunnel(link, domain))


def without_foreign(actual: NetState, domain: Domain, own: Collection[str]) -> NetState:
    """Leave out what is on devices that are not surely flannel's or natfix's; routes stay, as diff tells whose they are.

    Args:
        actual: what is there, on former tunnels too.
        domain: what is natfix's to change.
        own: the devices that are wanted today.
    """
    used = {route.link for route in actual.routes if not domain.owns(route)}
    former = (device for device in actual.devices if device.name not in own)
    foreign = {device.name for device in former if device.name in used or not _has_its_name(device)}
    if not foreign:
        return actual
    return replace(
        actual,
        devices=frozenset(one for one in actual.devices if one.name not in foreign),
        addresses=frozenset(one for one in actual.addresses if one.link not in foreign),
        neighbours=frozenset(one for one in actual.neighbours if one.link not in foreign),
        fdb=frozenset(one for one in actual.fdb if one.link not in foreign),
    )


def _is_tunnel(link: Link, domain: Domain) -> bool:
    """Tell it by name, kind and addresses: one of this network, of one host alone, and none of anything else."""
    if link.kind != "vxlan" or not TUNNEL.fullmatch(link.name) or not domain.pools:
        return False
    held = [one for one in link.addresses if not one.ip.is_link_local]
    return bool(held) and all(
        one.network.prefixlen == one.max_prefixlen and domain.holds(LinkAddress(link.name, one)) for one in held
    )


def _has_its_name(device: VxlanDevice) -> bool:
    named = TUNNEL.fullmatch(device.name)
    return named is not None and int(named["vni"]) == device.vni

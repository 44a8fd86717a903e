"""Which of a host's devices and ways matter to its routes: containers that come and go are none of them."""

from __future__ import annotations

from ipaddress import IPv4Interface, IPv6Interface

from natfix.routing.links import Link, Links


def significant(links: Links) -> Links:
    """The devices that have an address others can reach, or that a way leads out of, and these ways.

    A host with containers has hundreds of veth devices, each with a link-local address at most. To decide anew how every peer
    is reached each time a container starts would be for nothing.
    """
    ways = tuple(way for way in links.ways if not way.destination.is_link_local)
    used = {way.link for way in ways}
    return Links(tuple(_plain(link) for link in links.links if link.name in used or any(map(_counts, link.addresses))), ways)


def _plain(link: Link) -> Link:
    kept = tuple(address for address in link.addresses if _counts(address))
    return Link(link.name, link.mtu, kept, link.up, link.kind, link.point_to_point)


def _counts(address: IPv4Interface | IPv6Interface) -> bool:
    return not address.ip.is_link_local

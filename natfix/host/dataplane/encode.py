"""Operations of the routing core, as messages to the kernel."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv4Network

from natfix.host.dataplane import numbers as n
from natfix.host.dataplane.messages import Request, attribute, nested
from natfix.routing.state import Address, FdbEntry, LinkAddress, Neighbour, Network, Route, VxlanDevice

_U32 = struct.Struct("=I")
_PORT = struct.Struct(">H")
# An attribute of four bytes; routes come by the thousand.
_WORD = struct.Struct("=HHI")
_FOUR = struct.Struct("=HH4s")


def put_route(route: Route, link: int, *, replace: bool) -> Request:
    """Put a route over the device with index *link*, in place of the one with its key or only if there is none."""
    flags = n.CREATE | (n.REPLACE if replace else n.EXCLUSIVE)
    scope = n.SCOPE_LINK if route.gateway is None and route.destination.version == 4 else 0  # noqa: PLR2004
    return Request(n.NEWROUTE, flags, _route(route, link, scope))


def delete_route(route: Route, link: int) -> Request:
    """Delete this very route: its protocol, gateway and device have to agree too."""
    return Request(n.DELROUTE, 0, _route(route, link, n.SCOPE_NOWHERE))


def put_neighbour(neighbour: Neighbour, link: int) -> Request:
    """Put a permanent neighbour."""
    body = n.NEIGHBOUR.pack(_family(neighbour.address), link, n.NUD_PERMANENT, 0, n.UNICAST)
    mac = attribute(n.NDA_LLADDR, _mac(neighbour.mac))
    return Request(n.NEWNEIGH, n.CREATE | n.REPLACE, body + attribute(n.NDA_DST, neighbour.address.packed) + mac)


def delete_neighbour(neighbour: Neighbour, link: int) -> Request:
    """Delete what is known of a neighbour's address."""
    body = n.NEIGHBOUR.pack(_family(neighbour.address), link, 0, 0, 0)
    return Request(n.DELNEIGH, 0, body + attribute(n.NDA_DST, neighbour.address.packed))


def put_fdb_entry(entry: FdbEntry, link: int) -> Request:
    """Put a permanent FDB entry."""
    return Request(n.NEWNEIGH, n.CREATE | n.REPLACE, _fdb_entry(entry, link))


def delete_fdb_entry(entry: FdbEntry, link: int) -> Request:
    """Delete an FDB entry that leads to this remote."""
    return Request(n.DELNEIGH, 0, _fdb_entry(entry, link))


def put_address(address: LinkAddress, link: int) -> Request:
    """Give a device an address."""
    return Request(n.NEWADDR, n.CREATE | n.REPLACE, _address(address, link))


def delete_address(address: LinkAddress, link: int) -> Request:
    """Take an address from a device."""
    return Request(n.DELADDR, 0, _address(address, link))


def make_vxlan(device: VxlanDevice, below: int) -> Request:
    """Make a vxlan device that is down yet, over the device with index *below*."""
    local = n.VXLAN_LOCAL if isinstance(device.local, IPv4Address) else n.VXLAN_LOCAL6
    data = [
        attribute(n.VXLAN_ID, _U32.pack(device.vni)),
        attribute(n.VXLAN_LINK, _U32.pack(below)),
        attribute(local, device.local.packed),
        attribute(n.VXLAN_LEARNING, bytes([device.learning])),
        attribute(n.VXLAN_PORT, _PORT.pack(device.port)),
        attribute(n.VXLAN_GBP, b"") if device.gbp else b"",
    ]
    common = attribute(n.IFLA_MTU, _U32.pack(device.mtu)) + attribute(n.IFLA_ADDRESS, _mac(device.mac))
    body = n.LINK.pack(0, 0, 0, 0, 0) + _name(device.name) + common + _vxlan(*data)
    return Request(n.NEWLINK, n.CREATE | n.EXCLUSIVE, body)


def change_vxlan(device: VxlanDevice, index: int, old: VxlanDevice) -> list[Request]:
    """Change of a vxlan device what differs and can be changed while packets pass.

    The kernel takes no MTU in the message that changes what is vxlan's own.
    """
    body = n.LINK.pack(0, 0, index, n.IFF_UP if device.up else 0, n.IFF_UP)
    if device.mtu != old.mtu:
        body += attribute(n.IFLA_MTU, _U32.pack(device.mtu))
    if device.mac != old.mac:
        body += attribute(n.IFLA_ADDRESS, _mac(device.mac))
    requests = [Request(n.NEWLINK, 0, body)]
    if device.learning != old.learning:
        learning = _vxlan(attribute(n.VXLAN_LEARNING, bytes([device.learning])))
        requests.append(Request(n.NEWLINK, 0, n.LINK.pack(0, 0, index, 0, 0) + learning))
    return requests


def delete_link(index: int) -> Request:
    """Delete a device."""
    return Request(n.DELLINK, 0, n.LINK.pack(0, 0, index, 0, 0))


def ask_link(name: str) -> bytes:
    """Ask for one device by its name, without its statistics."""
    return n.LINK.pack(0, 0, 0, 0, 0) + _name(name) + attribute(n.IFLA_EXT_MASK, _U32.pack(n.SKIP_STATISTICS))


def ask_index(index: int) -> bytes:
    """Ask for one device by its index, without its statistics."""
    return n.LINK.pack(0, 0, index, 0, 0) + attribute(n.IFLA_EXT_MASK, _U32.pack(n.SKIP_STATISTICS))


def ask_links() -> bytes:
    """Ask for all devices, without their statistics."""
    return n.LINK.pack(0, 0, 0, 0, 0) + attribute(n.IFLA_EXT_MASK, _U32.pack(n.SKIP_STATISTICS))


def ask_addresses() -> bytes:
    """Ask for the addresses of all devices."""
    return n.ADDRESS.pack(0, 0, 0, 0, 0)


def ask_routes(family: int) -> bytes:
    """Ask for the routes of the main table; a kernel before 4.20 answers with those of all tables."""
    return n.ROUTE.pack(family, 0, 0, 0, n.TABLE_MAIN, 0, 0, 0, 0)


def ask_match(network: Network) -> bytes:
    """Ask for the route that the first address of a network matches, as it is in its table."""
    address = network.network_address
    return n.ROUTE.pack(_family(address), network.max_prefixlen, 0, 0, 0, 0, 0, 0, n.FIB_MATCH) + _ip(n.RTA_DST, address)


def ask_neighbours(family: int, link: int) -> bytes:
    """Ask for the neighbours, or in the family BRIDGE the FDB entries, of one device; old kernels answer with all."""
    return n.NEIGHBOUR.pack(family, 0, 0, 0, 0) + attribute(n.NDA_IFINDEX, _U32.pack(link))


def ask_neighbour(entry: Neighbour | FdbEntry, link: int) -> bytes:
    """Ask for one neighbour or FDB entry by its key; kernels before 5.0 do not answer."""
    if isinstance(entry, Neighbour):
        return n.NEIGHBOUR.pack(_family(entry.address), link, 0, 0, 0) + attribute(n.NDA_DST, entry.address.packed)
    return n.NEIGHBOUR.pack(n.BRIDGE, link, 0, n.NTF_SELF, 0) + attribute(n.NDA_LLADDR, _mac(entry.mac))


def _route(route: Route, link: int, scope: int) -> bytes:
    to = route.destination
    four = isinstance(to, IPv4Network)
    flags = n.ONLINK if route.onlink else 0
    family = n.INET if four else n.INET6
    body = n.ROUTE.pack(family, to.prefixlen, 0, 0, n.TABLE_MAIN, route.protocol, scope, n.UNICAST, flags)
    body += _ip(n.RTA_DST, to.network_address) + _WORD.pack(8, n.RTA_OIF, link)
    metric = route.metric if route.metric or four else n.DEFAULT_METRIC6
    if metric:
        body += _WORD.pack(8, n.RTA_PRIORITY, metric)
    if route.gateway is None:
        return body
    if route.gateway.version != to.version:
        return body + attribute(n.RTA_VIA, struct.pack("=H", _family(route.gateway)) + route.gateway.packed)
    return body + _ip(n.RTA_GATEWAY, route.gateway)


def _ip(number: int, address: Address) -> bytes:
    if isinstance(address, IPv4Address):
        return _FOUR.pack(8, number, address.packed)
    return attribute(number, address.packed)


def _fdb_entry(entry: FdbEntry, link: int) -> bytes:
    body = n.NEIGHBOUR.pack(n.BRIDGE, link, n.NUD_PERMANENT, n.NTF_SELF, 0)
    return body + attribute(n.NDA_LLADDR, _mac(entry.mac)) + attribute(n.NDA_DST, entry.remote.packed)


def _address(address: LinkAddress, link: int) -> bytes:
    held = address.address
    flags = n.IFA_NODAD if held.version == 6 else 0  # noqa: PLR2004
    body = n.ADDRESS.pack(_family(held.ip), held.network.prefixlen, flags, 0, link)
    return body + attribute(n.IFA_LOCAL, held.ip.packed) + attribute(n.IFA_ADDRESS, held.ip.packed)


def _vxlan(*data: bytes) -> bytes:
    return nested(n.IFLA_LINKINFO, attribute(n.IFLA_INFO_KIND, b"vxlan"), nested(n.IFLA_INFO_DATA, *data))


def _name(name: str) -> bytes:
    return attribute(n.IFLA_IFNAME, name.encode("utf-8", "surrogateescape") + b"\0")


def _family(address: Address) -> int:
    return n.INET if isinstance(address, IPv4Address) else n.INET6


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))

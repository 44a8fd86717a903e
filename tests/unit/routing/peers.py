"""A cluster of two families, this host in it, and its peers."""

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface, ip_network

from natfix.routing.backends import Here
from natfix.routing.lease import Attributes, Lease
from natfix.routing.links import Link, Links, Way
from natfix.routing.network import NetworkConfig
from natfix.routing.subnet import Subnet

MAC, MAC6 = "02:00:00:00:04:21", "02:00:00:00:06:21"


def config(backend: str, *, ipv6: bool = False, ipv4: bool = True) -> NetworkConfig:
    four = '"Network": "172.7.0.0/16",' if ipv4 else '"EnableIPv4": false,'
    six = '"EnableIPv6": true, "IPv6Network": "fd00:7::/48",' if ipv6 else ""
    return NetworkConfig.parse(f'{{{four} {six} "Backend": {backend}}}')


def subnet(number: int, *, ipv6: bool = False, ipv4: bool = True) -> Subnet:
    return Subnet.of(
        [
            *([ip_network(f"172.7.{number}.0/24")] if ipv4 else []),
            *([ip_network(f"fd00:7:0:{number}::/64")] if ipv6 else []),
        ]
    )


def four(text: str) -> IPv4Address:
    return IPv4Address(text)


def six(text: str) -> IPv6Address:
    return IPv6Address(text)


ETH0 = Link("eth0", 1500, (ip_interface("10.4.7.21/24"), ip_interface("fd00:4::21/64")))
HERE = Here(subnet(21), ETH0, four("10.4.7.21"), None, MAC)
HERE_DUAL = Here(subnet(21, ipv6=True), ETH0, four("10.4.7.21"), six("fd00:4::21"), MAC, MAC6)

LINKS = Links(
    (ETH0, Link("eth1", 1500, (ip_interface("10.9.9.1/24"),))),
    (
        Way(ip_network("0.0.0.0/0"), ip_address("10.4.7.254"), "eth0"),
        Way(ip_network("10.4.7.0/24"), None, "eth0"),
        Way(ip_network("10.9.9.0/24"), None, "eth1"),
        Way(ip_network("fd00:4::/64"), None, "eth0", 256),
    ),
)


def lease(number: int, kind: str, address: str = "", address6: str = "", **data: Mapping[str, object] | None) -> Lease:
    """The lease of a peer with these addresses; data and data6 are what its backend tells."""
    return Lease(
        subnet(number, ipv6=bool(address6), ipv4=bool(address) or not address6),
        Attributes(
            four(address) if address else None,
            six(address6) if address6 else None,
            kind,
            data.get("data"),
            data.get("data6"),
        ),
    )

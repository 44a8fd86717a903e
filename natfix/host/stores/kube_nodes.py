"""Kubernetes' nodes as leases: the podCIDRs that Kubernetes gave a node, and what flannel writes into its annotations.

Source: flannel, pkg/subnet/kube/annotations.go and kube.go, nodeToLease.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Any, Final

from natfix.routing.lease import Attributes, Lease
from natfix.routing.subnet import Subnet

_PREFIX: Final = "flannel.alpha.coreos.com/"
_MANAGED: Final = f"{_PREFIX}kube-subnet-manager"
_PUBLIC_IP: Final = f"{_PREFIX}public-ip"
_PUBLIC_IPV6: Final = f"{_PREFIX}public-ipv6"
_TYPE: Final = f"{_PREFIX}backend-type"
_DATA: Final = f"{_PREFIX}backend-data"
_V6_DATA: Final = f"{_PREFIX}backend-v6-data"


def name_of(node: Mapping[str, Any]) -> str:
    """The node's name."""
    return str(node["metadata"]["name"])


def subnet_of(node: Mapping[str, Any]) -> Subnet | None:
    """What Kubernetes gave a node; None as long as it gave nothing.

    Raises:
        ValueError: its podCIDRs are no networks, or two of one family.
    """
    spec = node.get("spec") or {}
    cidrs = spec.get("podCIDRs") or ([spec["podCIDR"]] if spec.get("podCIDR") else [])
    return Subnet.of(ip_network(cidr) for cidr in cidrs) if cidrs else None


def lease_of(node: Mapping[str, Any]) -> Lease | None:
    """What a node holds; a reservation as long as its agent has not said how it is reached.

    Raises:
        ValueError: podCIDRs or annotations say something impossible.
    """
    subnet = subnet_of(node)
    if subnet is None:
        return None
    said = node["metadata"].get("annotations") or {}
    revision = revision_of(node)
    if said.get(_MANAGED) != "true":
        return Lease(subnet, revision=revision, reserved=True)
    return Lease(subnet, _attributes(said), revision)


def revision_of(node: Mapping[str, Any]) -> int:
    """The version of an object, or of a list: a number wherever etcd is behind it."""
    return int(node["metadata"].get("resourceVersion") or 0)


def annotations_of(attributes: Attributes) -> dict[str, str | None]:
    """What to write into a node's annotations; None is to be taken away."""
    return {
        _MANAGED: "true",
        _TYPE: attributes.backend_type,
        _DATA: json.dumps(attributes.backend_data, separators=(",", ":"), default=dict),
        _V6_DATA: None
        if attributes.backend_v6_data is None
        else json.dumps(dict(attributes.backend_v6_data), separators=(",", ":")),
        _PUBLIC_IP: None if attributes.public_ip is None else str(attributes.public_ip),
        _PUBLIC_IPV6: None if attributes.public_ipv6 is None else str(attributes.public_ipv6),
    }


def _attributes(said: Mapping[str, str]) -> Attributes:
    return Attributes(
        public_ip=IPv4Address(said[_PUBLIC_IP]) if said.get(_PUBLIC_IP) else None,
        public_ipv6=IPv6Address(said[_PUBLIC_IPV6]) if said.get(_PUBLIC_IPV6) else None,
        backend_type=said.get(_TYPE, ""),
        backend_data=_data(said.get(_DATA)),
        backend_v6_data=_data(said.get(_V6_DATA)),
    )


def _data(text: str | None) -> Mapping[str, Any] | None:
    told = json.loads(text) if text else None
    if told is not None and not isinstance(told, dict):
        raise ValueError(f"{text!r} is no JSON object")
    return told

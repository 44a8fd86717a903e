"""Leases as a store holds them: a key that names the subnet, and JSON that says whose it is.

Three shapes have been written (flannel, pkg/lease/lease.go, and subnet/subnet.go up to 0.14)::

    {"PublicIP":"10.4.7.21","BackendType":"host-gw"}
    {"PublicIP":"10.4.7.21","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":…}}
    {…,"BackendV6Data":{"VNI":1,"VtepMAC":…}}

The first up to 0.14; the second, and the third for dual stack, since 0.15. natfix writes these two, which all versions read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from types import NoneType
from typing import Any, Final, cast

from natfix.errors import ConfigError
from natfix.routing.dotted import read_dotted
from natfix.routing.fields import Fields, read_json
from natfix.routing.lease import Attributes, Lease, Snapshot
from natfix.routing.subnet import Subnet
from natfix.ruleset import Family

_SOURCE: Final = "the lease"
_WRITTEN: Final = {"PublicIP", "PublicIPv6", "BackendType", "BackendData", "BackendV6Data"}
_DATA: Final = (dict, NoneType)


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of a store, as it was read.

    Attributes:
        key: the last part of its name: ``172.7.21.0-24``.
        value: JSON; of a key that is gone it does not count.
        revision: the store's own version of this key.
        reserved: whether it has no time to live.
        expires: in seconds since 1970, where the store was asked.
    """

    key: str
    value: str | bytes = ""
    revision: int = 0
    reserved: bool = False
    expires: float | None = None


def encode_attributes(attributes: Attributes) -> str:
    """Write what a host tells its peers, byte for byte as flannel does."""
    import json  # noqa: PLC0415  (Whoever reads subnet.env alone needs no JSON.)

    said: dict[str, Any] = {
        "PublicIP": str(attributes.public_ip or IPv4Address(0)),
        "PublicIPv6": None if attributes.public_ipv6 is None else str(attributes.public_ipv6),
    }
    if attributes.backend_type:
        said["BackendType"] = attributes.backend_type
    if attributes.backend_data is not None:
        said["BackendData"] = dict(attributes.backend_data)
    if attributes.backend_v6_data is not None:
        said["BackendV6Data"] = dict(attributes.backend_v6_data)
    return json.dumps(said, separators=(",", ":"))


def decode_attributes(text: str | bytes, source: str = _SOURCE) -> Attributes:
    """Read any of the three shapes; names in any case, unknown ones passed over, as flannel does.

    Args:
        text: JSON.
        source: what it is, to begin an error with.

    Raises:
        ConfigError: it is none of them.
    """
    told = read_json(text, source)
    return _as_written(told) or _as_meant(Fields.of(told, source))


def _as_written(told: Any) -> Attributes | None:  # noqa: ANN401  (JSON)
    """Read what flannel and natfix write for IPv4, to the letter, in half the time; None for any other, right or wrong."""
    if not isinstance(told, dict) or not told.keys() <= _WRITTEN or told.get("PublicIPv6") is not None:
        return None
    address, kind = told.get("PublicIP"), told.get("BackendType", "")
    data, v6_data = told.get("BackendData"), told.get("BackendV6Data")
    if not (isinstance(address, str) and isinstance(kind, str) and isinstance(data, _DATA) and isinstance(v6_data, _DATA)):
        return None
    try:
        number = read_dotted(address)
    except ValueError:
        return None
    return Attributes(IPv4Address(number) if number else None, None, kind, data, v6_data)


def _as_meant(fields: Fields) -> Attributes:
    ipv4 = cast("IPv4Address | None", fields.address("PublicIP", Family.IPV4))
    ipv6 = cast("IPv6Address | None", fields.address("PublicIPv6", Family.IPV6))
    return Attributes(
        # flannel writes zeros for an address that there is not.
        public_ip=ipv4 if ipv4 and int(ipv4) else None,
        public_ipv6=ipv6 if ipv6 and int(ipv6) else None,
        backend_type=fields.text("BackendType"),
        backend_data=_data(fields, "BackendData"),
        backend_v6_data=_data(fields, "BackendV6Data"),
    )


def decode_entry(entry: Entry) -> tuple[Lease, str | None]:
    """Read one key.

    Returns:
        The lease, and None. When its value says nothing that can be read, a reservation for nobody, as nobody else can
        take a subnet whose key is there; and the reason.

    Raises:
        ValueError: the key is none of a subnet's, and nobody could tell which addresses it holds back.
    """
    subnet = Subnet.parse_key(entry.key)
    try:
        attributes = decode_attributes(entry.value)
    except ConfigError as error:
        problem = error.message.replace(_SOURCE, f"{_SOURCE} of {subnet}", 1)
        return Lease(subnet, revision=entry.revision, reserved=True, expires=entry.expires), problem
    return Lease(subnet, attributes, entry.revision, entry.reserved, entry.expires), None


def take_snapshot(entries: Iterable[Entry], revision: int) -> Snapshot:
    """Read everything a store holds; what cannot be read is told, and keeps nothing else from being read."""
    leases, unreadable = [], []
    for entry in entries:
        try:
            lease, problem = decode_entry(entry)
        except ValueError as error:
            unreadable.append(str(error))
            continue
        leases.append(lease)
        if problem is not None:
            unreadable.append(problem)
    return Snapshot(tuple(sorted(leases, key=lambda one: one.subnet.place)), revision, tuple(unreadable))


def _data(fields: Fields, name: str) -> Mapping[str, Any] | None:
    value = fields.value(name)
    if value is None or isinstance(value, dict):
        return value
    return fields.refuse(name, "is no JSON object")

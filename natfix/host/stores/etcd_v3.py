"""Leases in etcd's v3 store, through the JSON gateway that etcd itself serves.

What its JSON is like (etcd, Documentation: gRPC gateway; etcdserver/api/v3rpc/rpc.proto): 64-bit numbers are strings, bytes are
base64, what is zero is left out.
"""

from __future__ import annotations

import time
from base64 import b64decode
from collections.abc import Callable, Iterable
from typing import Any, Final

from natfix.app.node.ports import LeaseStore
from natfix.errors import ConflictError
from natfix.host.stores.etcd_v3_client import EtcdV3Client, b64, entry_of, lease_id
from natfix.host.stores.etcd_v3_watch import EtcdV3Watch
from natfix.host.stores.layout import IDLE, Layout
from natfix.routing.lease import Attributes, Lease, Snapshot
from natfix.routing.lease_codec import Entry, encode_attributes, take_snapshot
from natfix.routing.subnet import Subnet

_NOBODY: Final = Attributes()
# How many questions for an expiry are on their way at once.
_AT_ONCE: Final = 8


class EtcdV3Store(LeaseStore):
    """Leases of one network; see LeaseStore.

    Args:
        client: speaks to the servers.
        layout: the network's keys.
        clock: seconds since 1970.
        idle: after how many seconds of silence a watch looks whether etcd is there.
    """

    def __init__(
        self, client: EtcdV3Client, layout: Layout, *, clock: Callable[[], float] = time.time, idle: float = IDLE
    ) -> None:
        self._client = client
        self._layout = layout
        self._clock = clock
        self._idle = idle

    def config(self) -> str | None:
        """Read the network's configuration."""
        found = self._client.call("kv/range", {"key": b64(self._layout.config)})
        return b64decode(found["kvs"][0].get("value", "")).decode("utf-8", "replace") if found.get("kvs") else None

    def configure(self, text: str, *, expected: str | None) -> None:
        """Write the network's configuration in place of *expected*."""
        key = b64(self._layout.config)
        compare = (
            {"key": key, "target": "VERSION", "version": "0"}
            if expected is None
            else {"key": key, "target": "VALUE", "value": b64(expected)}
        )
        if self._transact(compare, {"request_put": {"key": key, "value": b64(text)}}) is None:
            raise ConflictError("somebody else has written another configuration meanwhile; nothing was changed")

    def assigned(self) -> Subnet | None:
        """Tell that hosts choose for themselves."""
        return None

    def snapshot(self, *, expiry: bool = False) -> Snapshot:
        """Read every lease in one request, and each one's expiry in one more where it is asked for."""
        key = self._layout.subnets
        found = self._client.call("kv/range", {"key": b64(key), "range_end": b64(key[:-1] + chr(ord(key[-1]) + 1))})
        kvs = found.get("kvs", ())
        until = self._expiries({lease_id(kv) for kv in kvs} - {""}) if expiry else {}
        return take_snapshot((self._entry(kv, until) for kv in kvs), int(found["header"]["revision"]))

    def create(self, subnet: Subnet, attributes: Attributes, *, seconds: float) -> Lease:
        """Take a free subnet."""
        return self._hold(Lease(subnet, attributes), seconds, f"somebody holds {subnet} already")

    def renew(self, lease: Lease, attributes: Attributes, *, seconds: float) -> Lease:
        """Hold a lease on from now; a reservation stays one."""
        held = Lease(lease.subnet, attributes, lease.revision, lease.reserved)
        return self._hold(held, seconds, f"the lease of {lease.subnet} is gone or another's")

    def reserve(self, subnet: Subnet, attributes: Attributes = _NOBODY) -> Lease:
        """Keep a subnet from being leased."""
        return self._hold(Lease(subnet, attributes, reserved=True), 0, f"somebody holds {subnet} already")

    def release(self, lease: Lease) -> None:
        """Let a lease or a reservation go."""
        delete = {"request_delete_range": {"key": self._key(lease.subnet)}}
        if self._transact(self._unchanged(lease), delete) is None:
            raise ConflictError(f"the lease of {lease.subnet} is gone or another's; nothing was changed")

    def watch(self, revision: int) -> EtcdV3Watch:
        """Hear of every change after *revision*."""
        return EtcdV3Watch(self._client, self._layout, revision, self._idle)

    def _hold(self, lease: Lease, seconds: float, refusal: str) -> Lease:
        """Put a lease if it is still at its revision, or not there if it has none yet."""
        put = {"key": self._key(lease.subnet), "value": b64(encode_attributes(lease.attributes))}
        granted = None if lease.reserved else self._grant(seconds)
        revision = self._transact(self._unchanged(lease), {"request_put": put if granted is None else put | {"lease": granted}})
        if revision is None:
            if granted is not None:
                self._client.call("lease/revoke", {"ID": granted})
            raise ConflictError(f"{refusal}; nothing was changed")
        expires = None if lease.reserved else self._clock() + seconds
        return Lease(lease.subnet, lease.attributes, revision, lease.reserved, expires)

    def _unchanged(self, lease: Lease) -> dict[str, str]:
        key = self._key(lease.subnet)
        if lease.revision:
            return {"key": key, "target": "MOD", "mod_revision": str(lease.revision)}
        return {"key": key, "target": "VERSION", "version": "0"}

    def _transact(self, compare: dict[str, str], then: dict[str, Any]) -> int | None:
        """Do something on a condition; tell the revision it led to, or None when the condition does not hold."""
        answer = self._client.call("kv/txn", {"compare": [compare], "success": [then]}, repeatable=False)
        return int(answer["header"]["revision"]) if answer.get("succeeded") else None

    def _grant(self, seconds: float) -> str:
        return str(self._client.call("lease/grant", {"TTL": str(max(1, round(seconds)))})["ID"])

    def _expiries(self, ids: Iterable[str]) -> dict[str, float]:
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

        with ThreadPoolExecutor(_AT_ONCE) as threads:
            return dict(threads.map(self._expiry, sorted(ids)))

    def _expiry(self, lease: str) -> tuple[str, float]:
        left = int(self._client.call("lease/timetolive", {"ID": lease}).get("TTL", "0"))
        return lease, self._clock() + max(0, left)

    def _entry(self, kv: dict[str, str], until: dict[str, float]) -> Entry:
        return entry_of(kv, self._layout, until.get(lease_id(kv)))

    def _key(self, subnet: Subnet) -> str:
        return b64(self._layout.subnets + subnet.key)

"""Leases in etcd's v2 store, where flannel had them up to 0.17."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from natfix.app.node.ports import LeaseStore
from natfix.errors import ConflictError
from natfix.host.stores.etcd_v2_client import EtcdV2Client, entry_of
from natfix.host.stores.etcd_v2_watch import EtcdV2Watch
from natfix.host.stores.layout import IDLE, Layout
from natfix.routing.lease import Attributes, Lease, Snapshot
from natfix.routing.lease_codec import encode_attributes, take_snapshot
from natfix.routing.subnet import Subnet

_NOBODY: Final = Attributes()


class EtcdV2Store(LeaseStore):
    """Leases of one network; see LeaseStore.

    Args:
        client: speaks to the servers.
        layout: the network's keys.
        clock: seconds since 1970.
        idle: after how many seconds of silence a watch looks whether etcd is there.
    """

    def __init__(
        self, client: EtcdV2Client, layout: Layout, *, clock: Callable[[], float] = time.time, idle: float = IDLE
    ) -> None:
        self._client = client
        self._layout = layout
        self._clock = clock
        self._idle = idle

    def config(self) -> str | None:
        """Read the network's configuration."""
        value = self._client.get(self._layout.config).node.get("value")
        return None if value is None else str(value)

    def configure(self, text: str, *, expected: str | None) -> None:
        """Write the network's configuration in place of *expected*."""
        found = self._client.get(self._layout.config).node
        known = found.get("value") == expected
        condition = {"prevIndex": found["modifiedIndex"]} if found else {"prevExist": "false"}
        if not known or self._client.put(self._layout.config, text, condition).code:
            raise ConflictError("somebody else has written another configuration meanwhile; nothing was changed")

    def assigned(self) -> Subnet | None:
        """Tell that hosts choose for themselves."""
        return None

    def snapshot(self, *, expiry: bool = False) -> Snapshot:
        """Read every lease in one request, which tells each one's expiry too."""
        answer = self._client.get(self._layout.subnets)
        nodes = (node for node in answer.node.get("nodes", ()) if not node.get("dir"))
        return take_snapshot(
            (entry_of(node, self._layout, self._until(node) if expiry else None) for node in nodes), answer.index
        )

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
        if self._client.delete(self._key(lease.subnet), lease.revision).code:
            raise ConflictError(f"the lease of {lease.subnet} is gone or another's; nothing was changed")

    def watch(self, revision: int) -> EtcdV2Watch:
        """Hear of every change after *revision*."""
        return EtcdV2Watch(self._client, self._layout, revision, self._idle)

    def _hold(self, lease: Lease, seconds: float, refusal: str) -> Lease:
        """Put a lease if it is still at its revision, or not there if it has none yet."""
        conditions: dict[str, str | int] = {"prevIndex": lease.revision} if lease.revision else {"prevExist": "false"}
        if not lease.reserved:
            conditions["ttl"] = max(1, round(seconds))
        answer = self._client.put(self._key(lease.subnet), encode_attributes(lease.attributes), conditions)
        if answer.code:
            raise ConflictError(f"{refusal}; nothing was changed")
        expires = None if lease.reserved else self._clock() + seconds
        return Lease(lease.subnet, lease.attributes, int(answer.node["modifiedIndex"]), lease.reserved, expires)

    def _until(self, node: dict[str, Any]) -> float | None:
        return self._clock() + float(node["ttl"]) if "ttl" in node else None

    def _key(self, subnet: Subnet) -> str:
        return self._layout.subnets + subnet.key

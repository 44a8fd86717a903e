"""Leases as Kubernetes keeps them: each node has its podCIDR, and says in annotations how it is reached."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from natfix.app.node.ports import LeaseStore
from natfix.app.ports import Files
from natfix.errors import ConflictError, HostError, UnsupportedError
from natfix.host.stores.kube_client import KubeClient, path_of
from natfix.host.stores.kube_nodes import annotations_of, lease_of, name_of, revision_of, subnet_of
from natfix.host.stores.kube_watch import IDLE, KubeWatch
from natfix.routing.lease import Attributes, Lease, Snapshot
from natfix.routing.subnet import Subnet

_NOBODY: Final = Attributes()
_GIVEN: Final = "Kubernetes gives each node its subnet; that is not changed here"


class KubeLeaseStore(LeaseStore):
    """Nodes as leases; see LeaseStore.

    A node changes for many reasons, so its version is no ground for a conflict: only this host writes its own annotations.

    Args:
        client: speaks to the API.
        node: this host's name there.
        config_path: where the network's configuration lies, as flannel's ConfigMap is mounted.
        files: reads it.
        idle: after how many seconds of silence a watch looks whether the API is there.
    """

    def __init__(self, client: KubeClient, node: str, config_path: str, files: Files, *, idle: float = IDLE) -> None:
        self._client = client
        self._idle = idle
        self._node = node
        self._config_path = config_path
        self._files = files
        self._known: tuple[int, Mapping[str, Lease]] = (0, {})

    def config(self) -> str | None:
        """Read the network's configuration."""
        data = self._files.read(self._config_path)
        return None if data is None else data.decode("utf-8", "replace")

    def configure(self, text: str, *, expected: str | None) -> None:  # noqa: ARG002
        """Refuse to: a ConfigMap holds it."""
        raise UnsupportedError(
            f"the network's configuration comes from {self._config_path}, which Kubernetes puts there",
            hint="Change it where it comes from: kubectl edit configmap -n kube-flannel kube-flannel-cfg.",
        )

    def assigned(self) -> Subnet | None:
        """Tell which subnet Kubernetes gave this node.

        Raises:
            HostError: it gave none yet, or it does not answer.
        """
        found = subnet_of(self._own())
        if found is None:
            raise HostError(
                f"Kubernetes has given the node {self._node} no podCIDR yet",
                hint="kube-controller-manager does with --allocate-node-cidrs and --cluster-cidr.",
            )
        return found

    def snapshot(self, *, expiry: bool = False) -> Snapshot:  # noqa: ARG002  (nothing expires)
        """Read every node in one request."""
        told = self._client.get()
        found, unreadable = _read(told.get("items") or ())
        self._known = (revision_of(told), found)
        leases = tuple(sorted(found.values(), key=lambda lease: lease.subnet))
        return Snapshot(leases, revision_of(told), unreadable)

    def create(self, subnet: Subnet, attributes: Attributes, *, seconds: float) -> Lease:  # noqa: ARG002
        """Say how this node is reached."""
        return self._publish(subnet, attributes)

    def renew(self, lease: Lease, attributes: Attributes, *, seconds: float) -> Lease:  # noqa: ARG002
        """Say how this node is reached, if it does not say so already."""
        return self._publish(lease.subnet, attributes)

    def reserve(self, subnet: Subnet, attributes: Attributes = _NOBODY) -> Lease:  # noqa: ARG002
        """Refuse to."""
        raise UnsupportedError(f"{subnet} cannot be reserved: {_GIVEN}")

    def release(self, lease: Lease) -> None:
        """Refuse to."""
        raise UnsupportedError(f"{lease.subnet} cannot be released: {_GIVEN}")

    def watch(self, revision: int) -> KubeWatch:
        """Hear of every change after *revision*."""
        at, known = self._known
        return KubeWatch(self._client, revision, known if at == revision else {}, self._idle)

    def _publish(self, subnet: Subnet, attributes: Attributes) -> Lease:
        own = self._own()
        if subnet_of(own) != subnet:
            raise ConflictError(f"Kubernetes has given the node {self._node} {subnet_of(own)} and not {subnet}")
        held = lease_of(own)
        if held is not None and not held.reserved and held.attributes == attributes:
            return held
        patch = {"metadata": {"annotations": annotations_of(attributes)}, "status": {"conditions": [_available()]}}
        made = lease_of(self._client.patch_status(self._node, patch))
        if made is None or made.attributes != attributes:
            raise HostError(f"the node {self._node} does not say what was written")
        return made

    def _own(self) -> dict[str, Any]:
        return self._client.get(path_of(self._node))


def _read(nodes: Iterable[Mapping[str, Any]]) -> tuple[dict[str, Lease], tuple[str, ...]]:
    found, unreadable = {}, []
    for node in nodes:
        try:
            lease = lease_of(node)
        except ValueError as error:
            unreadable.append(f"node {name_of(node)}: {error}")
            continue
        if lease is not None:
            found[name_of(node)] = lease
    return found, tuple(unreadable)


def _available(now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> dict[str, str]:
    """What clouds wait for before they let pods run on a node."""
    moment = now().strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "type": "NetworkUnavailable",
        "status": "False",
        "reason": "NatfixIsUp",
        "message": "natfix routes this node's pods",
        "lastTransitionTime": moment,
        "lastHeartbeatTime": moment,
    }

"""Leases in etcd, in whichever of its two disjoint stores the network's configuration lies."""

from __future__ import annotations

from typing import Final

from natfix.app.node.ports import LeaseStore, LeaseWatch
from natfix.errors import ConfigError, HostError, UnsupportedError
from natfix.routing.lease import Attributes, Lease, Snapshot
from natfix.routing.subnet import Subnet

_NOBODY: Final = Attributes()


class EtcdStore(LeaseStore):
    """One of two stores, chosen when the configuration is found; see LeaseStore.

    Until then nothing is settled: a network that nobody has configured yet may come in either. Meanwhile the newer store counts
    where there is one.

    Args:
        v3: the store of flannel 0.18 and later.
        v2: that of flannel up to 0.17.
    """

    def __init__(self, v3: LeaseStore, v2: LeaseStore) -> None:
        self._v3 = v3
        self._v2 = v2
        self._settled: LeaseStore | None = None

    def config(self) -> str | None:
        """Read the network's configuration where there is one."""
        return self._chosen().config()

    def configure(self, text: str, *, expected: str | None) -> None:
        """Write the network's configuration in place of *expected*."""
        self._chosen().configure(text, expected=expected)

    def assigned(self) -> Subnet | None:
        """Tell that hosts choose for themselves."""
        return None

    def snapshot(self, *, expiry: bool = False) -> Snapshot:
        """Read every lease in one request."""
        return self._chosen().snapshot(expiry=expiry)

    def create(self, subnet: Subnet, attributes: Attributes, *, seconds: float) -> Lease:
        """Take a free subnet."""
        return self._chosen().create(subnet, attributes, seconds=seconds)

    def renew(self, lease: Lease, attributes: Attributes, *, seconds: float) -> Lease:
        """Hold a lease on from now."""
        return self._chosen().renew(lease, attributes, seconds=seconds)

    def reserve(self, subnet: Subnet, attributes: Attributes = _NOBODY) -> Lease:
        """Keep a subnet from being leased."""
        return self._chosen().reserve(subnet, attributes)

    def release(self, lease: Lease) -> None:
        """Let a lease or a reservation go."""
        self._chosen().release(lease)

    def watch(self, revision: int) -> LeaseWatch:
        """Hear of every change after *revision*."""
        return self._chosen().watch(revision)

    def _chosen(self) -> LeaseStore:
        """Find the store, and keep to it once a configuration was found in it.

        Raises:
            ConfigError: both hold a configuration, and only one of them can be meant.
            UnsupportedError: this etcd has neither.
            HostError: no endpoint answers.
        """
        if self._settled is None:
            newer = _configured(self._v3)
            older = _configured(self._v2, lenient=newer)
            if newer and older:
                raise ConfigError(
                    "etcd holds a configuration of this network in its v2 store and another in its v3 store",
                    hint="Say which of the two counts: --etcd-api v2 for flannel before 0.18, --etcd-api v3 since.",
                )
            if not newer and not older:
                return self._newest()
            self._settled = self._v3 if newer else self._v2
        return self._settled

    def _newest(self) -> LeaseStore:
        try:
            self._v3.config()
        except UnsupportedError:
            return self._v2
        return self._v3


def _configured(store: LeaseStore, *, lenient: bool = False) -> bool:
    """Tell whether a configuration is there; where it is no matter, a refusal counts as none."""
    try:
        return store.config() is not None
    except UnsupportedError:
        return False
    except HostError:
        if lenient:
            return False
        raise

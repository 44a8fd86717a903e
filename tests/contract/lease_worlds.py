"""The same world of leases on each store: its twin, and etcd in both dialects, in plain text and with certificates."""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from natfix.app.node.ports import LeaseStore
from natfix.cli.node_wiring import lease_store
from natfix.cli.store_options import EtcdApi, StoreOrders
from natfix.host.memory.leases import MemoryLeaseStore
from natfix.host.stores.endpoints import Endpoints, Service
from natfix.host.stores.etcd_v2_client import EtcdV2Client
from natfix.host.stores.tls import Tls
from tests.etcd import Certificates, Etcd, etcd, make_certificates

# Where the contract is tried; "twin" needs nothing.
KINDS = [
    "twin",
    *(pytest.param(kind, marks=pytest.mark.kernel("etcd", "openssl")) for kind in ("v3", "v3-tls", "v2", "v2-tls")),
]
_numbers = itertools.count(1)


class World(ABC):
    """A store, and the faults it can have."""

    @abstractmethod
    def fresh(self) -> "World":
        """Another network in the same place."""

    @abstractmethod
    def open(self) -> LeaseStore:
        """Come to it as one more host."""

    @abstractmethod
    def go_away(self) -> None:
        """Let nobody answer."""

    @abstractmethod
    def come_back(self) -> None:
        """Let it answer again, with what it held."""

    @abstractmethod
    def forget(self) -> None:
        """Let it forget how it came to its present state."""

    @abstractmethod
    def lose_data(self) -> None:
        """Let it begin anew with nothing."""

    @abstractmethod
    def elapse(self, seconds: float) -> None:
        """Let time go by, where it is not our own."""

    @abstractmethod
    def litter(self, key: str, value: str) -> None:
        """Put something among the leases."""


class TwinWorld(World):
    """The twin."""

    def __init__(self) -> None:
        self.store = MemoryLeaseStore()

    def fresh(self) -> "TwinWorld":
        return TwinWorld()

    def open(self) -> LeaseStore:
        return self.store

    def go_away(self) -> None:
        self.store.go_away()

    def come_back(self) -> None:
        self.store.come_back()

    def forget(self) -> None:
        self.store.compact()

    def lose_data(self) -> None:
        self.store.lose_data()

    def elapse(self, seconds: float) -> None:
        self.store.elapse(seconds)

    def litter(self, key: str, value: str) -> None:
        self.store.unreadable = (f"{key}: {value}",)


class EtcdWorld(World):
    """A network of its own in a real etcd."""

    def __init__(self, server: Etcd, api: EtcdApi) -> None:
        self.server = server
        self.api = api
        self.prefix = f"/network-{next(_numbers)}"

    def fresh(self) -> "EtcdWorld":
        return EtcdWorld(self.server, self.api)

    def open(self) -> LeaseStore:
        return lease_store(orders(self.server, etcd_prefix=self.prefix, etcd_api=self.api))

    def go_away(self) -> None:
        self.server.stop()

    def come_back(self) -> None:
        self.server.start()

    def forget(self) -> None:
        if self.api is EtcdApi.V3:
            self.server.compact()
        else:
            _write_often(self.server)

    def lose_data(self) -> None:
        self.server.lose_data()

    def elapse(self, seconds: float) -> None:
        """It goes by of itself."""

    def litter(self, key: str, value: str) -> None:
        if self.api is EtcdApi.V3:
            self.server.ctl("put", f"{self.prefix}/subnets/{key}", value)
        else:
            self.server.ctl_v2("set", f"{self.prefix}/subnets/{key}", value)


def orders(server: Etcd, **more: Any) -> StoreOrders:  # noqa: ANN401  (whatever the orders hold)
    """What a command would be told of this server."""
    tls = server.tls
    paths = {} if tls is None else {"ca": tls.ca, "cert": tls.certificate, "key": tls.key}
    words = {f"etcd_{name}file": str(path) for name, path in paths.items()}
    return StoreOrders(**{"etcd_endpoints": server.url, **words, **more})


@contextmanager
def world(kind: str, folder: Path) -> Iterator[World]:
    """Make a world of its own; *folder* is a new one in that of all tests, which share their certificates."""
    if kind == "twin":
        yield TwinWorld()
        return
    with etcd(folder / "etcd", tls=_certificates(folder.parent / "certificates") if kind.endswith("tls") else None) as server:
        yield EtcdWorld(server, EtcdApi(kind[:2]))


def _certificates(folder: Path) -> Certificates:
    return Certificates(folder) if folder.exists() else make_certificates(folder)


def _write_often(server: Etcd) -> None:
    """Write more often than the v2 store keeps events, elsewhere."""
    tls = Tls(str(server.tls.ca), str(server.tls.certificate), str(server.tls.key)) if server.tls else Tls()
    client = EtcdV2Client(Endpoints(Service("etcd", (server.url,), tls)))
    for number in range(1001):
        client.put("/elsewhere", str(number), {})

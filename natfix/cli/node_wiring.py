"""Builds what the routing core needs of the host, as wiring.py does for the rest: here it meets the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natfix.errors import UsageError

if TYPE_CHECKING:
    from natfix.app.node.ports import LeaseStore
    from natfix.cli.store_options import StoreOrders


def lease_store(orders: StoreOrders) -> LeaseStore:
    """Build where leases live; nothing is asked yet.

    Raises:
        ConfigError: the orders contradict each other, or name what cannot be used.
        HostError: a file cannot be read, or a library that is needed is not installed.
    """
    if orders.lease_file and orders.kube_subnet_mgr:
        raise UsageError(
            "leases live in a file or in Kubernetes, not in both", hint="Leave out --lease-file or --kube-subnet-mgr."
        )
    if orders.kube_subnet_mgr:
        return _kube_store(orders)
    if orders.lease_file:
        from natfix.host.files import HostFiles  # noqa: PLC0415
        from natfix.host.stores.file import FileLeaseStore  # noqa: PLC0415

        return FileLeaseStore(orders.lease_file, HostFiles())
    return _etcd_store(orders)


def _kube_store(orders: StoreOrders) -> LeaseStore:
    import os  # noqa: PLC0415
    import socket  # noqa: PLC0415

    from natfix.host.files import HostFiles  # noqa: PLC0415
    from natfix.host.stores.endpoints import Endpoints  # noqa: PLC0415
    from natfix.host.stores.kube import KubeLeaseStore  # noqa: PLC0415
    from natfix.host.stores.kube_access import from_kubeconfig, from_pod  # noqa: PLC0415
    from natfix.host.stores.kube_client import KubeClient  # noqa: PLC0415

    patience = max(orders.etcd_timeout, 30.0)  # A list of thousands of nodes takes its time.
    if orders.kubeconfig_file:
        access = from_kubeconfig(orders.kubeconfig_file, orders.kube_api_url, patience)
    else:
        access = from_pod(orders.kube_api_url, patience, os.environ)
    node = orders.node_name or socket.gethostname().lower()
    return KubeLeaseStore(KubeClient(Endpoints(access.service), access.headers), node, orders.net_config_path, HostFiles())


def now() -> float:
    """The time of day, in seconds since 1970."""
    import time  # noqa: PLC0415

    return time.time()


def _etcd_store(orders: StoreOrders) -> LeaseStore:
    from natfix.host.stores.endpoints import Endpoints, Service  # noqa: PLC0415
    from natfix.host.stores.etcd import EtcdStore  # noqa: PLC0415
    from natfix.host.stores.etcd_v2 import EtcdV2Store  # noqa: PLC0415
    from natfix.host.stores.etcd_v2_client import EtcdV2Client  # noqa: PLC0415
    from natfix.host.stores.etcd_v3 import EtcdV3Store  # noqa: PLC0415
    from natfix.host.stores.etcd_v3_client import EtcdV3Client  # noqa: PLC0415
    from natfix.host.stores.layout import Layout  # noqa: PLC0415
    from natfix.host.stores.login import Login  # noqa: PLC0415
    from natfix.host.stores.tls import Tls  # noqa: PLC0415

    urls = tuple(url.strip() for url in orders.etcd_endpoints.split(",") if url.strip())
    tls = Tls(orders.etcd_cafile, orders.etcd_certfile, orders.etcd_keyfile)
    service = Service("etcd", urls, tls, orders.etcd_timeout, hint="Is it running there? --etcd-endpoints says where to ask.")
    endpoints, layout = Endpoints(service), Layout(orders.etcd_prefix)
    login = Login(orders.etcd_username, orders.etcd_password) if orders.etcd_username else None
    v2 = EtcdV2Store(EtcdV2Client(endpoints, login), layout)
    v3 = EtcdV3Store(EtcdV3Client(endpoints, login), layout)
    return {"v2": v2, "v3": v3}.get(orders.etcd_api) or EtcdStore(v3, v2)

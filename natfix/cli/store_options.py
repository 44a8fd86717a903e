"""Where leases live: options with flannel's names and environment variables, the same for every command that needs them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Annotated, Any, cast, get_type_hints

import typer

# flannel's own; 4001 was etcd's first port.
ENDPOINTS = "http://127.0.0.1:4001,http://127.0.0.1:2379"
PREFIX = "/coreos.com/network"
NET_CONFIG = "/etc/kube-flannel/net-conf.json"


class EtcdApi(StrEnum):
    """Which of etcd's two disjoint stores to use."""

    AUTO = "auto"
    V2 = "v2"
    V3 = "v3"


def _option(name: str, text: str, metavar: str | None = None, variable: str | None = None) -> Any:  # noqa: ANN401  (as typer.Option)
    environment = variable or f"FLANNELD_{name.strip('-').replace('-', '_').upper()}"
    return typer.Option(name, metavar=metavar, envvar=environment, help=text, show_envvar=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreOrders:
    """What the command line and the environment say of where leases live."""

    etcd_endpoints: Annotated[
        str, _option("--etcd-endpoints", "etcd's client addresses; the next one is tried when one is silent.", "URL,URL…")
    ] = ENDPOINTS
    etcd_prefix: Annotated[str, _option("--etcd-prefix", "The keys of the network.", "KEY")] = PREFIX
    etcd_keyfile: Annotated[str, _option("--etcd-keyfile", "The key of the certificate to show to etcd.", "PATH")] = ""
    etcd_certfile: Annotated[str, _option("--etcd-certfile", "The certificate to show to etcd.", "PATH")] = ""
    etcd_cafile: Annotated[str, _option("--etcd-cafile", "Who must have signed etcd's certificate.", "PATH")] = ""
    etcd_username: Annotated[str, _option("--etcd-username", "The user to log in to etcd as.", "NAME")] = ""
    etcd_password: Annotated[
        str, _option("--etcd-password", "Its password; FLANNELD_ETCD_PASSWORD keeps it out of the list of processes.", "WORD")
    ] = ""
    etcd_api: Annotated[
        EtcdApi, _option("--etcd-api", "v2 for flannel before 0.18, v3 since; auto is where the configuration lies.")
    ] = EtcdApi.AUTO
    etcd_timeout: Annotated[
        float, _option("--etcd-timeout", "How long one address may take to answer.", "SECONDS", "NATFIX_ETCD_TIMEOUT")
    ] = 5.0
    kube_subnet_mgr: Annotated[bool, _option("--kube-subnet-mgr", "Take Kubernetes' nodes for leases, not etcd.")] = False
    kube_api_url: Annotated[str, _option("--kube-api-url", "Where its API is, if not in kubeconfig.", "URL")] = ""
    kubeconfig_file: Annotated[str, _option("--kubeconfig-file", "How to reach it; without one, as a pod does.", "PATH")] = ""
    node_name: Annotated[
        str, _option("--node-name", "This host's name there; the host name in small letters.", "NAME", "NODE_NAME")
    ] = ""
    net_config_path: Annotated[
        str, _option("--net-config-path", "The network's configuration where Kubernetes has the leases.", "PATH")
    ] = NET_CONFIG
    lease_file: Annotated[str, _option("--lease-file", "Take this file for leases, not etcd.", "PATH", "NATFIX_LEASE_FILE")] = (
        ""
    )


def takes_store(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of where leases live, in place of its parameter ``store``.

    Raises:
        TypeError: it has no such parameter.
    """
    hints = get_type_hints(command, include_extras=True)
    if hints.pop("store", None) is not StoreOrders:
        raise TypeError(f"{command.__name__} takes no store: StoreOrders")
    orders = get_type_hints(StoreOrders, include_extras=True)
    defaults = {field.name: field.default for field in fields(StoreOrders)}

    @functools.wraps(command)
    def called(**given: object) -> None:
        command(store=StoreOrders(**{name: cast("Any", given.pop(name)) for name in orders}), **given)

    kept = [one.replace(annotation=hints[name]) for name, one in inspect.signature(command).parameters.items() if name in hints]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=defaults[name], annotation=orders[name])
        for name in orders
    ]
    called.__signature__ = inspect.Signature([*kept, *added])  # type: ignore[attr-defined]
    called.__annotations__ = {**hints, **orders}
    del called.__wrapped__
    return called

"""How to reach Kubernetes: as a pod does, or as kubeconfig says."""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from natfix.errors import ConfigError, HostError, UnsupportedError
from natfix.host.stores.endpoints import Service
from natfix.host.stores.tls import Tls

_ACCOUNT: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
_HINT: Final = "Is it running there? --kubeconfig-file or --kube-api-url says where to ask."
_NO_PLUGINS: Final = "natfix runs no login programs. Use a token or a certificate, such as that of a service account."

Headers = Callable[[], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class KubeAccess:
    """Where Kubernetes' API is, and who asks.

    Attributes:
        service: its address.
        headers: gives what each request carries beside; a token is read anew each time, as Kubernetes renews it.
    """

    service: Service
    headers: Headers


def from_pod(url: str, timeout: float, environment: Mapping[str, str], account: str = _ACCOUNT) -> KubeAccess:
    """Reach it as any pod does, with its service account.

    Raises:
        HostError: this is no pod.
    """
    host, port = environment.get("KUBERNETES_SERVICE_HOST"), environment.get("KUBERNETES_SERVICE_PORT", "443")
    if not (url or host):
        raise HostError(
            "nobody says where Kubernetes is, and this is no pod: KUBERNETES_SERVICE_HOST is not set",
            hint="Say it: --kubeconfig-file PATH.",
        )
    address = url or f"https://{f'[{host}]' if host and ':' in host else host}:{port}"
    believed = address.startswith("https:") and os.path.exists(f"{account}/ca.crt")  # noqa: PTH110
    service = Service("Kubernetes", (address,), Tls(f"{account}/ca.crt") if believed else Tls(), timeout, hint=_HINT)
    token = f"{account}/token"
    return KubeAccess(service, lambda: _bearer(_read(token)) if os.path.exists(token) else {})  # noqa: PTH110


def from_kubeconfig(path: str, url: str, timeout: float) -> KubeAccess:
    """Reach it as kubeconfig says.

    Source: Kubernetes, "kubeconfig (v1)", client-go tools/clientcmd/api/v1/types.go.

    Args:
        path: of the file.
        url: counts in place of the address in it, unless it is empty.
        timeout: in seconds.

    Raises:
        ConfigError: it says nothing that can be used.
        HostError: it cannot be read.
        UnsupportedError: it wants a program to be run for a login.
    """
    told = _yaml(path)
    context = _named(told, "contexts", told.get("current-context"), path).get("context") or {}
    cluster = _named(told, "clusters", context.get("cluster"), path).get("cluster") or {}
    user = _named(told, "users", context.get("user"), path).get("user") or {}
    if "exec" in user or "auth-provider" in user:
        raise UnsupportedError(f"{path} wants a program to be run for a login", hint=_NO_PLUGINS)
    folder = os.path.dirname(os.path.abspath(path))  # noqa: PTH100, PTH120
    tls = Tls(
        authority=_file(cluster, "certificate-authority", folder),
        certificate=_file(user, "client-certificate", folder),
        key=_file(user, "client-key", folder),
        verify=not cluster.get("insecure-skip-tls-verify"),
    )
    address = url or str(cluster.get("server") or "")
    return KubeAccess(Service("Kubernetes", (address,), tls, timeout, hint=_HINT), _login(user, folder))


def _login(user: Mapping[str, Any], folder: str) -> Headers:
    if token_file := user.get("tokenFile"):
        path = os.path.join(folder, token_file)  # noqa: PTH118
        return lambda: _bearer(_read(path))
    if token := user.get("token"):
        return lambda: _bearer(str(token))
    if "username" in user:
        words = b64encode(f"{user['username']}:{user.get('password', '')}".encode()).decode()
        return lambda: {"Authorization": f"Basic {words}"}
    return dict


def _bearer(token: str) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {token.strip()}"}


def _file(told: Mapping[str, Any], name: str, folder: str) -> str:
    """The path of what is in a file, or of what kubeconfig holds itself, which never touches a disk."""
    data = told.get(f"{name}-data")
    if not data:
        return os.path.join(folder, told[name]) if told.get(name) else ""  # noqa: PTH118
    try:
        text = b64decode(str(data), validate=True)
    except ValueError as error:
        raise ConfigError(f"kubeconfig: {name}-data is no base64") from error
    handle = os.memfd_create(f"natfix-{name}")  # Lives as long as the process.
    os.write(handle, text)
    return f"/proc/self/fd/{handle}"


def _named(told: Mapping[str, Any], kind: str, name: object, path: str) -> Mapping[str, Any]:
    found = next((one for one in told.get(kind) or () if isinstance(one, dict) and one.get("name") == name), None)
    if found is None:
        raise ConfigError(f"{path}: there is no {name!r} among {kind}")
    return cast("Mapping[str, Any]", found)


def _yaml(path: str) -> Mapping[str, Any]:
    try:
        import yaml  # noqa: PLC0415  (start-up time)
    except ImportError as error:
        raise HostError(
            "kubeconfig is read with the Python package PyYAML, which is not installed",
            hint="Install it: apt-get install python3-yaml, dnf install python3-pyyaml, or pip install 'natfix[kubernetes]'.",
        ) from error
    try:
        told = yaml.safe_load(_read(path))
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is no YAML: {error}") from error
    if not isinstance(told, dict):
        raise ConfigError(f"{path} is no kubeconfig")
    return told


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:  # noqa: PTH123  (pathlib costs start-up time)
            return stream.read()
    except OSError as error:
        raise HostError(f"cannot read {path}: {error.strerror}") from error

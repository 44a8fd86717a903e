"""Ask the Docker daemon about its networks, and its program about a daemon.json; the standard library is enough for both."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from natfix.app.docker_ports import Docker, DockerNetwork
from natfix.errors import HostError
from natfix.host.programs import find, run

SOCKET: Final = "/var/run/docker.sock"
_SECONDS: Final = 3.0
_MOST_BYTES: Final = 1 << 24
_NAME: Final = "com.docker.network.bridge.name"


class HostDocker(Docker):
    """The Docker of this host.

    Args:
        path: the socket it listens on.
        program: what validates a daemon.json.
    """

    def __init__(self, path: str = SOCKET, program: str = "dockerd") -> None:
        self._path = path
        self._program = program

    def networks(self) -> Sequence[DockerNetwork]:
        """Its networks of the driver ``bridge``, sorted by name (Docker Engine API, NetworkList)."""
        try:
            with contextlib.closing(_Connection(self._path)) as connection:
                connection.request("GET", "/networks")
                answer = connection.getresponse()
                data = answer.read(_MOST_BYTES)
            if answer.status != http.client.OK:
                raise HostError(f"Docker at {self._path} answers {answer.status} {answer.reason}")
            return sorted(_networks(json.loads(data)), key=lambda network: network.name)
        except OSError as error:
            raise HostError(f"Docker does not answer at {self._path}: {error.strerror or error}") from error
        except (http.client.HTTPException, ValueError, LookupError, TypeError, AttributeError) as error:
            raise HostError(f"Docker at {self._path} answers something else than a list of networks: {error!r}") from error

    def validate(self, data: bytes) -> bool:
        """Let ``dockerd --validate`` read *data*; it starts nothing."""
        if find(self._program) is None:
            return False
        with tempfile.NamedTemporaryFile(prefix="natfix-", suffix=".json") as file:
            file.write(data)
            file.flush()
            done = run(self._program, "--validate", "--config-file", file.name, seconds=30)
        if done.code != 0 and "unknown flag: --validate" in done.complaint:
            return False
        if done.code != 0:
            words = done.complaint.replace(file.name, "daemon.json")
            raise HostError(f"dockerd refuses the new daemon.json: {words}", hint="The file was left as it is.")
        return True


class _Connection(http.client.HTTPConnection):
    """HTTP over a socket of this host, each step of it bounded in time."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self.sock.settimeout(_SECONDS)
        self.sock.connect(self._path)


def _networks(answer: Iterable[Mapping[str, Any]]) -> Iterator[DockerNetwork]:
    for each in answer:
        if each["Driver"] == "bridge":
            options = dict(each.get("Options") or {})
            yield DockerNetwork(
                name=each["Name"],
                bridge=options.get(_NAME) or f"br-{each['Id'][:12]}",
                subnets=tuple((one["Subnet"], one.get("Gateway", "")) for one in each["IPAM"].get("Config") or ()),
                options=options,
                internal=bool(each.get("Internal")),
                ipv6=bool(each.get("EnableIPv6")),
            )

"""Docker: its twin, and a daemon's socket and program that are played for it."""

from __future__ import annotations

import json
import os
import socketserver
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from natfix.app.docker_ports import Docker, DockerNetwork
from natfix.errors import HostError
from natfix.host.docker import HostDocker
from natfix.host.memory.docker import MemoryDocker

BRIDGE = DockerNetwork("bridge", "docker0", (("172.7.21.0/24", "172.7.21.1"),), {"com.docker.network.bridge.name": "docker0"})
MINE = DockerNetwork("a b", "br-0a1b2c3d4e5f", (("172.7.121.0/24", ""), ("fd00:7::/64", "fd00:7::1")), ipv6=True)
APART = DockerNetwork("apart", "br-1111111111111"[:15], (), {"x": "y"}, internal=True)
ANSWER = [
    {"Name": "host", "Id": "f" * 64, "Driver": "host", "IPAM": {"Config": None}, "Options": None},
    {
        "Name": "bridge",
        "Id": "e" * 64,
        "Driver": "bridge",
        "EnableIPv6": False,
        "Internal": False,
        "IPAM": {"Config": [{"Subnet": "172.7.21.0/24", "Gateway": "172.7.21.1"}]},
        "Options": {"com.docker.network.bridge.name": "docker0"},
    },
    {"Name": "apart", "Id": "1" * 64, "Driver": "bridge", "Internal": True, "IPAM": {"Config": None}, "Options": {"x": "y"}},
    {
        "Name": "a b",
        "Id": "0a1b2c3d4e5f" + "0" * 52,
        "Driver": "bridge",
        "EnableIPv6": True,
        "IPAM": {"Config": [{"Subnet": "172.7.121.0/24"}, {"Subnet": "fd00:7::/64", "Gateway": "fd00:7::1"}]},
        "Options": {},
    },
]
DOCKERD = """#!/bin/sh
[ "$1 $2" = "--validate --config-file" ] || exit 9
if grep -q mystery "$3"; then
    echo "unable to configure the Docker daemon with file $3: the following directives don't match: mystery" >&2
    exit 1
fi
echo "configuration OK"
"""
OLD_DOCKERD = "#!/bin/sh\necho 'Status: unknown flag: --validate' >&2\nexit 125\n"


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


def _handler(status: int, body: bytes) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = status if self.path == "/networks" else 404
            self.send_response(found)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: object) -> None:
            pass

        def address_string(self) -> str:
            return "a socket"

    return Handler


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[int, bytes], str]]:
    """Listen as a daemon would, and answer each question the same."""
    servers: list[_Server] = []

    def start(status: int, body: bytes) -> str:
        path = str(tmp_path / "docker.sock")
        server = _Server(path, _handler(status, body))
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        servers.append(server)
        return path

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put a program into the place of dockerd."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def put(text: str) -> None:
        path = tmp_path / "dockerd"
        path.write_text(text)
        path.chmod(0o755)

    return put


@pytest.fixture(params=["twin", "socket"])
def docker(request: pytest.FixtureRequest, install: Callable[[str], None], serve: Callable[[int, bytes], str]) -> Docker:
    if request.param == "twin":
        return MemoryDocker([MINE, BRIDGE, APART], refused=[b"mystery"])
    install(DOCKERD)
    return HostDocker(serve(200, json.dumps(ANSWER).encode()))


@pytest.fixture(params=["twin", "socket"])
def silent(request: pytest.FixtureRequest, install: Callable[[str], None], tmp_path: Path) -> Docker:
    """A host whose Docker is stopped, and older than --validate."""
    if request.param == "twin":
        return MemoryDocker(None, validates=False)
    install(OLD_DOCKERD)
    return HostDocker(str(tmp_path / "none.sock"))


def test_networks_of_the_driver_bridge_come_by_name(docker: Docker) -> None:
    assert list(docker.networks()) == [MINE, APART, BRIDGE]


def test_a_daemon_that_is_not_there_is_a_refusal(silent: Docker) -> None:
    with pytest.raises(HostError, match="does not answer at /"):
        silent.networks()


def test_a_text_that_docker_reads_is_valid(docker: Docker) -> None:
    assert docker.validate(b'{"ip-masq": false}')


def test_a_text_that_docker_does_not_read_is_refused_in_its_words(docker: Docker) -> None:
    with pytest.raises(HostError, match="mystery"):
        docker.validate(b'{"mystery": false}')


def test_an_old_docker_cannot_be_asked(silent: Docker) -> None:
    assert not silent.validate(b'{"mystery": false}')


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[1]", b'[{"Driver": "bridge"}]', b"5", b'[{"Driver":"bridge","Name":"a","Id":"b","IPAM":[]}]']
)
def test_an_answer_that_is_no_list_of_networks_is_told(serve: Callable[[int, bytes], str], body: bytes) -> None:
    with pytest.raises(HostError, match="something else than a list of networks"):
        HostDocker(serve(200, body)).networks()


def test_a_daemon_that_does_not_want_to_is_told(serve: Callable[[int, bytes], str]) -> None:
    with pytest.raises(HostError, match="answers 403 Forbidden"):
        HostDocker(serve(403, b"{}")).networks()


def test_a_host_without_the_program_cannot_be_asked() -> None:
    assert not HostDocker(program="natfix-no-such-dockerd").validate(b"{}")


def test_nothing_is_left_of_what_was_validated(install: Callable[[str], None], tmp_path: Path) -> None:
    install(DOCKERD.replace("if grep", f'echo "$3" > {tmp_path}/seen\nif grep'))
    assert HostDocker().validate(b"{}")
    assert not Path((tmp_path / "seen").read_text().strip()).exists()

"""Docker gets the subnet of this host, once."""

from dataclasses import replace
from ipaddress import ip_interface

import pytest

from natfix.app.advise import DockerHost
from natfix.app.node.docker_setup import settle_docker
from natfix.app.ports import Interface, Process
from natfix.app.undo import undo
from natfix.errors import HostError, UsageError
from natfix.host.memory.docker import MemoryDocker
from natfix.host.memory.files import MemoryFiles
from natfix.host.memory.filtering import MemoryFilters
from natfix.host.memory.network import MemoryProcesses
from natfix.plan.daemon_json import DAEMON_JSON
from tests.unit.app.twins import host

OPTIONS = {"bip": "172.7.21.1/24", "mtu": 1450, "ip-masq": False}
WRITTEN = b'{\n  "bip": "172.7.21.1/24",\n  "mtu": 1450,\n  "ip-masq": false\n}\n'


class Scene:
    """A host with a Docker that gets its bridge's address when it is restarted."""

    def __init__(self, daemon: bytes | None = None, flags: tuple[str, ...] = (), docker: MemoryDocker | None = None) -> None:
        self.files = MemoryFiles({} if daemon is None else {DAEMON_JSON: daemon}, folders=["/etc/docker"])
        self.on = host()
        self.restarts = 0
        self.flags = flags
        self.docker = docker or MemoryDocker()
        self.address("172.17.0.1/16")

    def address(self, text: str) -> None:
        self.on.interfaces = (Interface("docker0", "bridge", (ip_interface(text),)),)

    def restart(self) -> None:
        self.restarts += 1
        self.address("172.7.21.1/24")

    @property
    def host(self) -> DockerHost:
        processes = MemoryProcesses([Process(7, "dockerd", ("dockerd", *self.flags))])
        return DockerHost(replace(self.on.machine, files=self.files), self.docker, processes, MemoryFilters())


def test_daemon_json_is_written_and_docker_restarted_once() -> None:
    scene = Scene()
    first = settle_docker(scene.host, OPTIONS, scene.restart)
    assert scene.files.contents[DAEMON_JSON] == WRITTEN
    assert (bool(first.id), first.path, first.restarted, scene.restarts) == (True, DAEMON_JSON, True, 1)
    second = settle_docker(scene.host, OPTIONS, scene.restart)
    assert (second.id, second.restarted, scene.restarts) == ("", False, 1)


def test_other_options_stay_as_they_are_and_undo_takes_out_its_own_alone() -> None:
    scene = Scene(b'{\n    "log-driver": "journald",\n    "bip": "172.17.0.1/16"\n}\n')
    change = settle_docker(scene.host, {"bip": "172.7.21.1/24"}, scene.restart)
    assert scene.files.contents[DAEMON_JSON] == b'{\n    "log-driver": "journald",\n    "bip": "172.7.21.1/24"\n}\n'
    undo(scene.host.machine, change.id)
    assert scene.files.contents[DAEMON_JSON] == b'{\n    "log-driver": "journald",\n    "bip": "172.17.0.1/16"\n}\n'


def test_a_docker_that_has_not_taken_up_its_file_is_restarted() -> None:
    scene = Scene(WRITTEN)
    assert settle_docker(scene.host, OPTIONS, scene.restart).restarted
    assert scene.restarts == 1


def test_what_the_command_line_says_already_is_not_said_twice() -> None:
    scene = Scene(flags=("--bip=172.7.21.1/24", "--mtu=1450", "--ip-masq=false"))
    scene.address("172.7.21.1/24")
    assert not settle_docker(scene.host, OPTIONS, scene.restart).restarted
    assert DAEMON_JSON not in scene.files.contents


def test_a_command_line_that_says_otherwise_is_refused() -> None:
    scene = Scene(flags=("--bip=172.17.0.1/16",))
    with pytest.raises(UsageError, match=r"started with --bip=172\.17\.0\.1/16, where this host needs 172\.7\.21\.1/24"):
        settle_docker(scene.host, OPTIONS, scene.restart)
    assert scene.restarts == 0


def test_a_file_that_dockerd_refuses_or_a_disk_is_not_written() -> None:
    scene = Scene(docker=MemoryDocker(refused=[b"1450"]))
    with pytest.raises(HostError, match="1450"):
        settle_docker(scene.host, OPTIONS, scene.restart)
    full = Scene()
    full.files.refusals[DAEMON_JSON] = HostError("full")
    with pytest.raises(HostError, match="full"):
        settle_docker(full.host, OPTIONS, full.restart)
    assert DAEMON_JSON not in scene.files.contents
    assert scene.restarts == full.restarts == 0

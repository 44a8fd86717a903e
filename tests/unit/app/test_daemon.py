"""natfix/app/daemon.py: how Docker is configured."""

import pytest

from natfix.app.daemon import Daemon, read_daemon, switches_of
from natfix.app.ports import Process
from natfix.errors import ConfigError
from natfix.host.memory.files import MemoryFiles
from natfix.host.memory.network import MemoryProcesses
from natfix.plan.daemon_json import DAEMON_JSON


def processes(*flags: str) -> MemoryProcesses:
    return MemoryProcesses([Process(7, "dockerd", ("/usr/bin/dockerd", *flags))])


def test_a_docker_that_does_not_run_and_has_no_file_is_as_it_comes() -> None:
    daemon = read_daemon(MemoryFiles(), MemoryProcesses())
    assert daemon == Daemon((), DAEMON_JSON, None, {})
    assert (daemon.bridge, daemon.given("ip-masq"), daemon.is_off("ip-masq")) == ("docker0", "", False)


def test_the_file_is_the_one_that_the_running_daemon_was_told() -> None:
    files = MemoryFiles({"/etc/other.json": b'{"ip-masq": false, "bridge": "br-mine"}', DAEMON_JSON: b"{}"})
    daemon = read_daemon(files, processes("--config-file=/etc/other.json"))
    assert (daemon.path, daemon.bridge, daemon.is_off("ip-masq")) == ("/etc/other.json", "br-mine", True)


@pytest.mark.parametrize(
    ("flags", "given", "off"),
    [
        (["--ip-masq=false"], "--ip-masq=false", True),
        (["-ip-masq=0"], "-ip-masq=0", True),
        (["--ip-masq"], "--ip-masq", False),
        (["--ip-masq=true"], "--ip-masq=true", False),
        (["--ip-masquerade=false"], "", False),
    ],
)
def test_a_flag_is_found_as_it_was_written(flags: list[str], given: str, off: bool) -> None:  # noqa: FBT001
    daemon = read_daemon(MemoryFiles(), processes(*flags))
    assert (daemon.given("ip-masq"), daemon.is_off("ip-masq")) == (given, off)


@pytest.mark.parametrize("flag", ["--bridge=cbr0", "-b"])
def test_the_default_bridge_can_have_another_name(flag: str) -> None:
    assert read_daemon(MemoryFiles(), processes(flag, "cbr0")).bridge == "cbr0"


def test_a_broken_file_is_refused_with_its_place() -> None:
    with pytest.raises(ConfigError, match="line 1, column 2"):
        read_daemon(MemoryFiles({DAEMON_JSON: b"{,}"}), MemoryProcesses())


USUAL = {"iptables": True, "ip-masq": True, "nftables": False}


@pytest.mark.parametrize(
    ("flags", "options", "switches"),
    [
        ([], b"{}", USUAL),
        (["--ip-masq=false"], b"{}", {**USUAL, "ip-masq": False}),
        ([], b'{"iptables": false}', {**USUAL, "iptables": False}),
        ([], b'{"ip6tables": true}', {**USUAL, "ip6tables": True}),
        (["--ip6tables=false"], b"{}", {**USUAL, "ip6tables": False}),
        (["--firewall-backend=nftables"], b"{}", {**USUAL, "nftables": True}),
        ([], b'{"firewall-backend": "nftables"}', {**USUAL, "nftables": True}),
    ],
)
def test_the_switches_of_a_running_daemon_are_known(flags: list[str], options: bytes, switches: dict[str, bool]) -> None:
    assert switches_of(MemoryFiles({DAEMON_JSON: options}), processes(*flags)) == switches


def test_how_a_daemon_that_does_not_run_would_be_started_is_not_known() -> None:
    assert switches_of(MemoryFiles({DAEMON_JSON: b'{"ip-masq": false}'}), MemoryProcesses()) == {}

"""natfix/app/advise.py: when Docker's own switch is the better cure, and writing it."""

from dataclasses import replace
from ipaddress import ip_interface

import pytest

from natfix.app.advise import DockerHost, advise, write_switch
from natfix.app.cluster import Cluster
from natfix.app.docker_ports import Docker
from natfix.app.ports import Files, Interface, Process
from natfix.app.undo import undo
from natfix.errors import ConfigError, HostError, UsageError
from natfix.host.memory.docker import MemoryDocker
from natfix.host.memory.files import MemoryFiles
from natfix.host.memory.filtering import MemoryFilters
from natfix.host.memory.network import MemoryProcesses
from natfix.plan.daemon_json import DAEMON_JSON
from natfix.ruleset import parse_network
from tests.unit.app.twins import CORRECTED, ETH0, host, wishes

SUBNET_ENV = "/run/flannel/subnet.env"
BIP = b'{\n    "bip": "172.7.21.1/24"\n}\n'
SWITCHED = b'{\n    "bip": "172.7.21.1/24",\n    "ip-masq": false\n}\n'
BY_HAND = "iptables-nft -t nat -D POSTROUTING -s 172.7.21.0/24 ! -o docker0 -j MASQUERADE"
OUTSIDE = Interface("docker0", "bridge", (ip_interface("172.17.0.1/16"),))
GUESS = Cluster((parse_network("172.7.0.0/16"),), "routes", guessed=True)


def disk(daemon: bytes | None = BIP, *, flannel: str = "true") -> MemoryFiles:
    """The files of a host whose flannel masquerades, unless it is told otherwise."""
    env = f"FLANNEL_NETWORK=172.7.0.0/16\nFLANNEL_IPMASQ={flannel}\n".encode()
    contents = {SUBNET_ENV: env} | ({} if daemon is None else {DAEMON_JSON: daemon})
    return MemoryFiles(contents, folders=["/etc/docker"])


def docker_host(
    *specs: str,
    files: Files | None = None,
    docker: Docker | None = None,
    flags: tuple[str, ...] = (),
    interfaces: tuple[Interface, ...] | None = None,
) -> DockerHost:
    on = host(*specs)
    on.interfaces = interfaces or on.interfaces
    machine = replace(on.machine, files=files or disk())
    processes = MemoryProcesses([Process(7, "dockerd", ("dockerd", *flags))])
    return DockerHost(machine, docker or MemoryDocker(), processes, MemoryFilters())


def test_where_flannel_masquerades_docker_s_own_switch_is_better() -> None:
    advice = advise(docker_host(), wishes())
    assert (advice.verdict, advice.obstacle, advice.done) == ("docker", "", False)
    assert advice.why == f"flannel masquerades what leaves the cluster (FLANNEL_IPMASQ=true in {SUBNET_ENV})"
    assert advice.diff[3:] == (
        " {",
        '-    "bip": "172.7.21.1/24"',
        '+    "bip": "172.7.21.1/24",',
        '+    "ip-masq": false',
        " }",
    )
    (network,) = advice.networks
    assert (network.bridge, network.hidden, network.once) == ("docker0", True, (BY_HAND,))
    assert network.cure == (f'in {DAEMON_JSON}: "ip-masq": false; then: systemctl restart docker',)


@pytest.mark.parametrize("flannel", ["false", "maybe"])
def test_where_nobody_else_masquerades_natfix_is_better(flannel: str) -> None:
    files = disk(flannel=flannel)
    advice = advise(docker_host(files=files), wishes())
    assert (advice.verdict, advice.obstacle) == ("natfix", "containers would lose access to the outside")
    with pytest.raises(UsageError, match="left as it is: containers would lose"):
        write_switch(docker_host(files=files), wishes())
    assert write_switch(docker_host(files=files), wishes(), insist=True).done
    assert files.contents[DAEMON_JSON] == SWITCHED


@pytest.mark.parametrize("option", [b'"iptables": false', b'"iptables" : false, "ip-masq": true'])
def test_a_docker_that_writes_no_rules_has_nothing_to_switch(option: bytes) -> None:
    advice = advise(docker_host(files=disk(b"{" + option + b"}")), wishes())
    assert (advice.verdict, advice.diff, advice.limits) == ("nothing", (), ())


def test_a_docker_outside_of_the_cluster_is_no_matter() -> None:
    outside = docker_host("-s 172.17.0.0/16 ! -o docker0 -j MASQUERADE", interfaces=(OUTSIDE, ETH0))
    assert advise(outside, wishes()).why == "no network of Docker here lies in the cluster"
    assert not write_switch(outside, wishes()).done


def test_user_defined_networks_alone_have_no_switch_in_the_file() -> None:
    bridge = Interface("br-0a1b2c3d4e5f", "bridge", (ip_interface("172.7.121.1/24"),))
    user_defined = docker_host("-s 172.7.121.0/24 ! -o br-0a1b2c3d4e5f -j MASQUERADE", interfaces=(OUTSIDE, bridge, ETH0))
    advice = advise(user_defined, wishes())
    assert (advice.verdict, advice.diff) == ("natfix", ())
    assert advice.why.startswith("the default network, docker0, is not in the cluster")


def test_a_switch_that_is_set_leaves_only_the_rule_that_is_there() -> None:
    advice = advise(docker_host(files=disk(SWITCHED)), wishes())
    assert (advice.verdict, advice.why, advice.diff) == ("set", "ip-masq is false for docker0", ())
    assert (advice.networks[0].cure, advice.networks[0].once) == ((), (BY_HAND,))
    flagged = advise(docker_host(flags=("--ip-masq=false",)), wishes())
    assert flagged.verdict == "set"


def test_a_rule_that_natfix_corrected_is_none_to_delete() -> None:
    (network,) = advise(docker_host(CORRECTED), wishes()).networks
    assert (network.hidden, network.once) == (False, ())


def test_a_flag_beside_the_file_would_keep_docker_from_starting() -> None:
    flagged = docker_host(flags=("--ip-masq=true",))
    assert advise(flagged, wishes()).obstacle.startswith("dockerd was started with --ip-masq=true, and starts no more")
    with pytest.raises(UsageError, match="--ip-masq=true"):
        write_switch(flagged, wishes(), insist=True)


def test_a_guess_is_not_written() -> None:
    assert advise(docker_host(), wishes(GUESS)).obstacle == "the cluster is only guessed"
    with pytest.raises(UsageError, match="only guessed"):
        write_switch(docker_host(), wishes(GUESS))


def test_what_docker_keeps_while_containers_run_is_told() -> None:
    usual = advise(docker_host(), wishes()).limits
    live = advise(docker_host(files=disk(b'{"live-restore": true}')), wishes()).limits
    assert [limit for limit in live if limit not in usual] == [live[-1]]
    assert "live-restore" in live[-1]
    assert advise(docker_host(flags=("--live-restore",)), wishes()).limits == live


def test_a_docker_that_does_not_answer_is_told() -> None:
    (note,) = advise(docker_host(docker=MemoryDocker(None)), wishes()).notes
    assert note.startswith("Docker does not answer")


def test_the_switch_is_validated_recorded_written_and_undone() -> None:
    files = disk()
    on = docker_host(files=files)
    advice = write_switch(on, wishes())
    assert (advice.done, advice.notes) == (True, ())
    assert files.contents[DAEMON_JSON] == SWITCHED
    (record,) = on.machine.history.records()
    assert (record.id, record.data["verb"], record.data["state"]) == (advice.id, "advise", "done")
    assert undo(on.machine).changes[0].place == DAEMON_JSON
    assert files.contents[DAEMON_JSON] == BIP


def test_undo_takes_the_option_out_of_a_file_that_others_changed_since() -> None:
    files = disk()
    on = docker_host(files=files)
    write_switch(on, wishes())
    files.contents[DAEMON_JSON] = files.contents[DAEMON_JSON].replace(b"{\n", b'{\n    "mtu": 1450,\n')
    undo(on.machine)
    assert files.contents[DAEMON_JSON] == b'{\n    "mtu": 1450,\n    "bip": "172.7.21.1/24"\n}\n'


def test_a_file_that_was_not_there_is_made_and_removed_again() -> None:
    files = disk(None)
    on = docker_host(files=files)
    write_switch(on, wishes())
    assert files.contents[DAEMON_JSON] == b'{\n  "ip-masq": false\n}\n'
    assert files.modes[DAEMON_JSON] == 0o644
    undo(on.machine)
    assert DAEMON_JSON not in files.contents


def test_a_text_that_dockerd_refuses_is_not_written() -> None:
    files = disk()
    with pytest.raises(HostError, match="dockerd refuses"):
        write_switch(docker_host(files=files, docker=MemoryDocker(refused=[b"ip-masq"])), wishes())
    assert files.contents[DAEMON_JSON] == BIP


def test_a_dockerd_that_cannot_be_asked_is_told() -> None:
    advice = write_switch(docker_host(docker=MemoryDocker(validates=False)), wishes())
    assert advice.notes == ("dockerd is not there, or too old, to check the new file",)


def test_a_file_that_cannot_be_written_leaves_nothing_to_undo() -> None:
    files = disk()
    files.refusals[DAEMON_JSON] = HostError("cannot write: it is a link out of its folder")
    on = docker_host(files=files)
    with pytest.raises(HostError, match="a link"):
        write_switch(on, wishes())
    assert [record.data["state"] for record in on.machine.history.records()] == ["rolled back"]


def test_a_broken_file_is_refused_with_its_place() -> None:
    with pytest.raises(ConfigError, match="line 1, column 12"):
        advise(docker_host(files=disk(b'{"bip": "x"')), wishes())

"""natfix net, leases and lease as commands, on a store that needs nothing: a file."""

import json
from pathlib import Path

import pytest

from tests.unit.cli.program import Program

HOST_GW = '{"Network": "172.7.0.0/16", "Backend": {"Type": "host-gw"}}'
VXLAN = '{"Network": "172.7.0.0/16", "Backend": {"Type": "vxlan", "Directrouting": true}}'
SMALL = '{"Network": "172.7.0.0/22", "Backend": {"Type": "host-gw"}}'


@pytest.fixture
def file(tmp_path: Path) -> tuple[str, str]:
    """The options that name a store."""
    return "--lease-file", str(tmp_path / "leases.json")


@pytest.fixture
def network(natfix: Program, file: tuple[str, str]) -> tuple[str, str]:
    """The same, with a network."""
    assert natfix("net", "set", HOST_GW, *file).code == 0
    return file


def test_a_network_is_set_shown_and_replaced(natfix: Program, file: tuple[str, str]) -> None:
    assert natfix("net", "show", *file) == (1, "nobody has configured a network yet; natfix net set does\n", "")
    ended = natfix("net", "set", HOST_GW, *file)
    assert (ended.code, ended.complaint) == (0, "")
    assert "the network is configured" in ended.output
    ended = natfix("net", "set", "-", *file, "--format", "json", stdin=VXLAN.encode())
    document = json.loads(ended.output)
    assert (document["done"], document["before"], document["network"]["backend"]["DirectRouting"]) == (True, HOST_GW, True)
    shown = natfix("net", "show", *file)
    assert shown.code == 0
    assert "backend vxlan: VNI 1, Port 0, GBP off, Learning off, DirectRouting on\n" in shown.output


def test_a_dry_run_changes_nothing(natfix: Program, network: tuple[str, str]) -> None:
    before = Path(network[1]).read_bytes()
    assert "natfix net set would write this\n" in natfix("net", "set", VXLAN, "--dry-run", *network).output
    assert natfix("lease", "reserve", "172.7.30.0/24", "--dry-run", *network).output == "172.7.30.0/24 would be reserved\n"
    assert Path(network[1]).read_bytes() == before


def test_a_network_that_cannot_be_is_refused_with_the_reason(natfix: Program, file: tuple[str, str]) -> None:
    ended = natfix("net", "set", '{"Network": "172.7.0.0/16"}', *file)
    assert (ended.code, ended.output) == (2, "")
    assert "Backend is missing" in ended.complaint
    assert not Path(file[1]).exists()


def test_leases_are_reserved_shown_and_released(natfix: Program, network: tuple[str, str]) -> None:
    assert natfix("lease", "reserve", "172.7.30.0/24", "--for", "10.4.7.30", *network).code == 0
    ended = natfix("leases", *network)
    assert ended == (
        0,
        "172.7.30.0/24  10.4.7.30  host-gw  reserved\n255 subnets in 172.7.0.0/16: 0 leased, 1 reserved, 254 free\n",
        "",
    )
    document = json.loads(natfix("leases", "--no-expiry", "--format", "json", *network).output)
    assert [lease["public_ip"] for lease in document["leases"]] == ["10.4.7.30"]
    ended = natfix("lease", "release", "172.7.30.0/24", "--format", "json", *network)
    assert json.loads(ended.output)["outcome"] == "done"
    assert natfix("lease", "release", "172.7.30.0/24", *network).code == 2


def test_a_network_that_runs_out_ends_with_1(natfix: Program, file: tuple[str, str]) -> None:
    assert natfix("net", "set", SMALL, *file).code == 0
    assert natfix("lease", "reserve", "172.7.0.0/22", *file).code == 0
    ended = natfix("leases", *file)
    assert ended.code == 1
    assert "no /24 is free in 172.7.0.0/22" in ended.output


def test_what_somebody_holds_ends_with_3(natfix: Program, network: tuple[str, str]) -> None:
    assert natfix("lease", "reserve", "172.7.30.0/24", *network).code == 0
    ended = natfix("lease", "reserve", "172.7.16.0/20", *network)
    assert ended.code == 3
    assert "holds 172.7.30.0/24; nothing was changed" in ended.complaint


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["net", "set"], "natfix net set needs the configuration"),
        (["net", "show", HOST_GW], "natfix net show takes no configuration"),
        (["lease", "reserve", "172.7.30.0/24", "--held"], "--held belongs to natfix lease release"),
        (["lease", "release", "172.7.30.0/24", "--for", "10.4.7.30"], "--for belongs to natfix lease reserve"),
        (["lease", "reserve", "172.7.30.1/24"], "'172.7.30.1/24' is no subnet"),
        (["lease", "reserve", "172.7.30.0/24", "--for", "node-30"], "'node-30' is no address of a host"),
        (["leases", "--kube-subnet-mgr"], "not in both"),
    ],
)
def test_words_that_make_no_sense_are_refused(
    natfix: Program, network: tuple[str, str], words: list[str], complaint: str
) -> None:
    ended = natfix(*words, *network)
    assert (ended.code, ended.output) == (2, "")
    assert complaint in ended.complaint


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--etcd-endpoints", "127.0.0.1:2379"], "is no address of etcd"),
        (["--etcd-cafile", "/ca.pem"], "would be spoken to in plain text"),
        (["--etcd-prefix", "network"], "is no prefix of keys"),
        (["--etcd-endpoints", "http://127.0.0.1:1"], "etcd does not answer: http://127.0.0.1:1: Connection refused"),
    ],
)
def test_a_store_that_cannot_be_used_is_told(natfix: Program, words: list[str], complaint: str) -> None:
    ended = natfix("leases", *words)
    assert (ended.code, ended.output) == (2, "")
    assert complaint in ended.complaint


def test_where_leases_live_is_read_from_flannels_variables(
    natfix: Program, network: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLANNELD_ETCD_ENDPOINTS", "http://127.0.0.1:1")
    assert "http://127.0.0.1:1" in natfix("leases").complaint
    monkeypatch.setenv("NATFIX_LEASE_FILE", network[1])
    assert natfix("leases").code == 0

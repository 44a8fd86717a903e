"""natfix/app/network.py: the network's configuration, on the twin of a store."""

from ipaddress import IPv4Address, IPv4Network

import pytest

from natfix.app.network import configure, show
from natfix.errors import ConfigError, ConflictError, HostError
from natfix.host.memory.leases import MemoryLeaseStore
from natfix.routing.lease import Attributes
from natfix.routing.subnet import Subnet

HOST_GW = '{"Network": "172.7.0.0/16", "Backend": {"Type": "host-gw"}}'
VXLAN = '{"Network": "172.7.0.0/16", "Backend": {"Type": "vxlan"}}'
SUBNET = Subnet(IPv4Network("172.7.21.0/24"))
HOST = Attributes(IPv4Address("10.4.7.21"), backend_type="host-gw")


def test_what_is_there_is_shown() -> None:
    report = show(MemoryLeaseStore(HOST_GW))
    assert report.config is not None
    assert (report.text, str(report.config.networks[0]), report.right) == (HOST_GW, "172.7.0.0/16", True)


def test_none_is_not_right_and_no_error() -> None:
    report = show(MemoryLeaseStore())
    assert (report.text, report.right) == (None, False)


def test_what_no_host_could_work_with_is_shown_with_the_reason() -> None:
    report = show(MemoryLeaseStore('{"Network": "172.7.0.0/16"}'))
    assert not report.right
    assert "Backend is missing" in report.problem


def test_a_configuration_is_written_as_it_is_given() -> None:
    store = MemoryLeaseStore()
    report = configure(store, HOST_GW, dry_run=False)
    assert (report.done, report.before, store.config()) == (True, None, HOST_GW)
    assert '+  "Network": "172.7.0.0/16",' in report.diff


def test_a_second_time_there_is_nothing_to_do() -> None:
    store = MemoryLeaseStore(HOST_GW)
    before = store.snapshot().revision
    report = configure(store, HOST_GW, dry_run=False)
    assert (report.done, report.diff, store.snapshot().revision) == (False, (), before)


def test_a_dry_run_shows_the_same_and_writes_nothing() -> None:
    store = MemoryLeaseStore(HOST_GW)
    planned = configure(store, VXLAN, dry_run=True)
    assert (planned.done, store.config()) == (False, HOST_GW)
    assert planned.diff == configure(store, VXLAN, dry_run=False).diff
    assert store.config() == VXLAN


def test_the_diff_shows_what_was_there_even_if_it_was_no_json() -> None:
    assert "-not json" in configure(MemoryLeaseStore("not json"), HOST_GW, dry_run=True).diff
    deep = "[" * 100_000
    assert f"-{deep}" in configure(MemoryLeaseStore(deep), HOST_GW, dry_run=True).diff


def test_what_no_host_could_work_with_is_never_written() -> None:
    store = MemoryLeaseStore(HOST_GW)
    with pytest.raises(ConfigError, match="Backend is missing"):
        configure(store, '{"Network": "172.7.0.0/16"}', dry_run=False)
    assert store.config() == HOST_GW


def test_another_configuration_meanwhile_stays() -> None:
    class Racing(MemoryLeaseStore):
        def configure(self, text: str, *, expected: str | None) -> None:
            super().configure("somebody else's", expected=expected)
            super().configure(text, expected=expected)

    store = Racing(HOST_GW)
    with pytest.raises(ConflictError):
        configure(store, VXLAN, dry_run=False)
    assert store.config() == "somebody else's"


def test_hosts_that_would_have_to_move_are_told_of() -> None:
    store = MemoryLeaseStore(HOST_GW)
    store.create(SUBNET, HOST, seconds=600)
    store.reserve(Subnet(IPv4Network("172.7.30.0/24")))
    (note,) = configure(store, HOST_GW.replace("172.7", "172.8"), dry_run=True).notes
    assert note.startswith("1 of 1 hosts hold a subnet that the network does not have, such as 172.7.21.0/24")
    assert configure(store, HOST_GW.replace("/16", "/12").replace("172.7", "172.0"), dry_run=True).notes == ()


def test_hosts_that_still_use_another_backend_are_told_of() -> None:
    store = MemoryLeaseStore(HOST_GW)
    store.create(SUBNET, HOST, seconds=600)
    (note,) = configure(store, VXLAN, dry_run=True).notes
    assert note.startswith("1 of 1 hosts still use host-gw")


def test_what_says_nothing_is_told() -> None:
    assert "x is nothing that flannel knows" in configure(MemoryLeaseStore(), HOST_GW[:-1] + ', "x": 1}', dry_run=True).notes


def test_a_store_that_does_not_answer_is_an_error() -> None:
    store = MemoryLeaseStore(HOST_GW)
    store.go_away()
    with pytest.raises(HostError):
        show(store)
    with pytest.raises(HostError):
        configure(store, VXLAN, dry_run=False)

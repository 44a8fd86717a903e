"""natfix/audit/kernel.py: settings, addresses and counters, where somebody told them."""

from dataclasses import replace
from typing import Any

import pytest

from natfix.audit import HostFacts, Subject
from natfix.audit.kernel import bridge_netfilter_off, foreign_address, forwarding_off, ports_under_pressure, strict_reverse_path
from natfix.audit.subject import subject_of
from natfix.ruleset import Family, parse, parse_network
from tests.unit.audit.subjects import CORRECTED

IPV6 = "-s fd00:7:21::/64 ! -d fd00:7::/32 ! -o docker0 -j MASQUERADE"


def told(*rules: str, family: Family = Family.IPV4, kube: str = "", **facts: Any) -> Subject:  # noqa: ANN401  (JSON)
    chain = f":{kube} - [0:0]\n" if kube else ""
    nat = "".join(f"-A POSTROUTING {rule}\n" for rule in rules or (CORRECTED if family is Family.IPV4 else IPV6,))
    text = f"*nat\n:POSTROUTING ACCEPT [0:0]\n{chain}{nat}COMMIT\n"
    cluster = map(parse_network, ("172.7.0.0/16", "fd00:7::/32"))
    made = subject_of(parse(text.encode(), "x", family), family, cluster, HostFacts.from_json(facts, "x"))
    assert made is not None
    return made


def test_forwarding_that_is_off_is_named_by_its_setting() -> None:
    (hit,) = forwarding_off(told(settings={"net.ipv4.ip_forward": "0"}))
    assert (str(hit.rule), hit.table) == ("net.ipv4.ip_forward = 0", "sysctl")
    assert hit.message == "packets of 172.7.21.0/24 leave this host for nowhere, and none come in"
    (hit,) = forwarding_off(told(family=Family.IPV6, settings={"net.ipv6.conf.all.forwarding": "0"}))
    assert str(hit.rule) == "net.ipv6.conf.all.forwarding = 0"


def test_forwarding_that_is_on_unknown_or_of_no_use_is_passed_over() -> None:
    off = {"net.ipv4.ip_forward": "0"}
    assert list(forwarding_off(told(settings={"net.ipv4.ip_forward": "1"}))) == []
    assert list(forwarding_off(told())) == []
    assert list(forwarding_off(told("-o eth0 -j MASQUERADE", settings=off))) == []


@pytest.mark.parametrize(("family", "name"), [(Family.IPV4, "iptables"), (Family.IPV6, "ip6tables")])
def test_bridges_must_show_iptables_what_they_switch_where_kube_proxy_works(family: Family, name: str) -> None:
    setting = f"net.bridge.bridge-nf-call-{name}"
    for chain in ("KUBE-SERVICES", "KUBE-POSTROUTING"):
        (hit,) = bridge_netfilter_off(told(family=family, kube=chain, settings={setting: "0"}))
        assert str(hit.rule) == f"{setting} = 0"
        assert list(bridge_netfilter_off(told(family=family, kube=chain, settings={setting: "1"}))) == []
        assert list(bridge_netfilter_off(told(family=family, kube=chain))) == []
        assert list(bridge_netfilter_off(told("-o eth0 -j ACCEPT", family=family, kube=chain, settings={setting: "0"}))) == []
    assert list(bridge_netfilter_off(told(family=family, settings={setting: "0"}))) == []


def test_kube_proxy_may_keep_its_chains_in_the_other_backend() -> None:
    off = {"net.bridge.bridge-nf-call-iptables": "0"}
    kube, six = told(kube="KUBE-SERVICES"), told(family=Family.IPV6, kube="KUBE-SERVICES")
    assert len(list(bridge_netfilter_off(replace(told(settings=off), beside=(kube.table,))))) == 1
    assert list(bridge_netfilter_off(replace(told(settings=off), beside=(six.table,)))) == []


WIDE = {"to": "172.7.0.0/16", "via": "10.4.7.1", "device": "eth0"}
STRICT = {"all": "1", "eth0": "1"}
NARROW = {"to": "172.7.22.0/24", "via": "10.9.0.22", "device": "tun0"}


@pytest.mark.parametrize("settings", [{"all": "1", "eth0": "0"}, {"all": "1", "eth0": "1"}, {"all": "0", "eth0": "1"}])
def test_a_strict_device_may_drop_what_is_answered_by_another(settings: dict[str, str]) -> None:
    named = {f"net.ipv4.conf.{device}.rp_filter": value for device, value in settings.items()}
    (hit,) = strict_reverse_path(told(settings=named, routes=[WIDE, NARROW]))
    assert (str(hit.rule), hit.certain) == ("net.ipv4.conf.eth0.rp_filter = 1", False)
    assert hit.message == "drops what comes in by eth0 from 172.7.22.0/24, whose route leaves by tun0"


@pytest.mark.parametrize(
    ("settings", "routes"),
    [
        ({"all": "1", "eth0": "2"}, [WIDE, NARROW]),
        ({}, [WIDE, NARROW]),
        ({"all": "1"}, [WIDE, NARROW]),
        ({"eth0": "1"}, [WIDE, NARROW]),
        (STRICT, [{**WIDE, "to": "0.0.0.0/0"}, NARROW]),
        (STRICT, [WIDE, {**NARROW, "to": "172.7.21.0/24", "via": "", "device": "docker0"}]),
        (STRICT, [WIDE, {**NARROW, "to": "172.7.22.9/32", "via": "", "device": "cali1"}]),
        (STRICT, [WIDE, {**NARROW, "device": "eth0"}]),
        (STRICT, [WIDE, {**WIDE, "device": "eth1"}]),
        (STRICT, [{**WIDE, "to": "10.0.0.0/8"}, {**NARROW, "to": "10.9.0.0/24"}]),
        (STRICT, [WIDE, {**NARROW, "to": "fd00:7:22::/64"}]),
    ],
)
def test_a_device_that_is_loose_or_answers_itself_is_passed_over(
    settings: dict[str, str], routes: list[dict[str, str]]
) -> None:
    named = {f"net.ipv4.conf.{device}.rp_filter": value for device, value in settings.items()}
    assert list(strict_reverse_path(told(settings=named, routes=routes))) == []


def test_one_pod_behind_a_gateway_is_on_another_host() -> None:
    settings = {f"net.ipv4.conf.{device}.rp_filter": value for device, value in STRICT.items()}
    assert list(strict_reverse_path(told(settings=settings, routes=[WIDE, {**NARROW, "to": "172.7.22.9/32"}]))) != []


def test_ipv6_knows_no_reverse_path_filter() -> None:
    routes = [{**WIDE, "to": "fd00:7::/32"}, {**NARROW, "to": "fd00:7:22::/64"}]
    settings = {"net.ipv4.conf.all.rp_filter": "1", "net.ipv4.conf.eth0.rp_filter": "1"}
    assert list(strict_reverse_path(told(family=Family.IPV6, settings=settings, routes=routes))) == []


def test_ports_picked_in_order_matter_where_connections_were_lost() -> None:
    (hit,) = ports_under_pressure(told(counters={"insert_failed": 12}))
    assert hit.message == "picks source ports in order; 12 connections found theirs taken (insert_failed)"
    for rules in (
        [f"{CORRECTED} --random-fully"],
        [f"{CORRECTED} --random"],
        ["-s 192.168.7.0/24 -j MASQUERADE"],
        ["-j MASQUERADE"],
    ):
        assert list(ports_under_pressure(told(*rules, counters={"insert_failed": 12}))) == []
    assert list(ports_under_pressure(told(counters={"insert_failed": 0}))) == []


ADDRESSES = {"eth0": ["10.4.7.21/24", "fd00::21/64"], "docker0": ["172.7.21.1/24"]}
SNAT = "-s 172.7.21.0/24 ! -d 172.7.0.0/16 -j SNAT --to-source "


def test_an_address_that_no_device_has_is_foreign() -> None:
    (hit,) = foreign_address(told(f"{SNAT}10.4.7.20", addresses=ADDRESSES))
    assert (hit.message, hit.certain) == ("gives packets the address 10.4.7.20, which no device of this host has", False)


@pytest.mark.parametrize("value", ["10.4.7.21", "10.4.7.30-10.4.7.39", "10.4.7.20:1024-65535"])
def test_an_address_of_the_host_a_range_and_ports_are_passed_over(value: str) -> None:
    assert list(foreign_address(told(f"{SNAT}{value}", addresses=ADDRESSES))) == []


def test_without_addresses_or_without_snat_nothing_is_foreign() -> None:
    assert list(foreign_address(told(f"{SNAT}10.4.7.20"))) == []
    assert list(foreign_address(told(f"{SNAT}10.4.7.20", addresses={"eth0": ["fd00::21/64"]}))) == []
    assert list(foreign_address(told(addresses=ADDRESSES))) == []

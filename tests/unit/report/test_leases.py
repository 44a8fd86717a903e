"""natfix/report/leases.py: who holds which subnet, for people and for programs."""

import json
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path

import jsonschema
import pytest

from natfix.report.leases import LeaseReport, LeasesReport, lease_document, lease_lines, leases_document, leases_lines
from natfix.report.lines import plain
from natfix.routing.capacity import measure
from natfix.routing.lease import Attributes, Lease
from natfix.routing.network import NetworkConfig
from natfix.routing.subnet import Subnet

SCHEMAS = Path(__file__).parents[3] / "docs" / "schemas"
NOW = 1_900_000_000.0
CONFIG = NetworkConfig.parse('{"Network": "172.7.0.0/16", "Backend": {"Type": "vxlan"}}')
TINY = NetworkConfig.parse('{"Network": "172.7.0.0/22", "Backend": {"Type": "vxlan"}}')
VXLAN = Attributes(
    IPv4Address("10.4.7.22"), IPv6Address("fd00:4:7::22"), "vxlan", {"VNI": 1, "VtepMAC": "c6:d2:32:6f:8f:44"}, {"VNI": 1}
)
HELD = Lease(Subnet(IPv4Network("172.7.2.0/24"), IPv6Network("fd00:7:2::/64")), VXLAN, 7, expires=NOW + 90000)
LATE = Lease(Subnet(IPv4Network("172.7.1.0/24")), Attributes(IPv4Address("10.4.7.21"), backend_type="vxlan"), 6, expires=NOW)
UNASKED = replace(LATE, expires=None)
NOBODYS = Lease(Subnet(IPv4Network("172.7.3.0/24")), revision=8, reserved=True)
KEPT = Lease(Subnet(IPv4Network("172.7.3.0/24")), Attributes(IPv4Address("10.4.7.23")), 8, reserved=True)
STRAY = Lease(Subnet(IPv4Network("10.9.1.0/24")), VXLAN, 9)


def report(*leases: Lease, config: NetworkConfig = CONFIG) -> LeasesReport:
    return LeasesReport(leases, measure(config, leases, NOW))


def lines(found: LeasesReport) -> list[str]:
    return plain(leases_lines(found)).splitlines()


def test_leases_stand_in_columns_under_each_other() -> None:
    assert lines(report(LATE, HELD, NOBODYS)) == [
        "172.7.1.0/24                    10.4.7.21               vxlan  until 2030-03-17 17:46:40 UTC",
        "172.7.2.0/24 and fd00:7:2::/64  10.4.7.22,fd00:4:7::22  vxlan  until 2030-03-18 18:46:40 UTC",
        "172.7.3.0/24                                                   reserved",
        "255 subnets in 172.7.0.0/16: 2 leased (1 of them overdue), 1 reserved, 252 free",
    ]


def test_a_lease_of_which_nobody_asked_until_when_has_no_time() -> None:
    assert lines(report(UNASKED))[0] == "172.7.1.0/24  10.4.7.21  vxlan"


def test_a_network_without_leases_has_room() -> None:
    found = report()
    assert lines(found) == ["255 subnets in 172.7.0.0/16: 0 leased, 0 reserved, 255 free"]
    assert found.right


def test_a_network_that_runs_out_is_warned_of() -> None:
    found = report(LATE, HELD, NOBODYS, config=TINY)
    assert lines(found)[-1].startswith("no /24 is free in 172.7.0.0/22.")
    assert not found.right


def test_leases_outside_the_network_are_counted() -> None:
    assert lines(report(STRAY))[-1].endswith("255 free, 1 outside the network")


def test_what_is_no_lease_is_told_without_what_a_terminal_would_act_on() -> None:
    found = LeasesReport((), None, ("\x1b[2Jx is no key of a subnet",), ("there is no network",))
    assert lines(found) == ["not a lease: \N{REPLACEMENT CHARACTER}[2Jx is no key of a subnet", "note: there is no network"]
    assert not found.right


@pytest.mark.parametrize(
    ("done", "text"),
    [
        (
            LeaseReport("reserve", "done", KEPT),
            ["172.7.3.0/24 is now reserved for 10.4.7.23", "undo with: natfix lease release 172.7.3.0/24"],
        ),
        (LeaseReport("reserve", "planned", NOBODYS), ["172.7.3.0/24 would be reserved"]),
        (LeaseReport("reserve", "nothing", NOBODYS), ["172.7.3.0/24 is already reserved"]),
        (
            LeaseReport("release", "done", KEPT),
            ["172.7.3.0/24 is now free", "undo with: natfix lease reserve 172.7.3.0/24 --for 10.4.7.23"],
        ),
        (
            LeaseReport("release", "done", NOBODYS),
            ["172.7.3.0/24 is now free", "undo with: natfix lease reserve 172.7.3.0/24"],
        ),
        (LeaseReport("release", "done", HELD), ["172.7.2.0/24 and fd00:7:2::/64 is now free"]),
        (LeaseReport("release", "planned", KEPT), ["172.7.3.0/24 would be free"]),
    ],
)
def test_what_was_done_is_said_with_the_way_back(done: LeaseReport, text: list[str]) -> None:
    assert plain(lease_lines(done)).splitlines() == text
    schema = json.loads((SCHEMAS / "lease-1.json").read_text())
    document = json.loads(json.dumps(lease_document(done)))
    jsonschema.validate(document, schema)
    assert (document["verb"], document["outcome"]) == (done.verb, done.outcome)


def test_every_document_of_leases_is_of_the_schema() -> None:
    schema = json.loads((SCHEMAS / "leases-1.json").read_text())
    for found in (report(LATE, HELD, NOBODYS), report(), LeasesReport((UNASKED,), None, ("x",), ("y",))):
        jsonschema.validate(json.loads(json.dumps(leases_document(found))), schema)


def test_a_lease_is_told_whole() -> None:
    (told,) = leases_document(report(HELD))["leases"]
    assert told == {
        "ipv4": "172.7.2.0/24",
        "ipv6": "fd00:7:2::/64",
        "public_ip": "10.4.7.22",
        "public_ipv6": "fd00:4:7::22",
        "backend": "vxlan",
        "backend_data": {"VNI": 1, "VtepMAC": "c6:d2:32:6f:8f:44"},
        "backend_v6_data": {"VNI": 1},
        "reserved": False,
        "expires": "2030-03-18T18:46:40+00:00",
    }

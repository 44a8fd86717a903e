"""natfix/routing/lease_codec.py: leases as flannel's stores hold them, in all shapes there have been."""

from ipaddress import IPv4Address, IPv6Address

import pytest

from natfix.errors import ConfigError
from natfix.routing.lease import Attributes, Lease
from natfix.routing.lease_codec import Entry, decode_attributes, decode_entry, encode_attributes, take_snapshot
from natfix.routing.subnet import Subnet

HOST = IPv4Address("10.4.7.21")
VTEP = {"VNI": 1, "VtepMAC": "c6:d2:32:6f:8f:44"}
SHAPES = [
    ('{"PublicIP":"10.4.7.21","BackendType":"host-gw"}', Attributes(HOST, None, "host-gw")),
    ('{"PublicIP":"10.4.7.21","PublicIPv6":null,"BackendType":"host-gw"}', Attributes(HOST, None, "host-gw")),
    (
        '{"PublicIP":"10.4.7.21","BackendType":"vxlan","BackendData":{"VtepMAC":"c6:d2:32:6f:8f:44"}}',
        Attributes(HOST, None, "vxlan", {"VtepMAC": "c6:d2:32:6f:8f:44"}),
    ),
    (
        '{"PublicIP":"10.4.7.21","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"c6:d2:32:6f:8f:44"}}',
        Attributes(HOST, None, "vxlan", VTEP),
    ),
    (
        (
            '{"PublicIP":"10.4.7.21","PublicIPv6":"fd00::21","BackendType":"vxlan",'
            '"BackendData":{"VNI":1,"VtepMAC":"c6:d2:32:6f:8f:44"},"BackendV6Data":{"VNI":1,"VtepMAC":"c6:d2:32:6f:8f:44"}}'
        ),
        Attributes(HOST, IPv6Address("fd00::21"), "vxlan", VTEP, VTEP),
    ),
    ('{"PublicIP":"0.0.0.0","PublicIPv6":"fd00::21"}', Attributes(None, IPv6Address("fd00::21"))),
    ('{"PublicIP":"0.0.0.0","PublicIPv6":null}', Attributes()),
]


@pytest.mark.parametrize(("text", "attributes"), SHAPES)
def test_every_shape_is_read(text: str, attributes: Attributes) -> None:
    assert decode_attributes(text) == attributes
    assert decode_attributes(text.encode()) == attributes


@pytest.mark.parametrize("name", ["PublicIP", "BackendType", "BackendData"])
@pytest.mark.parametrize(("text", "attributes"), SHAPES)
def test_names_count_in_any_case_and_others_do_not_count(text: str, attributes: Attributes, name: str) -> None:
    assert decode_attributes(text.replace(f'"{name}"', f'"{name.upper()}"')) == attributes
    assert decode_attributes(text.replace("{", '{"Since":2019,', 1)) == attributes


@pytest.mark.parametrize(("text", "attributes"), [pair for pair in SHAPES if "PublicIPv6" in pair[0]])
def test_the_shapes_since_dual_stack_are_written_byte_for_byte(text: str, attributes: Attributes) -> None:
    assert encode_attributes(attributes) == text


@pytest.mark.parametrize("text", ["{}", '{"PublicIP":null}', '{"PublicIP":"","PublicIPv6":"::"}', '{"unknown":1}'])
def test_a_value_may_say_nothing(text: str) -> None:
    assert decode_attributes(text) == Attributes()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is no JSON"),
        ("[]", "is no JSON object"),
        ('{"PublicIP":"10.4.7"}', "is no IPv4 address"),
        ('{"PublicIP":7}', "is no text in quotes"),
        ('{"PublicIPv6":"10.4.7.21"}', "is no IPv6 address"),
        ('{"BackendType":1}', "is no text in quotes"),
        ('{"BackendData":"x"}', "is no JSON object"),
        ('{"BackendV6Data":[]}', "is no JSON object"),
    ],
)
def test_what_no_flannel_writes_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        decode_attributes(text)


def test_an_entry_becomes_a_lease_with_all_that_is_known_of_it() -> None:
    entry = Entry("172.7.21.0-24", SHAPES[0][0], revision=7, expires=1000.5)
    assert decode_entry(entry) == (Lease(Subnet.parse_key(entry.key), SHAPES[0][1], revision=7, expires=1000.5), None)


def test_a_value_nobody_can_read_keeps_its_subnet_from_everybody() -> None:
    lease, problem = decode_entry(Entry("172.7.21.0-24", "nonsense", revision=7))
    assert lease == Lease(Subnet.parse_key("172.7.21.0-24"), revision=7, reserved=True)
    assert problem is not None
    assert problem.startswith("the lease of 172.7.21.0/24 is no JSON")


def test_a_snapshot_is_sorted_and_tells_what_it_could_not_read() -> None:
    entries = [
        Entry("172.7.100.0-24", SHAPES[1][0]),
        Entry("172.7.22.0-24", "nonsense"),
        Entry("strange", SHAPES[1][0]),
        Entry("172.7.21.0-24", SHAPES[1][0], reserved=True),
    ]
    snapshot = take_snapshot(entries, 42)
    assert [(str(lease.subnet), lease.reserved) for lease in snapshot.leases] == [
        ("172.7.21.0/24", True),
        ("172.7.22.0/24", True),
        ("172.7.100.0/24", False),
    ]
    assert snapshot.revision == 42
    assert [text.partition(" is no ")[0] for text in snapshot.unreadable] == ["the lease of 172.7.22.0/24", "'strange'"]

"""natfix/ruleset/written.py: addresses in the words of rules, and what iptables would not take for one."""

import pytest

from natfix.ruleset import Family, Rule
from natfix.ruleset.options import OptionError
from natfix.ruleset.written import addresses_in, check_addresses, without_ports, written_family


@pytest.mark.parametrize(
    "text",
    ["10.0.0.1", "10.0.0.0/8", "10.0.0.0/255.0.255.0", "10.0.0.1/32", "0/0", "10/8", "0.0.0.0/0", "172.7/255.255.0.0"],
)
def test_what_iptables_takes_for_an_address_of_ipv4(text: str) -> None:
    assert written_family(text) is Family.IPV4


@pytest.mark.parametrize("text", ["::", "fd00::1", "fd00::/8", "fd00::/128", "fd00::1/ffff::ffff", "::ffff:10.0.0.1/96"])
def test_what_ip6tables_takes_for_an_address(text: str) -> None:
    assert written_family(text) is Family.IPV6


@pytest.mark.parametrize(
    "text",
    ["", "node1", "node1.example.org/24", "999.0.0.1", "10.0.0.256", "10..0.1", "10.0.0.0.1", "10.0.0.0/33", "10.0.0.0/",
     "10.0.0.0/x", "10.0.0.0/-1", "fd00::/129", "fd00:::1", "fd00::/255.0.0.0", "g::1", "10.0.0.1:80"],
)  # fmt: skip
def test_what_neither_takes(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  (whatever ipaddress says)
        written_family(text)


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        ("-s 10.0.0.0/8,11.0.0.0/8 -j X", ["10.0.0.0/8", "11.0.0.0/8"]),
        ("! -d fd00::/8 -j X", ["fd00::/8"]),
        ("-m iprange --src-range 10.0.0.1-10.0.0.9 -j X", ["10.0.0.1", "10.0.0.9"]),
        ("-j SNAT --to-source 10.0.0.1-10.0.0.9:80-90", ["10.0.0.1", "10.0.0.9"]),
        ("-j SNAT --to-source :80-90", []),
        ("-p tcp -j DNAT --to-destination [fd00::1]:80", ["fd00::1"]),
        ("-j NETMAP --to 10.9.0.0/24", ["10.9.0.0/24"]),
        ("-m string --string x --algo bm --to 100 -j X", []),
        ("-p tcp -m tcp --dport 80 -j MASQUERADE", []),
    ],
)
def test_each_address_that_options_name(spec: str, found: list[str]) -> None:
    assert [each for option in Rule("X", spec).options for each in addresses_in(option)] == found


@pytest.mark.parametrize(
    ("text", "addresses", "ports"),
    [
        ("10.0.0.1", "10.0.0.1", ""),
        ("10.0.0.1-10.0.0.9:80-90", "10.0.0.1-10.0.0.9", "80-90"),
        ("fd00::1", "fd00::1", ""),
        ("[fd00::1]", "fd00::1", ""),
        ("[fd00::1-fd00::9]:80", "fd00::1-fd00::9", "80"),
        (":80", "", "80"),
    ],
)
def test_addresses_are_parted_from_ports(text: str, addresses: str, ports: str) -> None:
    assert without_ports(text) == (addresses, ports)


@pytest.mark.parametrize(
    ("spec", "family", "problem", "pointed"),
    [
        ("-s node1 -j X", None, "node1 is no address, and no network, that iptables-save prints", "node1"),
        ("-s 10.0.0.1,10.0.0.1/x -j X", None, "10.0.0.1/x is no address", "10.0.0.1/x"),
        ("! -d fd00::/8 -j X", Family.IPV4, "an address of IPv6 stands in a table of IPv4", "fd00::/8"),
        ("-j SNAT --to-source 10.0.0.1:80", Family.IPV6, "an address of IPv4 stands in a table of IPv6", "10.0.0.1:80"),
    ],
)
def test_what_is_wrong_is_pointed_at(spec: str, family: Family | None, problem: str, pointed: str) -> None:
    with pytest.raises(OptionError) as caught:
        check_addresses(Rule("X", spec).options, family)
    assert str(caught.value).startswith(problem)
    assert caught.value.column == spec.index(pointed)


def test_what_is_right_is_let_pass() -> None:
    check_addresses(Rule("X", "-s 10.0.0.0/8 ! -d 10/8 -j SNAT --to-source 10.0.0.1").options, Family.IPV4)

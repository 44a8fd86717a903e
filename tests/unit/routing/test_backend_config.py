"""natfix/routing/backend_config.py: the backend of a network's configuration."""

import json

import pytest

from natfix.errors import ConfigError
from natfix.routing.backend_config import Backend, HostGw, Vxlan, check_mtu, read_backend
from natfix.routing.fields import Fields


def backend(**said: object) -> Backend:
    return read_backend(Fields.of(said, "the backend"))[0]


def problem(**said: object) -> ConfigError:
    with pytest.raises(ConfigError) as error:
        backend(**said)
    return error.value


@pytest.mark.parametrize("name", ["host-gw", "HOST-GW", "Host-Gw"])
def test_a_type_is_known_in_any_case(name: str) -> None:
    assert backend(type=name) == HostGw()


def test_vxlan_has_flannel_s_defaults() -> None:
    assert backend(Type="vxlan") == Vxlan(vni=1, port=0, mtu=None, gbp=False, learning=False, direct_routing=False)


def test_every_option_of_vxlan_is_read_as_the_article_and_as_flannel_spell_it() -> None:
    wanted = Vxlan(vni=7, port=4789, mtu=9000, gbp=True, learning=True, direct_routing=True)
    assert backend(Type="vxlan", VNI=7, Port=4789, MTU=9000, GBP=True, Learning=True, Directrouting=True) == wanted
    assert backend(type="vxlan", vni=7, port=4789, mtu=9000, gbp=True, learning=True, directRouting=True) == wanted


@pytest.mark.parametrize(
    "value", [HostGw(), Vxlan(), Vxlan(16777215, 65535, 65535, gbp=True, learning=True, direct_routing=True)]
)
def test_what_is_written_is_read_again(value: Backend) -> None:
    assert backend(**json.loads(json.dumps(value.to_fields()))) == value


@pytest.mark.parametrize("said", [{}, {"Type": ""}, {"Type": None}])
def test_a_missing_type_is_refused_with_the_choices(said: dict[str, object]) -> None:
    error = problem(**said)
    assert error.message == "the backend: Type is missing, so nobody knows how hosts reach each other"
    assert error.hint is not None
    assert '{"Type": "host-gw"}' in error.hint
    assert '{"Type": "vxlan", "DirectRouting": true}' in error.hint


@pytest.mark.parametrize("name", ["udp", "wireguard", "WireGuard", "ipip", "ipsec", "alloc", "extension", "tencent-vpc"])
def test_a_type_that_flannel_alone_serves_is_refused_as_such(name: str) -> None:
    error = problem(Type=name)
    assert error.message == f"the backend: Type {name} is one that flannel serves and natfix does not"
    assert error.hint is not None
    assert "host-gw" in error.hint


def test_a_type_that_nobody_serves_is_refused_as_such() -> None:
    assert problem(Type="hostgw").message == "the backend: Type hostgw is none that there is"


@pytest.mark.parametrize(
    ("said", "limits"),
    [
        ({"VNI": 0}, "1 to 16777215"),
        ({"VNI": 16777216}, "1 to 16777215"),
        ({"VNI": -1}, "1 to 16777215"),
        ({"Port": -1}, "0 to 65535"),
        ({"Port": 65536}, "0 to 65535"),
        ({"MTU": 0}, "118 to 65535"),
        ({"MTU": 65536}, "118 to 65535"),
    ],
)
def test_numbers_that_no_kernel_takes_are_refused(said: dict[str, int], limits: str) -> None:
    ((name, value),) = said.items()
    assert problem(Type="vxlan", **said).message == f"the backend: {name} {value} is out of range; the kernel takes {limits}"


def test_options_that_say_nothing_to_the_type_are_told() -> None:
    assert read_backend(Fields.of({"Type": "host-gw", "DirectRouting": True}, ""))[1] == ("DirectRouting",)
    assert read_backend(Fields.of({"Type": "vxlan", "MacPrefix": "0E-2A", "vni": 2}, ""))[1] == ("MacPrefix",)


def test_an_mtu_must_leave_what_every_link_carries() -> None:
    check_mtu(HostGw(), 6, "here")
    check_mtu(Vxlan(), 6, "here")
    check_mtu(Vxlan(mtu=118), 4, "here")
    check_mtu(Vxlan(mtu=1350), 6, "here")
    with pytest.raises(ConfigError, match="MTU 1349 leaves 1279 bytes for a packet in the tunnel, and IPv6 needs 1280"):
        check_mtu(Vxlan(mtu=1349), 6, "here")

"""natfix/audit/facts.py: what is known of a host beside its rulesets, as a value with a JSON form."""

from typing import Any

import pytest

from natfix.audit.facts import HostFacts, Route
from natfix.errors import ConfigError
from natfix.ruleset import parse_network

WHOLE: dict[str, Any] = {
    "settings": {"net.ipv4.ip_forward": "1"},
    "addresses": {"eth0": ["10.4.7.21/24", "fd00::1/64"]},
    "routes": [{"to": "172.7.22.0/24", "via": "10.4.7.22", "device": "eth0"}],
    "saved": {"/etc/iptables/rules.v4": "*nat\nCOMMIT\n"},
    "counters": {"insert_failed": 3},
    "boot": {"docker.service": ["iptables.service"], "iptables.service": []},
    "daemon": {"ip-masq": False},
}


def test_facts_are_read_from_json_and_written_back() -> None:
    facts = HostFacts.from_json(WHOLE, "x")
    assert facts.routes == (Route(parse_network("172.7.22.0/24"), "10.4.7.22", "eth0"),)
    assert facts.addresses == {"eth0": ("10.4.7.21/24", "fd00::1/64")}
    assert facts.counters == {"insert_failed": 3}
    assert facts.boot["docker.service"] == ("iptables.service",)
    assert facts.to_json() == WHOLE


def test_what_is_left_out_is_not_known() -> None:
    assert HostFacts.from_json({}, "x") == HostFacts()
    assert HostFacts.from_json({"routes": [{"to": "10.0.0.0/8", "device": "eth0"}]}, "x").routes[0].gateway == ""


def test_a_setting_is_a_number_or_nobody_knows() -> None:
    facts = HostFacts(settings={"a": "1", "b": "cubic"})
    assert (facts.setting("a"), facts.setting("b"), facts.setting("c")) == (1, None, None)


@pytest.mark.parametrize(
    "data",
    [
        {"sysctls": {}},
        {"settings": []},
        {"settings": {"a": 1}},
        {"addresses": {"eth0": [1]}},
        {"routes": [{"to": "172.7.22.0/33", "device": "eth0"}]},
        {"routes": [{"to": "172.7.22.0/24"}]},
        {"counters": {"insert_failed": None}},
        {"boot": {"docker.service": [1]}},
        {"daemon": {"ip-masq": "false"}},
    ],
)
def test_what_is_no_fact_is_refused_with_the_name_of_its_source(data: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"^node1\.natfix: ") as caught:
        HostFacts.from_json(data, "node1.natfix")
    assert caught.value.hint is not None

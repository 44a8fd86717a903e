"""natfix/report/network.py: the network's configuration for people and for programs."""

import json
from pathlib import Path

import jsonschema

from natfix.report.lines import plain
from natfix.report.network import NetReport, net_document, net_lines
from natfix.routing.network import NetworkConfig

SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "schemas" / "net-1.json").read_text())
HOST_GW = '{"Network": "172.7.0.0/16", "Backend": {"Type": "host-gw"}}'
DUAL = (
    '{"Network": "172.7.0.0/16", "EnableIPv6": true, "IPv6Network": "fd00:7::/48", '
    '"Backend": {"Type": "vxlan", "DirectRouting": true}}'
)
DIFF = ("--- before", "+++ after", "-one", "+two")
SHOWN = NetReport("show", done=False, text=DUAL, config=NetworkConfig.parse(DUAL), notes=("something",))
NONE = NetReport("show", done=False, text=None)
BROKEN = NetReport("show", done=False, text="{\x1b[1m", problem="it is no JSON")
WRITTEN = NetReport("set", done=True, text=HOST_GW, config=NetworkConfig.parse(HOST_GW), before="it's", diff=DIFF)
FIRST = NetReport("set", done=True, text=HOST_GW, config=NetworkConfig.parse(HOST_GW), diff=DIFF)
PLANNED = NetReport("set", done=False, text=HOST_GW, config=NetworkConfig.parse(HOST_GW), before="one", diff=DIFF)
SAME = NetReport("set", done=False, text=HOST_GW, config=NetworkConfig.parse(HOST_GW), before=HOST_GW)


def lines(report: NetReport) -> list[str]:
    return plain(net_lines(report)).splitlines()


def test_what_is_there_is_shown_with_what_it_means() -> None:
    assert lines(SHOWN) == [
        "network 172.7.0.0/16: 255 subnets /24, 172.7.1.0 to 172.7.255.0",
        "network fd00:7::/48: 65535 subnets /64, fd00:7:0:1:: to fd00:7:0:ffff::",
        "backend vxlan: VNI 1, Port 0, GBP off, Learning off, DirectRouting on",
        f"    {DUAL}",
        "note: something",
    ]
    assert SHOWN.right


def test_a_network_that_nobody_has_configured_is_said() -> None:
    assert lines(NONE) == ["nobody has configured a network yet; natfix net set does"]
    assert not NONE.right


def test_what_cannot_be_used_is_shown_with_the_reason_and_without_what_a_terminal_would_act_on() -> None:
    assert lines(BROKEN) == ["    {\N{REPLACEMENT CHARACTER}[1m", "it is no JSON"]
    assert not BROKEN.right


def test_what_was_written_is_shown_with_the_way_back() -> None:
    network = ["network 172.7.0.0/16: 255 subnets /24, 172.7.1.0 to 172.7.255.0", "backend host-gw"]
    done = "the network is configured; each host takes it up when its agent starts anew"
    assert lines(WRITTEN) == [*DIFF, "", *network, done, """undo with: natfix net set 'it'"'"'s'"""]
    assert lines(FIRST) == [*DIFF, "", *network, done]


def test_what_would_be_written_is_said_to_be_no_more() -> None:
    assert lines(PLANNED)[-1] == "natfix net set would write this"
    assert lines(SAME)[-1] == "nothing to do: this is the network's configuration"


def test_every_document_is_of_the_schema() -> None:
    for report in (SHOWN, NONE, BROKEN, WRITTEN, FIRST, PLANNED, SAME):
        document = net_document(report)
        jsonschema.validate(json.loads(json.dumps(document)), SCHEMA)
        assert document["right"] == report.right
        assert document["text"] == report.text


def test_the_document_spells_every_default_out() -> None:
    network = net_document(SHOWN)["network"]
    assert network["pools"][0] == {
        "family": "ipv4",
        "network": "172.7.0.0/16",
        "subnet_len": 24,
        "subnet_min": "172.7.1.0",
        "subnet_max": "172.7.255.0",
        "count": 255,
    }
    assert network["backend"]["VNI"] == 1

"""IpSetListing: its twin, and the sets of a namespace."""

from collections.abc import Callable

import pytest

from natfix.app.ports import IpSetListing
from natfix.host.ipsets import HostIpSets
from natfix.host.memory.ipsets import MemoryIpSets
from natfix.packets.ipset import Entry, parse_ipsets
from tests.netns import command

Made = Callable[[str], IpSetListing]
KINDS = ["memory", pytest.param("host", marks=pytest.mark.kernel)]
SETS = """\
create pods hash:net family inet
add pods 172.7.0.0/16
create ends hash:ip,port family inet6
add ends fd07::2,tcp:80
"""


@pytest.fixture(params=KINDS)
def made(request: pytest.FixtureRequest) -> Made:
    """Put sets there."""
    if request.param == "host":
        request.getfixturevalue("netns")

    def give(text: str) -> IpSetListing:
        if request.param == "memory":
            return MemoryIpSets(text)
        command("ipset", "restore", data=text)
        return HostIpSets()

    return give


def test_a_host_without_sets_has_none(made: Made) -> None:
    text = made("").read()
    assert text is not None
    assert parse_ipsets(text, "ipset save") == {}


def test_every_set_is_listed_with_what_it_holds(made: Made) -> None:
    text = made(SETS).read()
    assert text is not None
    sets = parse_ipsets(text, "ipset save")
    assert {name: each.entries for name, each in sets.items()} == {
        "pods": (Entry(("172.7.0.0/16",)),),
        "ends": (Entry(("fd07::2", "tcp:80")),),
    }


def test_where_nothing_lists_sets_nobody_knows_them(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MemoryIpSets(None).read() is None
    monkeypatch.setattr("natfix.host.programs._SYSTEM_FOLDERS", ())
    monkeypatch.setenv("PATH", "/nowhere")
    assert HostIpSets().read() is None

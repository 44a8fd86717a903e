"""NftListing: its twin, and nft's own tables of a namespace."""

import threading
from collections.abc import Callable, Collection

import pytest

from natfix.app.ports import NftListing
from natfix.errors import HostError
from natfix.host.memory.nft import MemoryNftListing
from natfix.host.nft_listing import HostNftListing
from natfix.host.read_ahead import ReadAhead
from natfix.nft import parse_nft
from natfix.ruleset import Family
from tests.netns import command

Made = Callable[[str], NftListing]
KINDS = ["memory", pytest.param("host", marks=pytest.mark.kernel)]
OWN = """\
table inet fw { chain p { type nat hook postrouting priority 110; oifname != "lo" masquerade; }
}
table ip own { chain p { type nat hook postrouting priority 90; ip saddr 10.0.0.0/8 masquerade; }
}
"""


@pytest.fixture(params=KINDS)
def made(request: pytest.FixtureRequest, netns: str) -> Made:
    """Load tables, in a namespace; the twin is told what nft prints of them there."""

    def give(text: str) -> NftListing:
        if text:
            command("nft", "-f", "-", data=text)
        command("iptables-nft", "-t", "nat", "-A", "POSTROUTING", "-j", "MASQUERADE")
        command("ip6tables-nft", "-A", "FORWARD", "-j", "ACCEPT")
        if request.param == "host":
            return HostNftListing()
        return MemoryNftListing(command("nft", "-j", "list", "ruleset").encode())

    return give


def test_a_host_with_tables_of_iptables_alone_has_none_of_its_own(made: Made) -> None:
    assert made("").read() is None


def test_every_table_of_its_own_is_listed(made: Made) -> None:
    data = made(OWN).read()
    assert data is not None
    found = parse_nft(data, "nft")
    assert [(each.origin, each.priority, each.table.family) for each in found.chains] == [
        ("table ip own", 90, Family.IPV4),
        ("table inet fw", 110, Family.IPV4),
        ("table inet fw", 110, Family.IPV6),
    ]


def test_a_host_without_nft_says_what_is_missing(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    listing = made(OWN)
    monkeypatch.setattr("natfix.host.programs._SYSTEM_FOLDERS", ())
    monkeypatch.setenv("PATH", "/nowhere")
    if isinstance(listing, MemoryNftListing):
        listing.problem = "the program nft is not installed"
    with pytest.raises(HostError, match="nft is not installed"):
        listing.read()


MIXED = """\
table ip nat { chain mine { type nat hook postrouting priority 90; ip saddr 10.0.0.0/8 masquerade; }
}
"""


def test_of_iptables_tables_the_chains_of_others_are_listed(made: Made) -> None:
    data = made(MIXED).read()
    assert data is not None
    (base,) = parse_nft(data, "nft").chains
    assert (base.origin, base.chain, base.built_in) == ("table ip nat", "mine", "")


def test_tables_that_iptables_cannot_show_are_listed_when_asked_for(made: Made) -> None:
    listing = made(MIXED)
    data = listing.read([Family.IPV4])
    assert data is not None
    bases = {each.chain: each for each in parse_nft(data, "nft").chains}
    assert set(bases) == {"mine", "POSTROUTING"}
    table = bases["POSTROUTING"].table.chain("POSTROUTING")
    assert table is not None
    assert [rule.spec for rule in table.rules] == ["-j MASQUERADE"]


@pytest.mark.kernel
@pytest.mark.parametrize("at", [0, 1500, 3000])
def test_a_chain_of_others_is_found_among_thousands_of_iptables(netns: str, at: int) -> None:
    assert netns
    chains = [f":KUBE-SVC-{number:04} - [0:0]" for number in range(3000)]
    command("iptables-nft-restore", data="\n".join(["*nat", *chains[:at], "COMMIT", ""]))
    command("nft", "-f", "-", data=MIXED)
    command("iptables-nft-restore", "--noflush", data="\n".join(["*nat", *chains[at:], "COMMIT", ""]))
    data = HostNftListing().read()
    assert data is not None
    assert [each.chain for each in parse_nft(data, "nft").chains] == ["mine"]


class Asked(NftListing):
    """A listing that counts who asks; it answers when it is told to.

    Args:
        answers: what it says, one after the other.
    """

    def __init__(self, *answers: bytes | Exception | None) -> None:
        self.answers = list(answers)
        self.asked: list[Collection[Family]] = []
        self.may_answer = threading.Event()

    def read(self, also: Collection[Family] = ()) -> bytes | None:
        self.asked.append(also)
        assert self.may_answer.wait(10)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_what_is_read_ahead_is_waited_for_and_given_to_the_first_who_asks() -> None:
    listing = Asked(b"first", b"second")
    ahead = ReadAhead(listing)
    listing.may_answer.set()
    assert (ahead.read(), ahead.read()) == (b"first", b"second")
    assert len(listing.asked) == 2


def test_who_asks_for_more_has_it_read_anew() -> None:
    listing = Asked(None, b"more")
    ahead = ReadAhead(listing)
    listing.may_answer.set()
    assert ahead.read([Family.IPV4]) == b"more"
    assert listing.asked == [(), [Family.IPV4]]


@pytest.mark.parametrize("error", [HostError("gone"), RuntimeError("a defect")])
def test_what_goes_wrong_ahead_is_told_to_who_asks(error: Exception) -> None:
    listing = Asked(error)
    ahead = ReadAhead(listing)
    listing.may_answer.set()
    with pytest.raises(type(error), match=str(error)):
        ahead.read()

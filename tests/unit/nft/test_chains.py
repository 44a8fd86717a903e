"""natfix/nft/chains.py: a rule of several steps, in the words of iptables."""

import pytest

from natfix.nft.chains import laid_out
from natfix.nft.matches import unknown
from natfix.nft.step import EVERYBODY, NOBODY, How, Step, Way, asked
from natfix.packets.bits import Change

TCP = asked("-p tcp")
BOTH = asked("-p tcp", "-p udp")
MARKS = asked("-m mark --mark 0x1", "-m mark --mark 0x2")
ACCEPT = (Way(does="-j ACCEPT", how=How.END),)
RETURN = (Way(does="-j RETURN", how=How.LEAVE),)
GOTO = (Way(does="-g x", how=How.LEAVE),)
JUMP = (Way(does="-j x", how=How.CALL),)
SET = (Way(does="-j MARK --set-xmark 0x1/0x3", change=Change(1, 3)),)
FLIP = (Way(does="-j MARK --set-xmark 0x3/0x0", change=Change(3, 0)),)
RESTORE = (Way(does="-j CONNMARK --restore-mark", change=Change.to_unknown()),)
LOSE = (Way(does="-j MARK --set-xmark 0x1/0x1", change=Change(1, 3, 2)),)
NOTRACK = (Way(does="-j NOTRACK"),)


def put(test: str, how: Step) -> Way:
    return Way(test, how[0].does, how[0].how, how[0].change)


@pytest.mark.parametrize(
    ("steps", "own"),
    [
        ([TCP, ACCEPT], ["-p tcp -j ACCEPT"]),
        ([BOTH, JUMP], ["-p tcp -j x", "-p udp -j x"]),
        ([BOTH, RETURN], ["-p tcp -j RETURN", "-p udp -j RETURN"]),
        ([TCP, EVERYBODY], ["-p tcp"]),
        ([BOTH], ["-p tcp", "-p udp"]),
        ([], [""]),
        ([TCP, NOBODY], []),
        ([NOBODY, ACCEPT], []),
        ([TCP, SET, NOBODY, ACCEPT], ["-p tcp -j MARK --set-xmark 0x1/0x3"]),
        # What follows the last thing that is done need not be asked.
        ([SET, TCP], ["-j MARK --set-xmark 0x1/0x3"]),
        ([TCP, RETURN, ACCEPT], ["-p tcp -j RETURN"]),
        ([(put("-i a", JUMP), put("-i b", ACCEPT), Way("-i c"))], ["-i a -j x", "-i b -j ACCEPT"]),
        ([(put("-i a", JUMP), put("-i b", RETURN), put("-i c", GOTO))], ["-i b -j RETURN", "-i c -g x", "-i a -j x"]),
        # A packet that comes back with another mark meets no second alternative.
        (
            [(put("-m mark --mark 0x1", JUMP), put("-m mark --mark 0x2", ACCEPT))],
            ["-m mark --mark 0x2 -j ACCEPT", "-m mark --mark 0x1 -j x"],
        ),
    ],
)
def test_what_needs_no_chain_of_its_own_has_none(steps: list[Step], own: list[str]) -> None:
    assert laid_out(steps, "@h") == (own, {})


@pytest.mark.parametrize(
    ("steps", "own", "chains"),
    [
        ([TCP, SET, ACCEPT], ["-p tcp -j @h"], {"@h": [SET[0].does, "-j ACCEPT"]}),
        ([SET, TCP, ACCEPT, RETURN], ["-j @h"], {"@h": [SET[0].does, "-p tcp -j ACCEPT"]}),
        ([BOTH, SET, JUMP], ["-p tcp -j @h", "-p udp -j @h"], {"@h": [SET[0].does, "-j x"]}),
        ([MARKS, JUMP], ["-j @h"], {"@h": ["-m mark --mark 0x1 -g x", "-m mark --mark 0x2 -g x"]}),
        ([MARKS, FLIP, ACCEPT], ["-j @h"], {
            "@h": ["-m mark --mark 0x1 -g @h.2", "-m mark --mark 0x2 -g @h.2"],
            "@h.2": [FLIP[0].does, "-j ACCEPT"],
        }),
        (
            [TCP, (put("-m mark --mark 0x1", FLIP), put("-m mark --mark 0x2", FLIP))],
            ["-p tcp -j @h"],
            {"@h": ["-m mark --mark 0x1 -g @h.2", "-m mark --mark 0x2 -g @h.2"], "@h.2": [FLIP[0].does]},
        ),
        (
            [SET, (put("-i a", JUMP), Way("-i b")), TCP, ACCEPT],
            ["-j @h"],
            {"@h": [SET[0].does, "-i a -g x", "-i b -g @h.2"], "@h.2": ["-p tcp -j ACCEPT"]},
        ),
        ([SET, (put("-i a", JUMP), Way("-i b"))], ["-j @h"], {"@h": [SET[0].does, "-i a -g x"]}),
    ],
)  # fmt: skip
def test_what_comes_back_behind_the_rule_has_a_chain_that_is_called(
    steps: list[Step], own: list[str], chains: dict[str, list[str]]
) -> None:
    assert laid_out(steps, "@h") == (own, chains)


@pytest.mark.parametrize(
    ("steps", "own", "chains"),
    [
        ([TCP, SET, RETURN], ["-p tcp -g @h"], {"@h": [SET[0].does]}),
        ([SET, GOTO], ["-g @h"], {"@h": [SET[0].does, "-g x"]}),
        # Whoever does not leave is marked all the same.
        ([SET, TCP, RETURN], ["-p tcp -g @h", f"{SET[0].does}"], {"@h": [SET[0].does]}),
        (
            [SET, (put("-i a", RETURN), put("-i b", JUMP), put("-i c", GOTO), put("-i d", RETURN))],
            ["-i a -g @h", "-i c -g @h.2", "-i d -g @h", "-j @h.3"],
            {"@h": [SET[0].does], "@h.2": [SET[0].does, "-g x"], "@h.3": [SET[0].does, "-i b -g x"]},
        ),
        ([(put("-i a", RETURN),), SET, ACCEPT], ["-i a -j RETURN"], {}),
        ([(put("-i a", RETURN), Way("-i b")), SET, RETURN], ["-i a -j RETURN", "-i b -g @h"], {"@h": [SET[0].does]}),
    ],
)
def test_what_leaves_stands_before_all_else_in_the_chain_of_the_rule(
    steps: list[Step], own: list[str], chains: dict[str, list[str]]
) -> None:
    assert laid_out(steps, "@h") == (own, chains)


@pytest.mark.parametrize(
    ("change", "test", "before"),
    [
        (SET, "-m mark --mark 0x1", "-m mark --mark 0x0/0xfffffffc "),
        (SET, "-m mark --mark 0x2", None),
        (SET, "-m mark ! --mark 0x2", ""),
        (SET, "-m mark --mark 0x1/0x1", ""),
        (SET, "-m mark ! --mark 0x1/0x1", None),
        (SET, "-m mark ! --mark 0x5/0x5", "-m mark ! --mark 0x4/0x4 "),
        (FLIP, "-m mark --mark 0x1", "-m mark --mark 0x2/0xffffffff "),
        (SET, "-i a -m mark ! --mark 0x2 -m mark ! --mark 0x5/0x7", "-i a  -m mark ! --mark 0x4/0x4 "),
        (SET, "-m conntrack --ctstate NEW", "-m conntrack --ctstate NEW "),
        (RESTORE, "-i a", "-i a "),
        (RESTORE, "-i a -m mark ! --mark 0x2", f"-i a {unknown('meta mark ! 0x2')} "),
        (NOTRACK, "-m conntrack --ctstate NEW", f"{unknown('-m conntrack --ctstate NEW')} "),
        (NOTRACK, "-m conntrack --ctdir ORIGINAL", f"{unknown('-m conntrack --ctdir ORIGINAL')} "),
        (NOTRACK, "-i a", "-i a "),
        (RESTORE, "-m connmark --mark 0x1", f"{unknown('-m connmark --mark 0x1')} "),
        (SET, "-m connmark --mark 0x1", "-m connmark --mark 0x1 "),
        (LOSE, "-m mark --mark 0x0/0x1", None),
        (LOSE, "-m mark --mark 0x1/0x1", ""),
        (LOSE, "-m mark --mark 0x1/0x3", f"{unknown('meta mark 0x1/0x3')} "),
    ],
)
def test_what_leaves_after_a_change_is_asked_for_as_it_was_before(change: Step, test: str, before: str | None) -> None:
    own, _ = laid_out([change, asked(test), RETURN], "@h")
    assert own == [*([] if before is None else [f"{before}-g @h"]), change[0].does]


def test_changes_add_up() -> None:
    own, _ = laid_out([SET, FLIP, asked("-m mark --mark 0x6"), RETURN], "@h")
    assert own == ["-m mark --mark 0x4/0xfffffffc -g @h", "-j @h.2"]

"""What iptables says when it refuses, in natfix's errors. Wordings of 1.4.21 to 1.8.13, nft and legacy."""

from __future__ import annotations

import re
from collections.abc import Sequence

from natfix.errors import ConflictError, HostError, NatfixError, UnsupportedError
from natfix.host.programs import Done
from natfix.host.script import Step
from natfix.host.xtables_lock import busy

LOCKED = 4  # The exit code for "resource problem": iptables(8), RESOURCE_PROBLEM in xtables.h.

_LINE = re.compile(r"line:? (\d+)")
_RIGHTS = ("Permission denied", "you must be root", "Operation not permitted")
_LOCK = ("xtables lock", "Resource temporarily unavailable")
_UNSHOWN = ("is incompatible, use 'nft' tool", "Parsing nftables rule failed")


def refused_listing(done: Done, table: str, chain: str, family_name: str) -> NatfixError:
    """Say why a listing of *chain* failed."""
    if any(words in done.complaint for words in _UNSHOWN):
        return unsupported(done.command[0].rpartition("/")[2], table, chain, family_name)
    return refused(done)


def is_unshown(done: Done) -> bool:
    """Tell whether a listing lacks rules, which some versions say beside exit code 0."""
    return any(words in done.complaint for words in _UNSHOWN)


def unsupported(program: str, table: str, chain: str, family_name: str) -> UnsupportedError:
    """Make the error for a chain that holds what iptables cannot show."""
    return UnsupportedError(
        f"the chain {chain} of the {table} table holds a rule that was written with nft and that {program} cannot show "
        "as it is (incompatible)",
        hint=f"Nothing can be said of this table by way of iptables. See it with: nft list chain {family_name} {table} {chain}",
    )


def refused_rehearsal(done: Done, steps: Sequence[Step], before: int, seconds: float, lock: str) -> NatfixError:
    """Say why a script failed in a scratch namespace, behind *before* lines of a stand-in."""
    if _is_locked(done):
        return busy(lock, seconds)
    step = _step(done, steps, before)
    place = f"\n    line {step.place} of the change: {step.text}" if step else ""
    return refused(done, f"{place}\n    (tried in a scratch network namespace; nothing was changed)")


def refused_commit(done: Done, steps: Sequence[Step], seconds: float, lock: str) -> NatfixError:
    """Say why a script was not applied."""
    if _is_locked(done):
        return busy(lock, seconds)
    step = _step(done, steps, 0)
    if step is not None and step.verb == "-D":
        return gone(step)
    return refused(done, f"\n    line {step.place}: {step.text}; nothing was changed" if step else "")


def gone(step: Step) -> ConflictError:
    """Make the error for a rule that is no longer there."""
    return ConflictError(
        f"a rule to be replaced is no longer in the chain {step.chain}; nothing was changed\n    {step.text}",
        hint="Somebody changed the rules in between; look again and repeat.",
    )


def refused(done: Done, place: str = "") -> NatfixError:
    """Say that a program refused, in its own words."""
    program = done.command[0].rpartition("/")[2]
    # iptables-legacy, and what is called iptables on a host without nft, talks to the kernel by a raw socket.
    rights = "CAP_NET_ADMIN" if "-nft" in program else "CAP_NET_ADMIN and CAP_NET_RAW"
    if any(words in done.complaint for words in _RIGHTS):
        return HostError(f"{program} needs root ({rights}): {_words(done)}", hint="Run natfix as root; nothing was changed.")
    uninitialized = "initialize table" in done.complaint or "initialize ip" in done.complaint
    hint = f"It needs root ({rights}), and a kernel with this table." if uninitialized else None
    return HostError(f"{program} refused (exit code {done.code}): {_words(done)}{place}", hint=hint)


def _words(done: Done) -> str:
    """The program's own words, without its invitation to read the manual."""
    lines = [line.strip() for line in done.complaint.splitlines()]
    return "; ".join(line for line in lines if line and not line.startswith(("Try `", "# Warning"))) or "no reason given"


def _is_locked(done: Done) -> bool:
    return done.code == LOCKED and any(words in done.complaint for words in _LOCK)


def _step(done: Done, steps: Sequence[Step], before: int) -> Step | None:
    """Find the step that a complaint points at by its line number."""
    for found in _LINE.finditer(done.complaint):
        for step in steps:
            if step.place == int(found[1]) - before:
                return step
    return None

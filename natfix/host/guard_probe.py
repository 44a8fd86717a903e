"""Whether nat chains of one hook can stand side by side on this kernel: tried, not looked up in its version.

Before Linux 4.18 every user of nat had a hook of its own and gave each connection a binding, if only an empty one; the first
one to see a connection was the only one (commits 9971a514ed26 and f92b40a8b264). There a guard would switch Docker's masquerade
off. Later kernels ask one chain after the other until one makes a binding; distributions carry that to other version numbers.
"""

from __future__ import annotations

import sys

from natfix.errors import HostError, UnsupportedError
from natfix.host import two_chains
from natfix.host.programs import find, missing
from natfix.host.scratch import run_in_scratch
from natfix.host.two_chains import LATER, OWN, Observation


def observe() -> Observation:
    """Try it.

    Raises:
        HostError: nft is not installed, or no scratch network namespace can be made.
    """
    nft = find("nft")
    if nft is None:
        raise missing("nft")
    done = run_in_scratch(sys.executable, "-I", "-S", two_chains.__file__, nft)
    if done.code != 0:
        raise HostError(f"what this kernel's nat chains do cannot be tried: {done.complaint or done}")
    refused, unbound, bound = done.output.decode("utf-8", "replace").split("\0")
    return Observation(refused, unbound, bound)


def require_chains(seen: Observation) -> None:
    """Judge what was seen.

    Raises:
        UnsupportedError: a guard would keep other nat chains from their work, or not do its own.
    """
    if not seen.refused and (seen.unbound, seen.bound) == (LATER, OWN):
        return
    raise UnsupportedError(
        f"on this kernel nat chains exclude each other ({_reason(seen)}), so a guard would switch Docker's masquerade off",
        hint="It needs Linux 4.18 or later, or RHEL 8. Without it: natfix apply corrects the rules themselves.",
    )


def _reason(seen: Observation) -> str:
    if seen.refused:
        return f"a second one is refused: {seen.refused}"
    if seen.unbound != LATER:
        return "the second one is not asked about a packet that the first one left alone"
    return "the second one is asked about a packet that the first one has decided on"

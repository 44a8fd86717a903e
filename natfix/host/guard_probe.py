"""Whether nat chains of one hook can stand side by side on this kernel: tried, not looked up in its version.

Before Linux 4.18 every user of nat had a hook of its own and gave each connection a binding, if only an empty one; the first
one to see a connection was the only one (commits 9971a514ed26 and f92b40a8b264). There a guard would switch Docker's masquerade
off. Later kernels ask one chain after the other until one makes a binding; distributions carry that to other version numbers.
"""

from __future__ import annotations

import platform
import re
import sys
from typing import Final

from natfix.errors import HostError, UnsupportedError
from natfix.host import two_chains
from natfix.host.programs import find, missing
from natfix.host.scratch import NoScratchError, run_in_scratch
from natfix.host.two_chains import LATER, OWN, Observation

_SIDE_BY_SIDE: Final = (4, 18)


def try_kernel() -> str:
    """Try it; where that is not allowed, believe the version of a kernel that cannot be too old.

    Distributions carry what 4.18 brought to older versions, and take it out of none. So the version tells of a young kernel
    what trying would, and of an old one nothing.

    Returns:
        That the version was believed, in words; else nothing.

    Raises:
        UnsupportedError: a guard would keep other nat chains from their work, or not do its own.
        NoScratchError: it can be neither tried nor told by the version.
        HostError: nft is not installed.
    """
    try:
        require_chains(observe())
    except NoScratchError as error:
        release = platform.release()
        if not is_young(release):
            raise
        return f"this kernel was not tried, for {error.message}; nat chains stand side by side since 4.18, and it is {release}"
    return ""


def is_young(release: str) -> bool:
    """Tell whether a kernel's release, such as ``6.1.0-37-amd64``, is 4.18 or later."""
    numbers = re.match(r"(\d+)\.(\d+)", release)
    return numbers is not None and (int(numbers[1]), int(numbers[2])) >= _SIDE_BY_SIDE


def observe() -> Observation:
    """Try it.

    Raises:
        NoScratchError: no scratch network namespace can be made.
        HostError: nft is not installed.
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

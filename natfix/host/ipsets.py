"""The ipsets of this host, as the program ipset prints them."""

from __future__ import annotations

from natfix.app.ports import IpSetListing
from natfix.errors import HostError
from natfix.host.programs import find, run


class HostIpSets(IpSetListing):
    """The sets of the network namespace this process is in."""

    def read(self) -> str | None:
        """Print every set; None where the program is not installed, so that nobody can tell."""
        if find("ipset") is None:
            return None
        done = run("ipset", "save")
        if done.code:
            raise HostError(f"{done} failed: {done.complaint}", hint="Run natfix as root, or give a listing: --ipsets FILE.")
        return done.output.decode("utf-8", "surrogateescape")

"""nft's own tables of this host, as nft prints them; iptables' tables are asked for by iptables."""

from __future__ import annotations

from typing import Any, Final

from natfix.app.ports import NftListing
from natfix.errors import HostError
from natfix.host.nfnetlink import NF_TABLES, Nfnetlink, attributes
from natfix.host.programs import run

# linux/nf_tables.h, linux/netfilter.h
_GETTABLE: Final = 1
_TABLE_NAME: Final = 1
_FAMILIES: Final = {"inet": 1, "ip": 2, "ip6": 10}
_IPTABLES: Final = frozenset({"raw", "mangle", "nat", "filter", "security"})


class HostNftListing(NftListing):
    """The tables of the network namespace this process is in.

    The kernel is asked for their names first: a host without any, which is the usual one, needs no other program, and of an
    iptables table with 100,000 rules nothing is printed.
    """

    def read(self) -> bytes | None:
        """Print every table that is not iptables'; None when there is none."""
        found = _names()
        if not found:
            return None
        import json  # noqa: PLC0415  (most hosts have no such table)

        objects: list[Any] = []
        for family, name in found:
            done = run("nft", "-j", "list", "table", family, name)
            # A table can be gone by now; what nft says of anything else is told.
            if done.code and "No such file or directory" not in done.complaint:
                raise HostError(f"{done} failed: {done.complaint}")
            if not done.code:
                objects += json.loads(done.output)["nftables"]
        return json.dumps({"nftables": objects}).encode()


def _names() -> list[tuple[str, str]]:
    with Nfnetlink() as kernel:
        # In the order in which they came, which decides where priorities do not.
        return [
            (family, name)
            for family, number in _FAMILIES.items()
            for table in kernel.dump(NF_TABLES, _GETTABLE, number) or ()
            if (name := _name(table)) and not (family != "inet" and name in _IPTABLES)
        ]


def _name(table: bytes) -> str:
    return dict(attributes(table)).get(_TABLE_NAME, b"").partition(b"\0")[0].decode("utf-8", "surrogateescape")

"""nft's own tables of this host, as nft prints them, and of iptables' tables what iptables does not show."""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from natfix.app.ports import Backend, NftListing
from natfix.errors import HostError
from natfix.host.nfnetlink import NF_TABLES, Nfnetlink, attributes
from natfix.host.programs import died, run
from natfix.nft.opaque import CHAINS, WORDS, is_hidden, is_iptables
from natfix.ruleset import Family

# linux/nf_tables.h, linux/netfilter.h
_GETTABLE, _GETCHAIN = 1, 4
_TABLE_NAME: Final = 1
_CHAIN_TABLE, _CHAIN_NAME, _CHAIN_HOOK = 1, 3, 4
# How a message tells of what type a hooked chain is, NFTA_CHAIN_TYPE; it tells nothing of any other chain.
_TYPES: Final = tuple(struct.pack("=H", 7) + name for name in (b"nat\0", b"filter\0", b"route\0"))
_FAMILIES: Final = {"inet": 1, "ip": 2, "ip6": 10}
_CALLED: Final = {Family.IPV4: "ip", Family.IPV6: "ip6"}


class HostNftListing(NftListing):
    """The tables of the network namespace this process is in.

    The kernel is asked for their names first: a host without any, which is the usual one, needs no other program, and of an
    iptables table with 100,000 rules nothing is printed.
    """

    def read(self, also: Collection[Family] = ()) -> bytes | None:
        """Print what iptables does not show; None when there is nothing such."""
        found = _names()
        mixed = {_CALLED[family] for family in also}
        with_others = _chains_of_others() if any(is_iptables(*each) for each in found) else frozenset()
        wanted = [each for each in found if not is_iptables(*each) or each[0] in mixed or each in with_others]
        if not wanted:
            return None
        import json  # noqa: PLC0415  (most hosts have no such table)

        objects: list[Any] = []
        for family, name in wanted:
            done = run("nft", "-j", "list", "table", family, name)
            # A table can be gone by now; what nft says of anything else is told.
            if done.crashed:
                raise died(done)
            if done.code and "No such file or directory" not in done.complaint:
                raise HostError(f"{done} failed: {done.complaint}")
            if not done.code:
                listed = json.loads(done.output)["nftables"]
                objects += _of_iptables(listed, family, name, whole=family in mixed) if is_iptables(family, name) else listed
        return json.dumps({"nftables": objects}).encode()


def _of_iptables(listed: list[Any], family: str, table: str, *, whole: bool) -> Iterator[Any]:
    """A table of iptables: all of it with iptables' words for what is opaque, or what it has of others."""
    words: Mapping[int, str] = _words(family, table) if whole and any(map(_is_opaque, listed)) else {}
    for each in listed:
        rule, chain = each.get("rule"), each.get("chain")
        if not whole and ((rule or {}).get("chain") in CHAINS or (chain or {}).get("name") in CHAINS):
            continue
        yield {"rule": {**rule, WORDS: words[rule["handle"]]}} if rule and rule.get("handle") in words else each


def _is_opaque(each: Mapping[str, Any]) -> bool:
    return "rule" in each and is_hidden(each["rule"])


def _words(family: str, table: str) -> Mapping[int, str]:
    from natfix.host.installed import installed  # noqa: PLC0415  (asked for rarely)
    from natfix.host.opaque import words_of  # noqa: PLC0415

    named = next(known for known, name in _CALLED.items() if name == family)
    tools = installed(Backend(named, "nft"))
    return words_of(named, table, tools.iptables) if tools is not None else {}


def _names() -> list[tuple[str, str]]:
    with Nfnetlink() as kernel:
        # In the order in which they came, which decides where priorities do not.
        return [
            (family, _name(dict(attributes(table)), _TABLE_NAME))
            for family, number in _FAMILIES.items()
            for table in kernel.dump(NF_TABLES, _GETTABLE, number) or ()
        ]


def _chains_of_others() -> frozenset[tuple[str, str]]:
    """The tables of iptables in which the kernel calls a chain that iptables knows nothing of."""
    found = set()
    with Nfnetlink() as kernel:
        for family in _CALLED.values():
            for chain in kernel.dump(NF_TABLES, _GETCHAIN, _FAMILIES[family], holding=_TYPES) or ():
                # A host with Kubernetes has thousands that nobody hooks.
                if not any(kind in chain for kind in _TYPES):
                    continue
                said = dict(attributes(chain))
                table = family, _name(said, _CHAIN_TABLE)
                if _CHAIN_HOOK in said and is_iptables(*table) and _name(said, _CHAIN_NAME) not in CHAINS:
                    found.add(table)
    return frozenset(found)


def _name(said: Mapping[int, bytes], number: int) -> str:
    return said.get(number, b"").partition(b"\0")[0].decode("utf-8", "surrogateescape")

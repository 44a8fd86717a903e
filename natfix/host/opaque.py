"""What iptables says of rules that nft cannot show, also where it refuses to show the chain that they stand in.

iptables-nft tells nothing of a chain, and its save program nothing of a table, in which it meets one rule of somebody else's
that it cannot read. So its own rules are put, as the kernel holds them, into a network namespace of their own, where they are
alone; there it says what they are. What cannot be put there stays untold, as a match of an ipset, which is not there.

Run as a process of its own it is what happens there: rules as JSON from standard input, their words as JSON to standard output.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from natfix.errors import HostError
from natfix.host.nfnetlink import NF_TABLES, Attribute, Nfnetlink, attribute, attributes, protocol_family, text
from natfix.host.programs import run
from natfix.host.scratch import run_in_scratch
from natfix.nft.opaque import CHAINS
from natfix.ruleset import Family

# linux/netfilter/nf_tables.h
_NEWRULE, _GETRULE = 6, 7
_TABLE, _CHAIN, _HANDLE, _EXPRESSIONS, _USERDATA = 1, 2, 3, 4, 7
_EXPRESSION_NAME: Final = 1
# How the kernel calls matches and targets of xtables (nft_compat.c).
_OPAQUE: Final = frozenset({b"match\0", b"target\0"})


def words_of(family: Family, table: str, program: str) -> Mapping[int, str]:
    """Ask iptables for the words of every rule of a table that nft cannot show whole.

    Args:
        family: IPv4 or IPv6.
        table: of iptables-nft.
        program: the iptables that shows it.

    Returns:
        By the handle of each rule its words, without its chain; a rule that iptables cannot tell apart is left out.
    """
    with Nfnetlink() as kernel:
        answers = kernel.dump(NF_TABLES, _GETRULE, protocol_family(family), text(_TABLE, table)) or []
    held = [dict(attributes(answer)) for answer in answers]
    opaque = [each for each in held if _is_opaque(each.get(_EXPRESSIONS, b""))]
    if not opaque:
        return {}
    rules = [{"handle": int.from_bytes(each[_HANDLE], "big"), **_told(each)} for each in opaque]
    asked = {"family": family.value, "table": table, "program": program, "chains": _chains(held), "rules": rules}
    done = run_in_scratch(sys.executable, "-P", "-m", "natfix.host.opaque", data=json.dumps(asked).encode())
    if done.code:
        raise HostError(f"iptables' own rules cannot be told apart: {done.complaint}")
    return {int(handle): words for handle, words in json.loads(done.output).items()}


def _is_opaque(expressions: bytes) -> bool:
    return any(dict(attributes(each.value)).get(_EXPRESSION_NAME) in _OPAQUE for each in attributes(expressions))


def _told(held: Mapping[int, bytes]) -> Mapping[str, str]:
    kept = {"expressions": held[_EXPRESSIONS], "comment": held.get(_USERDATA, b"")}
    return {"chain": _name(held[_CHAIN]), **{name: base64.b64encode(data).decode() for name, data in kept.items()}}


def _chains(held: Sequence[Mapping[int, bytes]]) -> list[str]:
    """Every chain that a rule stands in or leads to."""
    found = dict.fromkeys(_name(each[_CHAIN]) for each in held)
    leading = (name for each in held for name in _led_to(each.get(_EXPRESSIONS, b"")))
    return list(dict.fromkeys([*found, *leading]))


def _led_to(expressions: bytes) -> Iterator[str]:
    """The chains in the verdicts of a rule: NFTA_IMMEDIATE_DATA (2), NFTA_DATA_VERDICT (2), NFTA_VERDICT_CHAIN (2)."""
    for expression in attributes(expressions):
        inner = dict(attributes(expression.value))
        if inner.get(_EXPRESSION_NAME) == b"immediate\0":
            data = inner.get(2, b"")
            for _ in range(2):
                data = dict(attributes(data)).get(2, b"")
            name = dict(attributes(data)).get(2) if data else None
            if name:
                yield _name(name)


def _name(data: bytes) -> str:
    return data.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def tell(asked: Mapping[str, Any]) -> dict[int, str]:
    """Put the rules into this namespace, one after the other, and let iptables say each; called in a scratch one."""
    table, program = asked["table"], asked["program"]
    for chain in asked["chains"]:
        run(program, "-t", table, *(("-P", chain, "ACCEPT") if chain in CHAINS else ("-N", chain)))
    told: dict[int, str] = {}
    with Nfnetlink() as kernel:
        for rule in asked["rules"]:
            if _put(kernel, Family(asked["family"]), table, rule):
                done = run(program, "-t", table, "-S", rule["chain"])
                said = done.output.decode("utf-8", "surrogateescape").splitlines() if not done.code else []
                if said and said[-1].startswith(f"-A {rule['chain']} "):
                    told[rule["handle"]] = said[-1].partition(f"-A {rule['chain']} ")[2]
                run(program, "-t", table, "-F", rule["chain"])
    return told


def _put(kernel: Nfnetlink, family: Family, table: str, rule: Mapping[str, Any]) -> bool:
    parts = [Attribute(_EXPRESSIONS, base64.b64decode(rule["expressions"]))]
    data = text(_TABLE, table) + text(_CHAIN, rule["chain"])
    data += b"".join(attribute(each.number, each.value, nested=True) for each in parts)
    comment = base64.b64decode(rule["comment"])
    data += attribute(_USERDATA, comment) if comment else b""
    try:
        kernel.change(NF_TABLES, _NEWRULE, protocol_family(family), data)
    except HostError:
        return False
    return True


if __name__ == "__main__":
    sys.stdout.write(json.dumps(tell(json.load(sys.stdin))))

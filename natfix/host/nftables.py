"""Ask nf_tables the few questions that iptables-nft answers slowly, wrongly or not at all. Read-only.

``iptables-nft -S`` (1.8.9, measured) shows some rules written with nft as if they were others, with exit code 0: of
``ip saddr { 10.0.0.1, 10.0.0.2 } accept`` it shows ``-j ACCEPT``, of ``ip daddr 10.0.0.5-10.0.0.9 accept`` it shows
``-d 10.0.0.9/32 -j ACCEPT``. So the kernel's own form of a chain is looked at beside it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from natfix.errors import HostError
from natfix.host.nfnetlink import NF_TABLES, Nfnetlink, attributes, protocol_family, text
from natfix.ruleset import Family

# linux/netfilter/nf_tables.h
_GETTABLE, _GETCHAIN, _GETRULE, _GETGEN = 1, 4, 7, 16
_TABLE_NAME, _TABLE_USE = 1, 3
_CHAIN_TABLE, _CHAIN_NAME, _CHAIN_POLICY = 1, 3, 5
_NF_DROP = 0
_RULE_TABLE, _RULE_CHAIN, _RULE_EXPRESSIONS = 1, 2, 4
_EXPR_NAME, _EXPR_DATA = 1, 2
_GEN_ID = 1
_PAYLOAD_BASE, _PAYLOAD_OFFSET, _PAYLOAD_SREG = 2, 3, 5
_CMP_OP = 2
_NETWORK_HEADER = 1
_CMP_EQUAL_OR_NOT = (0, 1)

# Expressions that iptables never writes for IPv4 and IPv6, and that iptables-nft leaves out when it shows a rule.
_SILENTLY_LOST = frozenset({"lookup", "dynset", "objref", "numgen", "hash", "exthdr"})


class Expression(NamedTuple):
    """One step of a rule as the kernel holds it: its name, and its numeric attributes by type."""

    name: str
    numbers: dict[int, int]


def generation(kernel: Nfnetlink) -> int:
    """Tell the number of the ruleset: another one means that somebody changed something."""
    answers = kernel.ask(NF_TABLES, _GETGEN)
    if not answers:
        raise HostError("this kernel has no nf_tables")
    return int.from_bytes(dict(attributes(answers[0]))[_GEN_ID], "big")


def has_table(kernel: Nfnetlink, family: Family, table: str) -> bool:
    """Tell whether a table exists; a kernel without nf_tables has none."""
    return kernel.ask(NF_TABLES, _GETTABLE, protocol_family(family), text(_TABLE_NAME, table)) is not None


def chain_count(kernel: Nfnetlink, family: Family, table: str) -> int:
    """Tell how many chains a table has; none when it is not there."""
    answers = kernel.ask(NF_TABLES, _GETTABLE, protocol_family(family), text(_TABLE_NAME, table))
    return int.from_bytes(dict(attributes(answers[0]))[_TABLE_USE], "big") if answers else 0


def has_chain(kernel: Nfnetlink, family: Family, table: str, chain: str) -> bool:
    """Tell whether a chain exists."""
    which = text(_CHAIN_TABLE, table) + text(_CHAIN_NAME, chain)
    return kernel.ask(NF_TABLES, _GETCHAIN, protocol_family(family), which) is not None


def drops(kernel: Nfnetlink, family: Family, table: str, chain: str) -> bool:
    """Tell whether the policy of a hook's chain is to drop; one that is not there lets everything pass."""
    which = text(_CHAIN_TABLE, table) + text(_CHAIN_NAME, chain)
    answers = kernel.ask(NF_TABLES, _GETCHAIN, protocol_family(family), which)
    policy = dict(attributes(answers[0])).get(_CHAIN_POLICY) if answers else None
    return policy is not None and int.from_bytes(policy, "big") == _NF_DROP


def rules(kernel: Nfnetlink, family: Family, table: str, chain: str) -> list[tuple[Expression, ...]]:
    """Read the rules of one chain, in order, as the kernel holds them."""
    which = text(_RULE_TABLE, table) + text(_RULE_CHAIN, chain)
    answers = kernel.dump(NF_TABLES, _GETRULE, protocol_family(family), which)
    return [tuple(_expressions(dict(attributes(answer)).get(_RULE_EXPRESSIONS, b""))) for answer in answers or ()]


def is_foreign(rule: tuple[Expression, ...]) -> bool:
    """Tell whether a rule was written by something else than iptables, in a way that iptables-nft shows wrongly."""
    fields: set[int] = set()
    offset = -1
    for expression in rule:
        numbers = expression.numbers
        if expression.name in _SILENTLY_LOST or (_PAYLOAD_SREG in numbers and expression.name == "payload"):
            return True
        if expression.name == "payload":
            offset = numbers.get(_PAYLOAD_OFFSET, 0) if numbers.get(_PAYLOAD_BASE) == _NETWORK_HEADER else -1
            if offset in fields:
                return True
            fields |= {offset} - {-1}
        elif expression.name == "meta":
            offset = -1
        elif offset >= 0 and _is_ordering(expression):
            return True
    return False


def _is_ordering(expression: Expression) -> bool:
    """Tell whether it compares by less and greater, which iptables does with ports alone."""
    if expression.name == "cmp":
        return expression.numbers.get(_CMP_OP) not in _CMP_EQUAL_OR_NOT
    return expression.name == "range"


def _expressions(data: bytes) -> Iterator[Expression]:
    for element in attributes(data):
        parts = dict(attributes(element.value))
        name = parts.get(_EXPR_NAME, b"").rstrip(b"\0").decode("ascii", "replace")
        numbers = {
            number: struct.unpack(">I", value)[0]
            for number, value in attributes(parts.get(_EXPR_DATA, b""))
            if len(value) == struct.calcsize(">I")
        }
        yield Expression(name, numbers)

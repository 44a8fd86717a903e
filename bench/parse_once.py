"""Parse one file with one parser, once, in a process of its own, so that its memory shows.

Prints the seconds on the clock and those of the processor.

    python bench/parse_once.py PARSER FILE
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

# The parsers live in different environments, so each is imported on use alone.
# ruff: noqa: PLC0415


def _natfix(data: bytes) -> Callable[[], object]:
    from natfix.ruleset import parse

    return lambda: parse(data, "dump")


def _natfix_every_rule(data: bytes) -> Callable[[], object]:
    from natfix.ruleset import parse

    def work() -> object:
        ruleset = parse(data, "dump")
        tables = ruleset.tables
        chains = [table.chain(name) for table in tables for name in table.declared]
        return ruleset, [rule.options for chain in chains if chain for rule in chain.rules]

    return work


def _declarative_iptables(data: bytes) -> Callable[[], object]:
    from iptables.parser import IPTablesParser

    return lambda: IPTablesParser.parse(data.decode())


def _iptables_graph(data: bytes) -> Callable[[], object]:
    from iptables_graph.__main__ import parse_iptables

    return lambda: parse_iptables(data.decode())


def _pyferm(data: bytes) -> Callable[[], object]:
    from pyferm.plan.readback import parse_save

    return lambda: parse_save(data.decode(), host_mask="/32")


def _fwshift(data: bytes) -> Callable[[], object]:
    from fwshift.parsers.iptables import read_tables

    return lambda: read_tables(data.decode(), 4)


PARSERS = {
    "natfix": _natfix,
    "natfix-every-rule": _natfix_every_rule,
    "declarative-iptables": _declarative_iptables,
    "iptables-graph": _iptables_graph,
    "pyferm": _pyferm,
    "fwshift": _fwshift,
}


def main(parser: str, path: str) -> None:
    """Parse the file *path* with *parser*."""
    work = PARSERS[parser](Path(path).read_bytes())
    start, start_processor = time.perf_counter(), time.process_time()
    # The result is kept until the clock stops: freeing it is no part of parsing.
    result = work()
    print(time.perf_counter() - start, time.process_time() - start_processor)
    del result


if __name__ == "__main__":
    main(*sys.argv[1:])

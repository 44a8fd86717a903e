"""Read POSTROUTING and what it reaches from the kernel, without changing anything: no table made, no module loaded."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from natfix.app.ports import Backend
from natfix.errors import BusyError, RulesetSyntaxError, UnsupportedError
from natfix.host.installed import Tools
from natfix.host.nfnetlink import Nfnetlink, needs_root
from natfix.host.nftables import generation, has_chain, has_table, is_foreign, rules
from natfix.host.outcomes import is_unshown, refused, refused_listing, unsupported
from natfix.host.programs import Done, run, run_each
from natfix.ruleset import Chain, Family, parse

POSTROUTING = "POSTROUTING"

_TRIES = 10
_Read = TypeVar("_Read")


def holds_nat(backend: Backend) -> bool:
    """Tell whether the kernel has a nat table of this backend in this thread's network namespace.

    Raises:
        HostError: no rights.
    """
    return holds_any(backend, ("nat",))


def holds_any(backend: Backend, tables: Sequence[str]) -> bool:
    """Tell whether the kernel has one of *tables* of this backend, as holds_nat does."""
    if backend.variant == "legacy":
        return not set(tables).isdisjoint(legacy_tables(backend.family))
    with Nfnetlink() as kernel:
        return any(has_table(kernel, backend.family, table) for table in tables)


def read_chains(backend: Backend, tools: Tools) -> Sequence[Chain]:
    """Read POSTROUTING and every chain it reaches; nothing when there is no such table.

    Raises:
        HostError: no rights, or a program failed.
        UnsupportedError: a chain holds what iptables cannot show.
        BusyError: the rules changed all the time while they were read.
    """
    if not holds_nat(backend):
        return ()
    if backend.variant == "legacy":
        return _read_legacy(backend, tools)
    with Nfnetlink() as kernel:
        return read_steadily(kernel, backend, lambda: _walk(kernel, backend, tools))


def dump(backend: Backend, tools: Tools) -> bytes:
    """Read every table of a backend as its save program prints it.

    Raises:
        HostError: no rights, or the program failed.
        UnsupportedError: a table holds what iptables cannot show; its save program tells that with exit code 0, if at all.
    """
    done = run(tools.save)
    if done.code != 0:
        raise refused(done)
    if done.output and backend.variant == "nft":
        with Nfnetlink() as kernel:
            for table in parse(done.output, str(backend), backend.family).tables:
                for name in table.declared:
                    _verify(kernel, backend, table.name, table.chain(name))
    return done.output


def as_text(chains: Iterable[Chain], table: str = "nat") -> str:
    """Spell chains of a table as ``iptables-save -c`` does; without any, as an empty nat table."""
    chains = tuple(chains)
    declarations = [f":{chain.name} {chain.policy} [{_counted(chain)}]" for chain in chains]
    lines = [
        f"[{rule.counters.packets}:{rule.counters.bytes}] {rule}" if rule.counters else str(rule)
        for chain in chains
        for rule in chain.rules
    ]
    return "\n".join([f"*{table}", *(declarations or [f":{POSTROUTING} ACCEPT [0:0]"]), *lines, "COMMIT", ""])


def _counted(chain: Chain) -> str:
    return f"{chain.counters.packets}:{chain.counters.bytes}" if chain.counters else "0:0"


def legacy_tables(family: Family) -> list[str]:
    """The legacy tables that exist; asking iptables-legacy instead would make them."""
    name = "ip_tables_names" if family is Family.IPV4 else "ip6_tables_names"
    # A thread may be in another namespace than its process; kernels before 3.17 have no thread-self.
    folder = "/proc/thread-self/net" if os.path.isdir("/proc/thread-self/net") else "/proc/self/net"  # noqa: PTH112
    try:
        with open(f"{folder}/{name}", encoding="ascii") as file:  # noqa: PTH123  (pathlib costs 10 ms)
            return file.read().split()
    except FileNotFoundError:
        return []
    except PermissionError as error:
        raise needs_root() from error


def _read_legacy(backend: Backend, tools: Tools) -> Sequence[Chain]:
    done = run(tools.save, "-c", "-t", "nat")
    if done.code != 0:
        raise refused(done)
    table = parse(done.output, str(backend), backend.family).tables[0]
    return table.reached_from(POSTROUTING)


def read_steadily(kernel: Nfnetlink, backend: Backend, read: Callable[[], _Read]) -> _Read:
    """Read something from the kernel that nobody changes meanwhile; again when somebody did.

    Raises:
        BusyError: the rules changed all the time.
    """
    for _ in range(_TRIES):
        before = generation(kernel)
        try:
            found = read()
        except (UnsupportedError, LookupError):
            # A chain that was removed while it was read is also "incompatible".
            if generation(kernel) == before:
                raise
            continue
        if generation(kernel) == before:
            return found
    raise BusyError(
        f"the nft ruleset changed {_TRIES} times while {backend} was read",
        hint="Try again when fewer programs change rules.",
    )


def _walk(kernel: Nfnetlink, backend: Backend, tools: Tools) -> Sequence[Chain]:
    met: dict[str, Chain] = {}
    waiting = [POSTROUTING]
    asked = set(waiting)
    while waiting:
        there = [name for name in waiting if has_chain(kernel, backend.family, "nat", name)]
        # CNI plugins make a chain for each pod, and all of them stand side by side.
        found = [_shown(done, kernel, backend, "nat", name) for name, done in _printed(tools, "nat", there)]
        met |= {chain.name: chain for chain in found}
        targets = dict.fromkeys(rule.target for chain in found for rule in chain.rules)
        waiting = [target for target in targets if target and target not in asked]
        asked.update(waiting)
    return tuple(met.values())


def _printed(tools: Tools, table: str, names: Sequence[str]) -> Iterable[tuple[str, Done]]:
    return zip(names, run_each([(tools.iptables, "-t", table, "-S", name, "-v") for name in names]), strict=True)


def read_chain(kernel: Nfnetlink, backend: Backend, tools: Tools, table: str, name: str) -> Chain:
    """Read one chain of the nft variant, held against what the kernel itself says of it.

    Raises:
        HostError: no rights, or the program failed.
        UnsupportedError: it holds what iptables cannot show.
        LookupError: it is not there.
    """
    ((_, done),) = _printed(tools, table, [name])
    return _shown(done, kernel, backend, table, name)


def _shown(done: Done, kernel: Nfnetlink, backend: Backend, table: str, name: str) -> Chain:
    """The chain that was printed."""
    if done.code != 0:
        raise refused_listing(done, table, name, _nft_family(backend))
    if is_unshown(done):
        raise unsupported(str(backend), table, name, _nft_family(backend))
    chain = _listed(done, backend, table, name)
    _verify(kernel, backend, table, chain)
    return chain


def read_table(kernel: Nfnetlink, backend: Backend, tools: Tools, table: str) -> Sequence[Chain]:
    """Read every chain of one table of the nft variant, as read_chain does; for small tables.

    Raises:
        HostError, UnsupportedError: as read_chain.
    """
    done = run(tools.iptables, "-t", table, "-S", "-v")
    if done.code != 0:
        raise refused_listing(done, table, "", _nft_family(backend))
    if is_unshown(done):
        raise unsupported(str(backend), table, "", _nft_family(backend))
    lines = done.output.decode("utf-8", "surrogateescape").splitlines()
    declared = [_declaration(line) if line.startswith(("-P ", "-N ")) else line for line in lines]
    text = "\n".join([f"*{table}", *declared, "COMMIT", ""])
    listed = parse(text.encode("utf-8", "surrogateescape"), f"{backend} -S", backend.family).tables[0]
    chains = [chain for name in listed.declared if (chain := listed.chain(name))]
    for chain in chains:
        _verify(kernel, backend, table, chain)
    return chains


def _verify(kernel: Nfnetlink, backend: Backend, table: str, chain: Chain | None) -> None:
    """Hold what iptables-nft printed of a chain against what the kernel holds."""
    if chain is None:
        return
    held = rules(kernel, backend.family, table, chain.name)
    if len(held) != len(chain.places) or any(is_foreign(rule) for rule in held):
        raise unsupported(str(backend), table, chain.name, _nft_family(backend))


def _listed(done: Done, backend: Backend, table: str, name: str) -> Chain:
    """Turn what ``-S CHAIN -v`` printed into a chain."""
    first, _, others = done.output.decode("utf-8", "surrogateescape").partition("\n")
    text = f"*{table}\n{_declaration(first)}\n{others}COMMIT\n"
    try:
        chain = parse(text.encode("utf-8", "surrogateescape"), f"{backend} -S {name}", backend.family).tables[0].chain(name)
    except RulesetSyntaxError as error:
        raise refused_listing(done, table, name, _nft_family(backend)) from error
    if chain is None:
        raise LookupError(name)
    return chain


def _declaration(line: str) -> str:
    """Turn ``-P POSTROUTING ACCEPT -c 1 60`` or ``-N CHAIN`` into the line of iptables-save."""
    words = line.split()
    if words[:1] == ["-N"]:
        return f":{words[1]} - [0:0]"
    packets, size = words[4:6] if words[3:4] == ["-c"] else ("0", "0")
    return f":{words[1]} {words[2]} [{packets}:{size}]"


def _nft_family(backend: Backend) -> str:
    return "ip" if backend.family is Family.IPV4 else "ip6"

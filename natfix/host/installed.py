"""Which iptables programs are on this host, under which names."""

from __future__ import annotations

from typing import NamedTuple

from natfix.app.ports import Backend
from natfix.host.programs import find, run
from natfix.ruleset import Family


class Tools(NamedTuple):
    """The programs of one backend, as paths."""

    iptables: str
    save: str
    restore: str


def installed(backend: Backend) -> Tools | None:
    """Find the programs of a backend; None when they are not all there.

    They carry the variant in their names (``iptables-nft``, ``iptables-legacy-save``), except where a distribution ships one
    variant alone, as RHEL 7 does: there plain ``iptables`` is it, and says in its version which one.
    """
    tools = _named(str(backend))
    if tools is not None:
        return tools
    plain = _named("iptables" if backend.family is Family.IPV4 else "ip6tables")
    return plain if plain is not None and _variant(plain) == backend.variant else None


def _named(name: str) -> Tools | None:
    paths = [find(program) for program in (name, f"{name}-save", f"{name}-restore")]
    found = [path for path in paths if path]
    return Tools(*found) if len(found) == len(paths) else None


def _variant(tools: Tools) -> str:
    """Ask which variant it is: ``iptables v1.8.9 (nf_tables)``; before 1.8.0 there was only one, and it said nothing."""
    return "nft" if b"(nf_tables)" in run(tools.iptables, "-V").output else "legacy"

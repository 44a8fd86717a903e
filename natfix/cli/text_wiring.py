"""Answers from texts and files of any host, as wiring.py answers from this one."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, BinaryIO, Literal, NamedTuple, TypeAlias

from natfix.cli.file_wiring import STDIN, read_file
from natfix.cli.rule_wiring import catalogue
from natfix.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from natfix.app.cluster import Cluster
    from natfix.app.ports import Variant
    from natfix.app.replay import CollectedHost
    from natfix.app.trace import Asked
    from natfix.audit import Catalogue
    from natfix.report.changes import ChangeResult
    from natfix.report.model import CheckResult
    from natfix.report.proof import ProofResult
    from natfix.report.trace import Traced

Form: TypeAlias = Literal["save", "nft", "collected"]

_STDIN_NAME = "standard input"
_HINT = "Make one with: iptables-save > dump.save"
# A file of natfix collect says this near its beginning, and is usually called so.
_KIND, _HEAD, _SUFFIX = b'"natfix-collected"', 400, ".natfix"


# A text that is the only one: the process ends with it, which is quicker than to free 100,000 lines before.
_kept: list[object] = []


def check(
    sources: Sequence[str], cidrs: Sequence[str], rules: Sequence[str], *, charts: bool, told: Callable[[], None]
) -> CheckResult:
    """Check the named sources; see natfix.cli.wiring.check. Pictures of several are for illustrated()."""
    from natfix.app.check import telling  # noqa: PLC0415
    from natfix.app.many import check_many  # noqa: PLC0415
    from natfix.host.workers import HostWorkers  # noqa: PLC0415

    alone = len(sources) == 1
    asked = _Asked.of(cidrs, rules, charts=charts and alone, alone=alone)
    if STDIN in sources:
        _whole(sys.stdin.buffer)  # Before other processes share the work, so that it is read once.
    return telling(check_many(sources, asked.look, HostWorkers(), told), asked.catalogue.suppressions)


def illustrated(result: CheckResult, cidrs: Sequence[str], rules: Sequence[str]) -> CheckResult:
    """The result of several sources with the pictures that a page shows."""
    from natfix.app.many import illustrated as with_pictures  # noqa: PLC0415

    asked = _Asked.of(cidrs, rules, charts=True)
    return with_pictures(result, lambda name: asked.look(STDIN if name == _STDIN_NAME else name))


class _Asked(NamedTuple):
    """What a source is looked at for.

    Attributes:
        cidrs: the cluster as the user told it.
        clusters: the cluster of each family.
        catalogue: the audit rules.
        charts: whether for pictures too.
        alone: whether it is the only one.
    """

    cidrs: Sequence[str]
    clusters: Sequence[Cluster]
    catalogue: Catalogue
    charts: bool
    alone: bool

    @classmethod
    def of(cls, cidrs: Sequence[str], rules: Sequence[str], *, charts: bool, alone: bool = False) -> _Asked:
        from natfix.app.cluster import told_cluster  # noqa: PLC0415
        from natfix.host.files import HostFiles  # noqa: PLC0415

        return cls(cidrs, told_cluster(cidrs, HostFiles()), catalogue(rules, live=False), charts, alone)

    def look(self, source: str) -> CheckResult:
        """Look at one source of any form."""
        from natfix.app.check import look_at_text  # noqa: PLC0415
        from natfix.ruleset import parse  # noqa: PLC0415

        data, name = _read(source)
        form = form_of(data, name)
        if form == "save":
            ruleset = parse(data, name)
            _kept.extend([ruleset] if self.alone else [])
            return look_at_text(ruleset, self.clusters, self.catalogue, charts=self.charts)
        if form == "nft":
            from natfix.app.native import look_at_nft_text  # noqa: PLC0415  (few texts are listings of nft)
            from natfix.nft import parse_nft  # noqa: PLC0415

            return look_at_nft_text(parse_nft(data, name), self.clusters, self.catalogue, charts=self.charts)
        from natfix.app.replay import look_at_collected  # noqa: PLC0415

        return look_at_collected(_host(data, name), self.cidrs, self.catalogue, charts=self.charts)


def trace(asked: Asked, sources: Sequence[str], ipsets: str | None) -> Traced:
    """Follow packets through the named texts, or through the host that a file of natfix collect tells of.

    Raises:
        UsageError: there is such a file, and it is not alone.
    """
    from natfix.app.trace import trace_texts  # noqa: PLC0415
    from natfix.nft import parse_nft  # noqa: PLC0415
    from natfix.packets.ipset import parse_ipsets  # noqa: PLC0415
    from natfix.ruleset import parse  # noqa: PLC0415

    given = parse_ipsets(_text(ipsets), ipsets) if ipsets else None
    read = [(form_of(*each), *each) for each in map(_read, sources)]
    hosts = [(data, name) for form, data, name in read if form == "collected"]
    if not hosts:
        texts = [parse(data, name) for form, data, name in read if form == "save"]
        return trace_texts(asked, texts, given, [parse_nft(data, name) for form, data, name in read if form == "nft"])
    if len(read) > 1:
        raise UsageError(f"{hosts[0][1]} tells of a whole host, so it is followed alone", hint="Name one source.")
    from natfix.app.replay import trace_collected  # noqa: PLC0415

    return trace_collected(_host(*hosts[0]), asked, given)


def prove(
    sources: Sequence[str], cidrs: Sequence[str], rules: Sequence[str], *, legacy: bool, ipsets: str | None
) -> ProofResult:
    """Ask the kernel about the named sources."""
    from natfix.app.cluster import told_cluster  # noqa: PLC0415
    from natfix.app.prove import prove_texts  # noqa: PLC0415
    from natfix.app.prove_cases import native_tables  # noqa: PLC0415
    from natfix.host.files import HostFiles  # noqa: PLC0415
    from natfix.host.judge.kernel import KernelJudge  # noqa: PLC0415
    from natfix.report.proof import joined  # noqa: PLC0415
    from natfix.ruleset import parse  # noqa: PLC0415

    given, kinds, judge = _text(ipsets) if ipsets else "", catalogue(rules), KernelJudge()
    read = [(form_of(data, name), data, name) for data, name in map(_read, sources)]
    texts = [parse(data, name) for form, data, name in read if form == "save"]
    native = native_tables(((data, name) for form, data, name in read if form == "nft"), texts)
    variant: Variant = "legacy" if legacy else "nft"

    def results() -> Iterator[ProofResult]:
        if any(form != "collected" for form, _, _ in read):
            found = told_cluster(cidrs, HostFiles())
            yield prove_texts(texts, found, kinds, judge=judge, variant=variant, ipsets=given, native=native)
        for host in (_host(data, name) for form, data, name in read if form == "collected"):
            from natfix.app.replay import prove_collected  # noqa: PLC0415

            yield prove_collected(host, cidrs, kinds, judge=judge, ipsets=given)

    return joined(results())


def correct(source: str, cidrs: Sequence[str], rules: Sequence[str]) -> tuple[bytes, ChangeResult]:
    """Correct one text."""
    from natfix.app import offline  # noqa: PLC0415
    from natfix.app.cluster import told_cluster  # noqa: PLC0415
    from natfix.host.files import HostFiles  # noqa: PLC0415
    from natfix.ruleset import parse  # noqa: PLC0415

    data, name = _read(source)
    if form_of(data, name) == "collected":
        raise UsageError(
            f"{name}: a file of natfix collect tells of a host and cannot change it",
            hint="Run natfix apply on the host itself.",
        )
    return offline.correct_text(parse(data, name), told_cluster(cidrs, HostFiles()), catalogue(rules, live=False))


def form_of(data: bytes, name: str) -> Form:
    """Tell what a source is: what iptables-save, nft or natfix collect wrote."""
    if name.endswith(_SUFFIX) or _KIND in data[:_HEAD]:
        return "collected"
    return "nft" if data.lstrip().startswith(b"{") else "save"


def _read(source: str) -> tuple[bytes, str]:
    if source == STDIN:
        return _whole(sys.stdin.buffer), _STDIN_NAME
    return read_file(source, hint=_HINT), source


@lru_cache(maxsize=1)
def _whole(stream: BinaryIO) -> bytes:
    """What comes from a stream, which can be read once."""
    return stream.read()


def _text(path: str) -> str:
    return read_file(path).decode("utf-8", "surrogateescape")


def _host(data: bytes, name: str) -> CollectedHost:
    from natfix.app.collected import Collected  # noqa: PLC0415
    from natfix.app.replay import CollectedHost  # noqa: PLC0415

    return CollectedHost(Collected.parse(data, name), name)

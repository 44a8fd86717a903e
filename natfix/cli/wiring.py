"""The only module that builds host objects: here the use cases meet the machine.

Every import of natfix.host and natfix.app is made when a command needs it, because each costs start-up time.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from natfix.errors import HostError, NatfixError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from natfix.app.advise import DockerHost
    from natfix.app.cluster import Cluster
    from natfix.app.lab import Sandbox
    from natfix.app.machine import Machine
    from natfix.app.node.ports import DataPlane
    from natfix.app.planning import Wishes
    from natfix.app.ports import History, RulesetStore, Variant
    from natfix.app.trace import Asked
    from natfix.app.units import Units
    from natfix.audit import Catalogue
    from natfix.nft import NftRuleset
    from natfix.report.changes import ChangeResult
    from natfix.report.model import CheckResult
    from natfix.report.proof import ProofResult
    from natfix.report.trace import Traced
    from natfix.ruleset import Family, Ruleset

STDIN = "-"


def check(
    sources: Sequence[str],
    cidrs: Sequence[str],
    rules: Sequence[str],
    *,
    charts: bool = False,
    told: Callable[[], None] = lambda: None,
) -> CheckResult:
    """Check the named texts, or this host when none is named.

    Args:
        sources: names of texts.
        cidrs: the cluster, as far as the user told it.
        rules: folders with further audit rules.
        charts: whether a picture of each finding will be asked for.
        told: called for each text that was looked at.
    """
    from natfix.app.check import check_host, look_at_host, native_listing, telling  # noqa: PLC0415

    if sources:
        return _check_texts(sources, cidrs, rules, charts=charts, told=told)
    from natfix.host.filtering import HostFilters  # noqa: PLC0415
    from natfix.host.guard import NftGuardStore  # noqa: PLC0415
    from natfix.host.ipsets import HostIpSets  # noqa: PLC0415
    from natfix.host.links import HostLinks  # noqa: PLC0415
    from natfix.host.nft_listing import HostNftListing  # noqa: PLC0415

    stores = _stores(0)
    guards = NftGuardStore().read().guards
    links, notes = HostLinks(), list[str]()
    native = native_listing(HostNftListing(), notes)
    found = all_clusters(cidrs) if native else clusters(cidrs, stores)
    read = catalogue(rules)
    looked = look_at_host(stores, found, links, read, guards=guards, filters=HostFilters(), ipsets=HostIpSets())
    if native:
        from natfix.app.native import look_at_native  # noqa: PLC0415  (few hosts have such tables)
        from natfix.nft import parse_nft  # noqa: PLC0415

        network = (links.interfaces(), links.routes())
        looked += look_at_native(parse_nft(native, "nft"), found, read, network=network, guards=guards)
    return telling(check_host(looked, charts=charts, notes=notes), read.suppressions)


def _check_texts(
    sources: Sequence[str], cidrs: Sequence[str], rules: Sequence[str], *, charts: bool, told: Callable[[], None]
) -> CheckResult:
    from natfix.app.check import look_at_text, telling  # noqa: PLC0415
    from natfix.app.cluster import told_cluster  # noqa: PLC0415
    from natfix.app.many import check_many  # noqa: PLC0415
    from natfix.host.files import HostFiles  # noqa: PLC0415
    from natfix.host.workers import HostWorkers  # noqa: PLC0415
    from natfix.ruleset import Ruleset  # noqa: PLC0415

    found, read = told_cluster(cidrs, HostFiles()), catalogue(rules, live=False)

    def look(source: str) -> CheckResult:
        text = read_listing(source)
        if isinstance(text, Ruleset):
            return look_at_text(text, found, read, charts=charts)
        from natfix.app.native import look_at_nft_text  # noqa: PLC0415  (few texts are listings of nft)

        return look_at_nft_text(text, found, read, charts=charts)

    return telling(check_many(sources, look, HostWorkers(), told), read.suppressions)


def trace(asked: Asked, sources: Sequence[str], ipsets: str | None) -> Traced:
    """Follow packets through the named texts, or through this host when none is named."""
    from natfix.app.trace import trace_host, trace_texts  # noqa: PLC0415
    from natfix.packets.ipset import parse_ipsets  # noqa: PLC0415
    from natfix.ruleset import Ruleset  # noqa: PLC0415

    given = parse_ipsets(read_file(ipsets).decode("utf-8", "surrogateescape"), ipsets) if ipsets else None
    if sources:
        texts = [read_listing(source) for source in sources]
        own = [each for each in texts if not isinstance(each, Ruleset)]
        return trace_texts(asked, [each for each in texts if isinstance(each, Ruleset)], given, own)
    from natfix.host.ipsets import HostIpSets  # noqa: PLC0415
    from natfix.host.links import HostLinks  # noqa: PLC0415
    from natfix.host.nft_listing import HostNftListing  # noqa: PLC0415
    from natfix.nft import parse_nft  # noqa: PLC0415

    listed = HostIpSets().read() if given is None else None
    tables = HostNftListing().read()
    native = [parse_nft(tables, "nft")] if tables else []
    return trace_host(asked, _stores(0), HostLinks(), parse_ipsets(listed, "ipset save") if listed else given, native)


def prove(
    sources: Sequence[str], cidrs: Sequence[str], rules: Sequence[str], *, legacy: bool, ipsets: str | None
) -> ProofResult:
    """Ask the kernel about the named texts, or about this host when none is named."""
    from natfix.app.prove import prove_host, prove_texts  # noqa: PLC0415
    from natfix.host.judge.kernel import KernelJudge  # noqa: PLC0415

    given = read_file(ipsets).decode("utf-8", "surrogateescape") if ipsets else ""
    if sources:
        from natfix.app.cluster import told_cluster  # noqa: PLC0415
        from natfix.host.files import HostFiles  # noqa: PLC0415

        read, found = [read_text(source) for source in sources], told_cluster(cidrs, HostFiles())
        variant: Variant = "legacy" if legacy else "nft"
        return prove_texts(read, found, catalogue(rules), judge=KernelJudge(), variant=variant, ipsets=given)
    from natfix.host.ipsets import HostIpSets  # noqa: PLC0415
    from natfix.host.links import HostLinks  # noqa: PLC0415

    stores = _stores(0)
    listed = given or HostIpSets().read() or ""
    return prove_host(stores, clusters(cidrs, stores), HostLinks(), catalogue(rules), judge=KernelJudge(), ipsets=listed)


def correct_text(source: str, cidrs: Sequence[str], rules: Sequence[str]) -> tuple[bytes, ChangeResult]:
    """Correct one text."""
    from natfix.app import offline  # noqa: PLC0415
    from natfix.app.cluster import told_cluster  # noqa: PLC0415
    from natfix.host.files import HostFiles  # noqa: PLC0415

    return offline.correct_text(read_text(source), told_cluster(cidrs, HostFiles()), catalogue(rules, live=False))


def read_listing(source: str) -> Ruleset | NftRuleset:
    """Read one iptables-save text, or what ``nft -j list ruleset`` printed."""
    from natfix.ruleset import parse  # noqa: PLC0415

    if source == STDIN:
        data, name = sys.stdin.buffer.read(), "standard input"
    else:
        data, name = read_file(source, hint="Make one with: iptables-save > dump.save"), source
    if not data.lstrip().startswith(b"{"):
        return parse(data, name)
    from natfix.nft import parse_nft  # noqa: PLC0415  (few texts are listings of nft)

    return parse_nft(data, name)


def read_text(source: str) -> Ruleset:
    """Read one iptables-save text."""
    from natfix.ruleset import parse  # noqa: PLC0415

    if source == STDIN:
        return parse(sys.stdin.buffer.read(), "standard input")
    return parse(read_file(source, hint="Make one with: iptables-save > dump.save"), source)


def read_file(path: str, *, hint: str | None = None) -> bytes:
    """Read a file that the user named.

    Raises:
        UsageError: it is not there.
    """
    from natfix.host.files import HostFiles  # noqa: PLC0415

    data = HostFiles().read(path)
    if data is None:
        raise UsageError(f"there is no file {path}", hint=hint)
    return data


def save_text(path: str, data: bytes) -> None:
    """Put a text that was asked for at *path*."""
    from natfix.host.files import HostFiles  # noqa: PLC0415

    HostFiles().replace(path, data, mode=0o644)


def catalogue(rules: Sequence[str], *, live: bool = True) -> Catalogue:
    """Read the audit rules, with the suppressions that hold for this host, or for a text."""
    from natfix.cli import rule_wiring  # noqa: PLC0415

    return rule_wiring.catalogue(rules, live=live)


def clusters(cidrs: Sequence[str], stores: Sequence[RulesetStore]) -> tuple[Cluster, ...]:
    """Find the clusters of this host, for the families that have nat rules."""
    return _clusters(cidrs, sorted({store.backend.family for store in stores}))


def all_clusters(cidrs: Sequence[str]) -> tuple[Cluster, ...]:
    """Find the clusters of this host, of both families."""
    from natfix.ruleset import Family  # noqa: PLC0415

    return _clusters(cidrs, tuple(Family))


def _clusters(cidrs: Sequence[str], families: Sequence[Family]) -> tuple[Cluster, ...]:
    from natfix.app.cluster import find_cluster  # noqa: PLC0415
    from natfix.host.files import HostFiles  # noqa: PLC0415
    from natfix.host.links import HostLinks  # noqa: PLC0415
    from natfix.host.processes import HostProcesses  # noqa: PLC0415

    return find_cluster(cidrs, files=HostFiles(), processes=HostProcesses(), links=HostLinks(), families=families)


def wishes(
    cidrs: Sequence[str],
    rules: Sequence[str],
    *,
    kernel: bool = True,
    persist: bool = True,
    full: bool = False,
    file: str | None = None,
    keep_connections: bool = False,
    leave_guarded: bool = False,
    confirm: float = 0,
) -> Wishes:
    """Put together what the user wants of a change of this host."""
    from natfix.app.planning import Wishes  # noqa: PLC0415

    return Wishes(
        clusters=clusters(cidrs, _stores(0)),
        catalogue=catalogue(rules),
        kernel=kernel,
        persist=persist,
        full=full,
        file=file,
        keep_connections=keep_connections,
        leave_guarded=leave_guarded,
        confirm=confirm,
        keep_records=_keep_records(),
    )


def _keep_records() -> int:
    """How many records the history keeps whatever they are; settings that cannot be read keep nobody from a change."""
    from natfix.app.config import read_config  # noqa: PLC0415
    from natfix.app.retention import KEPT  # noqa: PLC0415
    from natfix.host.files import HostFiles  # noqa: PLC0415

    with suppress(NatfixError):
        return read_config(HostFiles()).history.keep or KEPT
    return KEPT


def machine(wait: int) -> Machine:
    """Build this host with every port a change needs.

    Args:
        wait: seconds to wait for the xtables lock and for another natfix.
    """
    from natfix.app.machine import Machine  # noqa: PLC0415
    from natfix.host.clock import HostClock  # noqa: PLC0415
    from natfix.host.conntrack import ConntrackTable  # noqa: PLC0415
    from natfix.host.files import HostFiles  # noqa: PLC0415
    from natfix.host.guard import NftGuardStore  # noqa: PLC0415
    from natfix.host.links import HostLinks  # noqa: PLC0415
    from natfix.host.saved import HostSavedRulesets  # noqa: PLC0415
    from natfix.host.turnstile import HostTurnstile  # noqa: PLC0415
    from natfix.host.validate import validate  # noqa: PLC0415
    from natfix.host.watchdog import HostWatchdog  # noqa: PLC0415

    return Machine(
        stores=_stores(wait),
        links=HostLinks(),
        files=HostFiles(),
        connections=ConntrackTable(),
        history=history(),
        turnstile=HostTurnstile(timeout=wait),
        watchdog=HostWatchdog(_undo_command),
        saved=HostSavedRulesets(validate),
        clock=HostClock(),
        guard=NftGuardStore(),
    )


def docker_host(wait: int) -> DockerHost:
    """Build this host with its Docker."""
    from natfix.app.advise import DockerHost  # noqa: PLC0415
    from natfix.host.docker import HostDocker  # noqa: PLC0415
    from natfix.host.filtering import HostFilters  # noqa: PLC0415
    from natfix.host.processes import HostProcesses  # noqa: PLC0415

    return DockerHost(machine(wait), HostDocker(), HostProcesses(), HostFilters())


def history() -> History:
    """The history of this host."""
    from natfix.host.files import HostFiles  # noqa: PLC0415
    from natfix.host.history import HostHistory  # noqa: PLC0415

    return HostHistory(HostFiles())


def lab_sandbox() -> Sandbox:
    """What the lab builds its hosts in."""
    from natfix.host.lab.sandbox import HostSandbox  # noqa: PLC0415

    return HostSandbox()


def units(root: str) -> Units:
    """The units of this host, or of the system in the folder *root*."""
    from natfix.host.files import HostFiles  # noqa: PLC0415
    from natfix.host.units import HostUnits  # noqa: PLC0415

    return HostUnits(HostFiles(), root)


def unit_texts() -> Mapping[str, bytes]:
    """Read the packaged unit files, made to call the natfix that runs."""
    from natfix.app.unit_files import calling  # noqa: PLC0415
    from natfix.host.units import lies_in_home, packaged_files  # noqa: PLC0415

    command, in_home = own_command(), lies_in_home()
    packaged = packaged_files("systemd")
    return {name: calling(text.decode(), command, in_home=in_home).encode() for name, text in packaged.items()}


def supervisor_section(program: str) -> str:
    """Read the packaged section for supervisor of the watcher (``watch``) or the agent (``node``)."""
    from natfix.host.units import packaged_files  # noqa: PLC0415

    return packaged_files("supervisor")[f"natfix-{program}.ini"].decode()


def own_command() -> list[str]:
    """How a service calls the natfix that runs now.

    By its interpreter, not by the console script: that one is found through PATH, may be a wrapper, and is not there at all
    when natfix was started as a module; the interpreter of its environment always finds this very natfix. -P: a folder named
    natfix where the service starts is not it.
    """
    return [sys.executable, "-P", "-m", "natfix"]


def data_plane() -> DataPlane:
    """This host's data plane, for the thread that asks for it.

    Raises:
        HostError: the kernel gives no socket.
    """
    from natfix.host.dataplane.plane import HostDataPlane  # noqa: PLC0415

    return HostDataPlane()


def _stores(wait: int) -> tuple[RulesetStore, ...]:
    """The nat tables of this host that hold rules, legacy ones through python-iptables where it can."""
    from natfix.host.iptables import find_stores  # noqa: PLC0415

    found = find_stores(wait)
    if found.unreadable:
        names = ", ".join(map(str, found.unreadable))
        raise HostError(
            f"the kernel holds a nat table of {names}, and the programs to read it are not installed",
            hint="Install them: apt-get install iptables, or dnf install iptables-nft iptables-legacy.",
        )
    if not found.usable:
        raise HostError("iptables is not installed", hint="Install it: apt-get install iptables, or dnf install iptables.")
    if not wait:
        return found.active
    from natfix.host.libiptc import LibiptcStore  # noqa: PLC0415

    return tuple(LibiptcStore(store) if store.backend.variant == "legacy" else store for store in found.active)


def _undo_command(change: str, seconds: float) -> list[str]:
    return [sys.executable, "-m", "natfix", "undo", change, "--unless-confirmed", f"{seconds:g}"]

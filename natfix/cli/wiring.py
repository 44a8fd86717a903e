"""The only module that builds host objects: here the use cases meet the machine.

Every import of natfix.host and natfix.app is made when a command needs it, because each costs start-up time.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from natfix.cli import file_wiring
from natfix.errors import HostError, NatfixError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from natfix.app.advise import DockerHost
    from natfix.app.change_ports import History
    from natfix.app.cluster import Cluster
    from natfix.app.facts import FactPorts
    from natfix.app.lab import Sandbox
    from natfix.app.machine import Machine
    from natfix.app.node.ports import DataPlane
    from natfix.app.planning import Wishes
    from natfix.app.ports import RulesetStore
    from natfix.app.trace import Asked
    from natfix.app.units import Units
    from natfix.audit import Catalogue
    from natfix.host.iptables import Stores
    from natfix.report.changes import Status
    from natfix.report.model import CheckResult
    from natfix.report.proof import ProofResult
    from natfix.report.trace import Traced
    from natfix.ruleset import Family


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
        charts: whether a picture of each finding will be asked for; of several texts illustrated() gives them.
        told: called for each text that was looked at.
    """
    if sources:
        from natfix.cli import text_wiring  # noqa: PLC0415

        return text_wiring.check(sources, cidrs, rules, charts=charts, told=told)
    from natfix.host.nft_listing import HostNftListing  # noqa: PLC0415
    from natfix.host.read_ahead import ReadAhead  # noqa: PLC0415

    native = ReadAhead(HostNftListing())  # Before what takes longest to import.
    from natfix.app.check import summed_up, telling  # noqa: PLC0415
    from natfix.app.whole import WholeHost, look_at_whole  # noqa: PLC0415
    from natfix.host.filtering import HostFilters  # noqa: PLC0415
    from natfix.host.guard import NftGuardStore  # noqa: PLC0415
    from natfix.host.ipsets import HostIpSets  # noqa: PLC0415
    from natfix.host.links import HostLinks  # noqa: PLC0415

    host = WholeHost(
        stores=_stores(0),
        guards=NftGuardStore().read().guards,
        filters=HostFilters(),
        native=native,
        ipsets=HostIpSets(),
        links=HostLinks(),
        facts=fact_ports(),
        clusters=lambda families: _clusters(cidrs, families),
    )
    read = catalogue(rules)
    return telling(summed_up([look_at_whole(host, read, charts=charts)]), read.suppressions)


def illustrated(result: CheckResult, cidrs: Sequence[str], rules: Sequence[str]) -> CheckResult:
    """The result of several texts with the pictures that a page shows of it."""
    from natfix.cli import text_wiring  # noqa: PLC0415

    return text_wiring.illustrated(result, cidrs, rules)


def said_by_watcher(look: Callable[[], Status]) -> Status:
    """Ask the watcher of this host; *look* is for what it leaves open."""
    from natfix.app.testimony import ask_watcher  # noqa: PLC0415
    from natfix.host.files import HostFiles  # noqa: PLC0415

    return ask_watcher(HostFiles(), look)


def fact_ports() -> FactPorts:
    """Whom an audit asks for what it is told of this host beside rulesets, interfaces and routes."""
    from natfix.app.facts import FactPorts, LoadedFiles  # noqa: PLC0415
    from natfix.host.files import HostFiles  # noqa: PLC0415
    from natfix.host.kernel_state import HostKernelState  # noqa: PLC0415
    from natfix.host.saved import HostSavedRulesets  # noqa: PLC0415
    from natfix.host.validate import validate  # noqa: PLC0415

    return FactPorts(HostKernelState(), LoadedFiles(HostSavedRulesets(validate), HostFiles()), _boot_order, _docker_switches)


def _boot_order() -> Mapping[str, tuple[str, ...]]:
    from natfix.host.boot import HostBoot  # noqa: PLC0415

    return HostBoot().order()


def _docker_switches() -> Mapping[str, bool]:
    from natfix.app.daemon import switches_of  # noqa: PLC0415
    from natfix.host.files import HostFiles  # noqa: PLC0415
    from natfix.host.processes import HostProcesses  # noqa: PLC0415

    return switches_of(HostFiles(), HostProcesses())


def trace(asked: Asked, sources: Sequence[str], ipsets: str | None) -> Traced:
    """Follow packets through the named texts, or through this host when none is named."""
    if sources:
        from natfix.cli import text_wiring  # noqa: PLC0415

        return text_wiring.trace(asked, sources, ipsets)
    from natfix.app.trace import trace_host  # noqa: PLC0415
    from natfix.host.ipsets import HostIpSets  # noqa: PLC0415
    from natfix.host.links import HostLinks  # noqa: PLC0415
    from natfix.host.nft_listing import HostNftListing  # noqa: PLC0415
    from natfix.packets.ipset import parse_ipsets  # noqa: PLC0415

    listed = file_wiring.read_file(ipsets).decode("utf-8", "surrogateescape") if ipsets else HostIpSets().read()
    sets = parse_ipsets(listed, ipsets or "ipset save") if listed else None
    return trace_host(asked, all_tables(), HostLinks(), sets, HostNftListing())


def prove(
    sources: Sequence[str], cidrs: Sequence[str], rules: Sequence[str], *, legacy: bool, ipsets: str | None
) -> ProofResult:
    """Ask the kernel about the named texts, or about this host when none is named."""
    if sources:
        from natfix.cli import text_wiring  # noqa: PLC0415

        return text_wiring.prove(sources, cidrs, rules, legacy=legacy, ipsets=ipsets)
    from natfix.app.prove import prove_host  # noqa: PLC0415
    from natfix.host.ipsets import HostIpSets  # noqa: PLC0415
    from natfix.host.judge.kernel import KernelJudge  # noqa: PLC0415
    from natfix.host.links import HostLinks  # noqa: PLC0415
    from natfix.host.nft_listing import HostNftListing  # noqa: PLC0415

    given = file_wiring.read_file(ipsets).decode("utf-8", "surrogateescape") if ipsets else ""
    listed = given or HostIpSets().read() or ""
    host = (all_tables(), all_clusters(cidrs), HostLinks(), catalogue(rules))
    return prove_host(*host, judge=KernelJudge(), ipsets=listed, native=HostNftListing())


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
    from natfix.host.filtering import HostFilters  # noqa: PLC0415
    from natfix.host.guard import NftGuardStore  # noqa: PLC0415
    from natfix.host.links import HostLinks  # noqa: PLC0415
    from natfix.host.nft_listing import HostNftListing  # noqa: PLC0415
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
        native=HostNftListing(),
        filters=HostFilters(),
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


def all_tables() -> tuple[RulesetStore, ...]:
    """The backends of this host whose tables decide about addresses: those with a nat table, and those that mark packets.

    Raises:
        HostError: there is one that cannot be read, or no iptables.
    """
    return (*_stores(0), *_found(0).marking)


def _stores(wait: int) -> tuple[RulesetStore, ...]:
    """The nat tables of this host that hold rules, legacy ones through python-iptables where it can."""
    found = _found(wait)
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


def _found(wait: int) -> Stores:
    from natfix.host.iptables import find_stores  # noqa: PLC0415

    return find_stores(wait)


def _undo_command(change: str, seconds: float) -> list[str]:
    return [sys.executable, "-m", "natfix", "undo", change, "--unless-confirmed", f"{seconds:g}"]

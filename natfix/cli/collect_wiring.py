"""Builds everything of this host that ``natfix collect`` asks, as wiring.py builds the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from natfix.cli.wiring import all_clusters, all_tables

if TYPE_CHECKING:
    from natfix.app.collected import Collected


def collect(cidrs: Sequence[str], *, named: bool) -> Collected:
    """Gather everything that a verdict about this host depends on.

    Args:
        cidrs: the cluster, as far as the user told it.
        named: whether the host's name is kept.
    """
    from natfix import __version__  # noqa: PLC0415
    from natfix.app.collect import Sources  # noqa: PLC0415
    from natfix.app.collect import collect as gather  # noqa: PLC0415
    from natfix.host.boot import HostBoot  # noqa: PLC0415
    from natfix.host.clock import HostClock  # noqa: PLC0415
    from natfix.host.docker import HostDocker  # noqa: PLC0415
    from natfix.host.files import HostFiles  # noqa: PLC0415
    from natfix.host.filtering import HostFilters  # noqa: PLC0415
    from natfix.host.ipsets import HostIpSets  # noqa: PLC0415
    from natfix.host.kernel_state import HostKernelState  # noqa: PLC0415
    from natfix.host.links import HostLinks  # noqa: PLC0415
    from natfix.host.nft_listing import HostNftListing  # noqa: PLC0415
    from natfix.host.processes import HostProcesses  # noqa: PLC0415
    from natfix.host.saved import HostSavedRulesets  # noqa: PLC0415
    from natfix.host.validate import validate  # noqa: PLC0415

    sources = Sources(
        stores=all_tables,
        clusters=lambda: all_clusters(cidrs),
        filters=HostFilters(),
        native=HostNftListing(),
        ipsets=HostIpSets(),
        links=HostLinks(),
        kernel=HostKernelState(),
        docker=HostDocker(),
        saved=HostSavedRulesets(validate),
        files=HostFiles(),
        boot=HostBoot(),
        processes=HostProcesses(),
        clock=HostClock(),
    )
    return gather(sources, __version__, named=named)


def keep(path: str, data: bytes) -> None:
    """Put a collected file at *path*, whole or not at all; for nobody else to read, as it tells how a host is built."""
    from natfix.host.files import HostFiles  # noqa: PLC0415

    HostFiles().replace(path, data, mode=0o600)

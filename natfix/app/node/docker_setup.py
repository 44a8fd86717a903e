"""Give Docker the subnet of this host: its daemon.json is written, recorded like any other change, and Docker is restarted.

Nothing is written or restarted where Docker has the subnet already, so that it can be asked for at each start of the agent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from natfix.app.advise import DockerHost
from natfix.app.daemon import Daemon, read_daemon
from natfix.app.record import FileChange, Journey, new_id
from natfix.app.sources.flags import flag
from natfix.errors import NatfixError, UsageError
from natfix.plan.daemon_json import set_option

VERB = "node"


@dataclass(frozen=True, slots=True)
class DockerChange:
    """What was done.

    Attributes:
        id: names the change of daemon.json, for ``natfix undo``; empty when it was right already.
        path: the file.
        restarted: whether Docker was restarted.
    """

    id: str
    path: str
    restarted: bool


def settle_docker(host: DockerHost, options: Mapping[str, Any], restart: Callable[[], None]) -> DockerChange:
    """Bring Docker's own bridge to what *options* say.

    Args:
        host: the host.
        options: names and values of daemon.json: ``bip``, ``mtu``, …
        restart: restarts Docker, and returns when it runs.

    Raises:
        UsageError: an option stands on Docker's command line with another value.
        HostError: dockerd refuses the file, it cannot be written, or Docker does not start.
        BusyError: another natfix is at work.
    """
    machine = host.machine
    with machine.turnstile.hold():
        daemon = read_daemon(machine.files, host.processes)
        after = _edited(daemon, options)
        name = "" if after is None else _write(host, daemon, after)
    stale = bool(name) or not _has_address(host, daemon, str(options.get("bip", "")))
    if stale:
        restart()
    return DockerChange(name, daemon.path, stale)


def _edited(daemon: Daemon, options: Mapping[str, Any]) -> bytes | None:
    """The file as it shall be; None when it need not change."""
    after = daemon.data
    for name, value in options.items():
        if daemon.given(name):
            said, wanted = flag(daemon.arguments, name), str(value).lower() if isinstance(value, bool) else str(value)
            if said != wanted:
                raise UsageError(
                    f"dockerd was started with --{name}={said}, where this host needs {wanted}, and {daemon.path} cannot say"
                    " what the command line says",
                    hint="Take the option out of Docker's unit: systemctl cat docker.service",
                )
        elif daemon.options.get(name) != value:
            after = set_option(after, name, value, daemon.path)
    return after if after != daemon.data else None


def _write(host: DockerHost, daemon: Daemon, after: bytes) -> str:
    machine = host.machine
    host.docker.validate(after)
    now = machine.clock.now()
    change = FileChange(daemon.path, None, daemon.data, after)
    journey = Journey(new_id(machine.history, now), VERB, now, files=(change,))
    machine.history.save(journey.record())
    try:
        machine.files.replace(daemon.path, after, mode=0o644)
    except NatfixError:
        machine.history.save(journey.in_state("rolled back").record())
        raise
    machine.history.save(journey.in_state("done").record())
    return journey.id


def _has_address(host: DockerHost, daemon: Daemon, address: str) -> bool:
    bridges = (one for one in host.machine.links.interfaces() if one.name == daemon.bridge)
    return not address or any(str(each) == address for bridge in bridges for each in bridge.addresses)

"""How the Docker daemon of a host is configured: its flags, and its daemon.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from natfix.app.ports import Files, Processes
from natfix.app.sources.flags import flag
from natfix.plan.daemon_json import DAEMON_JSON, read_options


@dataclass(frozen=True, slots=True)
class Daemon:
    """The daemon's configuration.

    Attributes:
        arguments: its command line; empty when it does not run.
        path: its configuration file.
        data: what is in there; None when there is no such file.
        options: the options in there.
    """

    arguments: Sequence[str] = ()
    path: str = DAEMON_JSON
    data: bytes | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def bridge(self) -> str:
        """The device of the default network."""
        return flag(self.arguments, "bridge") or flag(self.arguments, "b") or self.options.get("bridge") or "docker0"

    def given(self, name: str) -> str:
        """The flag *name* as it stands on the command line; empty when it does not.

        Docker does not start when an option stands both there and in its configuration file.
        """
        return next((word for word in self.arguments if word.partition("=")[0] in {f"--{name}", f"-{name}"}), "")

    def is_off(self, name: str) -> bool:
        """Whether the option *name*, on by default, is switched off in either place."""
        return self.given(name).partition("=")[2] in {"false", "0"} or self.options.get(name) is False


def read_daemon(files: Files, processes: Processes) -> Daemon:
    """Look how Docker is configured.

    Raises:
        ConfigError: its configuration file cannot be read by Docker either; the message points at the place.
        HostError: it is there and cannot be read.
    """
    arguments = next((process.arguments for process in processes.running("dockerd")), ())
    path = flag(arguments, "config-file") or DAEMON_JSON
    data = files.read(path)
    return Daemon(arguments, path, data, read_options(data, path))


def switches_of(files: Files, processes: Processes) -> Mapping[str, bool]:
    """What is known of how Docker writes its rules; nothing where it does not run, as its flags are not known then.

    Returns:
        ``iptables`` and ``ip-masq``, on unless they are switched off; ``ip6tables`` where somebody says, as its default is
        another one before Docker 27; ``nftables``, whether rules are written with nft instead.

    Raises:
        NatfixError: as read_daemon.
    """
    daemon = read_daemon(files, processes)
    if not daemon.arguments:
        return {}
    found = {name: not daemon.is_off(name) for name in ("iptables", "ip-masq")}
    if daemon.given("ip6tables") or "ip6tables" in daemon.options:
        found["ip6tables"] = not daemon.is_off("ip6tables")
    backend = flag(daemon.arguments, "firewall-backend") or daemon.options.get("firewall-backend")
    return {**found, "nftables": backend == "nftables"}

"""Which file a service of this host loads into iptables at boot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from natfix.app.ports import SavedRulesets
from natfix.ruleset import Family


class _Service(NamedTuple):
    """A service that restores a file.

    Attributes:
        family: what it restores.
        mark: a file that is there when the service is installed; from the root directory on.
        word: what stands in that file; other distributions call another unit by the same name.
        saved: the file it restores.
    """

    family: Family
    mark: str
    word: bytes
    saved: str


def _services() -> tuple[_Service, ...]:
    """iptables-services (RHEL and its likes, Fedora) and iptables-persistent (Debian and its likes), in this order.

    The unit of iptables-services starts /usr/libexec/iptables/iptables.init; Arch's iptables.service, which reads other
    files, does not.
    """
    return tuple(
        service
        for family, program, plugin, saved in (
            (Family.IPV4, "iptables", "15-ip4tables", "rules.v4"),
            (Family.IPV6, "ip6tables", "25-ip6tables", "rules.v6"),
        )
        for service in (
            _Service(family, f"usr/lib/systemd/system/{program}.service", b"tables.init", f"etc/sysconfig/{program}"),
            _Service(family, f"lib/systemd/system/{program}.service", b"tables.init", f"etc/sysconfig/{program}"),
            _Service(family, f"etc/rc.d/init.d/{program}", b"", f"etc/sysconfig/{program}"),
            _Service(family, f"usr/share/netfilter-persistent/plugins.d/{plugin}", b"", f"etc/iptables/{saved}"),
        )
    )


_SERVICES: Final = _services()


class HostSavedRulesets(SavedRulesets):
    """The services that are installed on this host.

    Args:
        load: loads a text in a scratch network namespace and raises HostError when iptables-restore refuses it.
        root: the root directory of the host.
    """

    def __init__(self, load: Callable[[Family, bytes], str], root: str = "/") -> None:
        self._load = load
        self._root = root.rstrip("/")

    def paths(self) -> Mapping[Family, str]:
        """For each family the file that a service of this host restores; families without one are left out.

        The file itself need not exist yet.
        """
        found: dict[Family, str] = {}
        for service in _SERVICES:
            if service.family not in found and self._installed(service):
                found[service.family] = f"{self._root}/{service.saved}"
        return found

    def validate(self, family: Family, data: bytes) -> str:
        """Load *data* in a scratch network namespace as the restoring service would.

        Raises:
            HostError: iptables-restore refuses it; its own words are in the message.
        """
        return self._load(family, data)

    def _installed(self, service: _Service) -> bool:
        try:
            with open(f"{self._root}/{service.mark}", "rb") as file:  # noqa: PTH123  (pathlib costs 10 ms)
                return service.word in file.read()
        except OSError:
            return False

"""What the agent tells, and to whom: the journal or JSON lines, the service manager, the monitoring.

Each thing is told when it changes; the monitoring is told how often it happened.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from natfix.app.metrics import ERRORS, Meter
from natfix.app.node import metrics
from natfix.app.node.ports import Failure
from natfix.app.watch_ports import Chronicle, Entry, Level, Notifier
from natfix.errors import NatfixError
from natfix.routing.lease import Lease
from natfix.routing.state import Entry as Part
from natfix.routing.state import FdbEntry, LinkAddress, Neighbour, Route, VxlanDevice

_NAMED = 3  # How many of many things are named.


@dataclass(slots=True)
class Voice:
    """Tells what the agent does.

    Args:
        chronicle: where it is written.
        notifier: the service manager.
        meter: the monitoring.
    """

    chronicle: Chronicle
    notifier: Notifier
    meter: Meter

    def waiting(self, why: NatfixError) -> None:
        """The agent cannot begin yet."""
        self._failed(why)
        self._tell("node-waiting", f"waiting: {why}", "warning")
        self.notifier.status(f"waiting: {why.message}")

    def leased(self, lease: Lease, how: str) -> None:
        """This host has a lease."""
        fields = {"subnet": str(lease.subnet), "how": how, "revision": lease.revision}
        self._tell("node-leased", f"this host has {lease.subnet} ({how})", fields=fields)

    def ready(self, peers: int, seconds: float) -> None:
        """Everything that is wanted is in the kernel."""
        text = _routed(peers)
        self._tell("node-ready", f"{text}, {seconds:.3f} s after the start", fields={"peers": peers, "seconds": seconds})
        self.notifier.ready(text)

    def peers(self, count: int) -> None:
        """How many peers there are now."""
        self.notifier.status(_routed(count))

    def away(self, why: NatfixError) -> None:
        """The lease store does not answer."""
        self._failed(why)
        self.meter.add(metrics.STORE_OUTAGES)
        self._tell("node-store-away", f"leases cannot be read, routes stay as they are: {why}", "warning")

    def back(self, seconds: float) -> None:
        """It answers again."""
        self._tell("node-store-back", f"leases are read again after {seconds:.1f} s", fields={"seconds": seconds})

    def not_renewed(self, why: NatfixError) -> None:
        """The lease could not be renewed for now."""
        self._failed(why)
        self._tell("node-not-renewed", f"the lease could not be renewed, and will be tried again: {why}", "warning")

    def rival(self, lease: Lease) -> None:
        """Somebody else writes this host's lease."""
        self.meter.add(metrics.RIVALS)
        holder = lease.attributes.public_ip or lease.attributes.public_ipv6
        self._tell(
            "node-rival",
            f"somebody else writes the lease of {lease.subnet} as {holder}: is the same --public-ip given to two hosts?",
            "warning",
            {"subnet": str(lease.subnet), "as": str(holder)},
        )

    def repaired(self, count: int, seconds: float) -> None:
        """Somebody else had changed what natfix had put into the kernel."""
        self.meter.add(metrics.REPAIRS, number=count)
        self.meter.observe(metrics.REPAIR_SECONDS, seconds)
        self._tell(
            "node-repaired",
            f"{count} entries that somebody had changed were put right in {seconds * 1000:.1f} ms",
            "warning",
            {"count": count, "seconds": seconds},
        )

    def removed(self, count: int) -> None:
        """Entries that no lease wants were removed."""
        self._tell("node-removed", f"{count} entries that no lease wants were removed", fields={"count": count})

    def disputed(self) -> None:
        """Somebody keeps changing what natfix puts into the kernel."""
        self._tell("node-fight", "somebody keeps changing these routes; natfix puts them right once a second now", "error")

    def refused(self, failures: Sequence[Failure]) -> None:
        """The kernel refused operations; they are tried again."""
        named = "; ".join(f"{describe(one.operation.entry)}: {one.reason}" for one in failures[:_NAMED])
        more = f"; and {len(failures) - _NAMED} more" if len(failures) > _NAMED else ""
        self._tell("node-refused", f"the kernel refused {named}{more}", "error", {"count": len(failures)})

    def accepted(self) -> None:
        """The kernel refuses nothing any more."""
        self._tell("node-accepted", "the kernel has taken what it refused before")

    def unreachable(self, what: Collection[str]) -> None:
        """Peers that no route can lead to."""
        for text in sorted(what)[:_NAMED]:
            self._tell("node-unreachable", text, "warning")
        if len(what) > _NAMED:
            self._tell("node-unreachable", f"and {len(what) - _NAMED} more such peers", "warning")

    def reachable(self) -> None:
        """There are no such peers any more."""
        self._tell("node-reachable", "every peer can be routed to")

    def obstructed(self, routes: Sequence[str]) -> None:
        """Somebody else's routes are where natfix's should be."""
        named = "; ".join(routes[:_NAMED])
        more = f"; and {len(routes) - _NAMED} more" if len(routes) > _NAMED else ""
        hint = "natfix removes no route that is not its own; delete it, and natfix's takes its place"
        self._tell("node-obstructed", f"somebody else's {named}{more}: {hint}", "warning", {"count": len(routes)})

    def moved(self, text: str) -> None:
        """This host is reached in another way."""
        self._tell("node-moved", text, "warning")

    def remark(self, text: str, why: NatfixError | None = None) -> None:
        """Something did not go as it should, and the work goes on."""
        if why is not None:
            self._failed(why)
        self._tell("node-remark", text if why is None else f"{text}: {why}", "warning")

    def ruled(self, script: str) -> None:
        """Rules of iptables were put right."""
        self.meter.add(metrics.RULE_REPAIRS)
        self.did(f"iptables rules of the cluster were put right:\n{script}")

    def did(self, text: str) -> None:
        """Something was done once."""
        self._tell("node-did", text)

    def stopped(self, why: str) -> None:
        """The agent ends; what is in the kernel stays."""
        self.notifier.stopping()
        self._tell("node-stopped", f"{why}; routes, lease and rules are left as they are")

    def _failed(self, why: NatfixError) -> None:
        self.meter.add(ERRORS, type(why).__name__)

    def _tell(self, what: str, message: str, level: Level = "info", fields: dict[str, object] | None = None) -> None:
        self.chronicle.tell(Entry(what, message, level, fields or {}))


def _routed(peers: int) -> str:
    return "1 peer is routed to" if peers == 1 else f"{peers} peers are routed to"


def describe(entry: Part) -> str:
    """Spell an entry as the command ip does."""
    match entry:
        case Route():
            via = f" via {entry.gateway}" if entry.gateway else ""
            return f"route {entry.destination}{via} dev {entry.link}{' onlink' if entry.onlink else ''}"
        case Neighbour():
            return f"neighbour {entry.address} lladdr {entry.mac} dev {entry.link}"
        case FdbEntry():
            return f"fdb {entry.mac} dev {entry.link} dst {entry.remote}"
        case LinkAddress():
            return f"address {entry.address} dev {entry.link}"
        case VxlanDevice():
            return f"link {entry.name} type vxlan id {entry.vni} local {entry.local} dev {entry.device}"

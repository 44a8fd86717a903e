"""Keep the kernel at what the leases want: at once when a lease changes, and again whenever somebody else changes the kernel.

What is done, and when::

    a lease changes          its own entries alone are changed, whatever the number of leases
    a route is touched       that route is put back at once; a full look follows a second later
    anything else is touched a full look: read all, compare, do what differs
    a minute passes          a full look

Entries that no lease wants are removed, but not in a hurry where a snapshot tells so: a peer that is gone for good looks the
same as a store that lost its data and has it again in a moment. They are kept for a grace period, in which they may come back.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from natfix.app.metrics import Meter
from natfix.app.node import metrics
from natfix.app.node.complaints import Complaints
from natfix.app.node.ports import DataPlane, Disturbance
from natfix.app.node.schedule import VERIFY_AFTER, Schedule
from natfix.app.node.surroundings import significant
from natfix.app.node.voice import Voice
from natfix.app.node.wanted import Wanted
from natfix.errors import NatfixError
from natfix.routing.backends import HostGwBackend, VxlanBackend
from natfix.routing.difference import diff, obstacles
from natfix.routing.lease import Change, Lease
from natfix.routing.leftovers import former_tunnels, without_foreign
from natfix.routing.links import Links
from natfix.routing.state import NetState, Network, Operation, Route, VxlanDevice
from natfix.routing.subnet import Subnet

_MANY: Final = 256
HostBackend: TypeAlias = HostGwBackend | VxlanBackend
Updates: TypeAlias = Collection[tuple[Subnet | None, NetState | None]]


@dataclass(frozen=True, slots=True)
class Ground:
    """What forwarding stands on.

    Attributes:
        plane: the kernel.
        voice: is told what was done.
        clock: seconds that never go back.
        forget: drops tracked connections to networks that are reached in another way now.
    """

    plane: DataPlane
    voice: Voice
    clock: Callable[[], float]
    forget: Callable[[Collection[Network]], None]


class Forwarding:
    """Brings the kernel to what this host and its peers want.

    Args:
        ground: the kernel, and whom to tell.
        own: the subnet of this host.
        backend: how peers are reached.
        grace: seconds in which what a snapshot no longer holds may come back.

    Raises:
        HostError: the kernel does not answer.
    """

    def __init__(self, ground: Ground, own: Subnet, backend: HostBackend, grace: float) -> None:
        self.ready = False
        self._ground = ground
        self._own = own
        self._backend = backend
        self._grace = grace
        self._links = significant(ground.plane.links(backend.networks))
        self._wanted = Wanted(backend.own())
        self._leases: dict[Subnet, Lease] = {}
        self._doubtful: dict[Subnet, float] = {}
        self._complaints = Complaints(ground.voice)
        self._schedule = Schedule(ground.clock())
        self._touched: set[Network] = set()
        self._keep_until: float | None = None

    @property
    def peers(self) -> int:
        """How many other hosts have a subnet."""
        return len(self._leases)

    def measure(self, meter: Meter) -> None:
        """Tell the monitoring how it is."""
        refused, obstructed = self._complaints.lacking, self._complaints.obstructing
        meter.put(metrics.PEERS, len(self._leases))
        meter.put(metrics.DOUBTFUL, len(self._doubtful))
        meter.put(metrics.UNREACHABLE, len(self._complaints))
        meter.put(metrics.WANTED, len(self._wanted))
        meter.put(metrics.PRESENT, len(self._wanted) - refused - obstructed if self.ready else 0)
        meter.put(metrics.REFUSED, refused)
        meter.put(metrics.OBSTRUCTED, obstructed)
        meter.put(metrics.FIGHTING, self._schedule.fighting)

    def sleep(self, now: float) -> float:
        """Seconds until there is something to do."""
        doubts = min(self._doubtful.values(), default=now + self._grace)
        return min(self._schedule.sleep(now, touched=bool(self._touched)), max(0.0, doubts - now))

    def learn(self, changes: Iterable[Change], *, doubtful: bool = False) -> None:
        """Leases changed; the kernel is told at once.

        Args:
            changes: what is different, each subnet once.
            doubtful: whether what is gone may come back, as when a snapshot alone says so.
        """
        updates: list[tuple[Subnet | None, NetState | None]] = []
        for change in changes:
            subnet = change.lease.subnet
            self._doubtful.pop(subnet, None)
            if subnet == self._own:
                continue
            if change.kind == "put" and _is_hosts(change.lease):
                updates.append((subnet, self._with(change.lease)))
            elif change.kind == "gone" and doubtful and subnet in self._leases:
                self._doubtful[subnet] = self._ground.clock() + self._grace
            else:
                self._forget_peer(subnet)
                updates.append((subnet, None))
        self._carry_out(updates)

    def begin(self) -> None:
        """The store has told all there is: make the kernel so, and remove what is too much when the grace period is over."""
        self._keep_until = self._ground.clock() + self._grace
        self._complaints.tell()
        self._look()

    def disturbed(self, disturbances: Iterable[Disturbance]) -> bool:
        """Somebody changed something; tell whether the host's devices or ways may be others now."""
        around = False
        mine = {"", self._backend.carrier, *self._backend.devices}
        for one in disturbances:
            if one.kind == "route" and one.network is not None and self._is_inside(one.network):
                self._touched.add(one.network)
                continue
            around |= one.kind in {"route", "link", "address", "lost"}
            if one.kind == "lost" or (one.kind != "route" and one.link in mine):
                self._schedule.by(self._ground.clock())
        return around

    def look_around(self) -> Links | None:
        """Read the host's devices and ways, and decide anew how each peer is reached where they changed; give them then.

        Raises:
            HostError: the kernel does not answer.
        """
        links = significant(self._ground.plane.links(self._backend.networks))
        if links == self._links:
            return None
        self._links = links
        self._carry_out([(lease.subnet, self._with(lease)) for lease in tuple(self._leases.values())])
        return links

    def rebase(self, backend: HostBackend) -> None:
        """Reach peers in another way from now on."""
        self._backend = backend
        peers = [(lease.subnet, self._with(lease)) for lease in tuple(self._leases.values())]
        self._carry_out([(None, backend.own()), *peers])
        self._schedule.by(self._ground.clock())

    def work(self) -> None:
        """Do what is due."""
        now = self._ground.clock()
        over = [subnet for subnet, until in self._doubtful.items() if until <= now]
        for subnet in over:
            del self._doubtful[subnet]
            self._forget_peer(subnet)
        self._carry_out([(subnet, None) for subnet in over])
        if len(self._touched) > _MANY:
            self._schedule.by(now)
        if self._schedule.look_due(now):
            self._look()
        elif self._touched and self._schedule.rested(now):
            self._put_back()

    def _is_inside(self, network: Network) -> bool:
        return any(
            network.version == one.version and network.prefixlen >= one.prefixlen and network.network_address in one
            for one in self._backend.networks
        )

    def _with(self, lease: Lease) -> NetState:
        """Take in a peer; what it wants."""
        self._leases[lease.subnet] = lease
        # A reservation that its host has taken stays one in the store; for its peers it is that host's lease.
        peering = self._backend.peer(replace(lease, reserved=False), self._links)
        self._complaints.found(lease.subnet, peering.finding)
        return peering.state

    def _forget_peer(self, subnet: Subnet) -> None:
        self._leases.pop(subnet, None)
        self._complaints.found(subnet, None)

    def _carry_out(self, updates: Updates) -> None:
        """Go from what was wanted of some to what is wanted of them now."""
        before, after = self._wanted.change(updates)
        if self._keep_until is None:
            return
        self._complaints.tell()
        if before == after:
            return
        self._do(diff(before, after, self._backend.domain))
        self._ground.forget(moved(before.routes, after.routes))

    def _put_back(self) -> None:
        """Put touched routes back without a look at the others."""
        start = self._ground.clock()
        routes = [self._wanted.route_to(network) for network in self._touched]
        self._touched.clear()
        operations = [Operation(put=True, entry=route) for route in routes if route is not None]
        self._schedule.by(start + VERIFY_AFTER)
        if operations:
            if self._do(operations):
                self._schedule.by(start)
            self._repaired(len(operations), start)

    def _look(self) -> None:
        """Read all, compare, do what differs."""
        start = self._ground.clock()
        self._touched.clear()
        try:
            actual = read_all(self._ground.plane, self._backend, self._links)
            wanted = self._wanted.whole
            operations = self._patient(diff(actual, wanted, self._backend.domain), start)
        except NatfixError as error:
            self._ground.voice.remark("the kernel's routes could not be looked at", error)
            self._schedule.looked(self._ground.clock(), refused=True)
            return
        refused = self._do(operations, whole=True)
        self._ground.voice.meter.stamp(metrics.LAST_LOOK)
        lacking = wanted.routes - actual.routes
        self._complaints.obstructed(obstacles(actual, wanted, self._backend.domain) if lacking else ())
        self._schedule.looked(self._ground.clock(), refused=refused)
        if self._keep_until is not None and start < self._keep_until:
            self._schedule.by(self._keep_until)
        self._ground.forget(moved(actual.routes, lacking))
        removed = sum(not one.put and not isinstance(one.entry, VxlanDevice) for one in operations)
        if removed:
            self._ground.voice.removed(removed)
        if self.ready:
            self._repaired(sum(one.put for one in operations) - len(self._complaints.refused), start)
        self.ready = True

    def _patient(self, operations: Sequence[Operation], now: float) -> Sequence[Operation]:
        """What may be done already: nothing that was there before the agent is removed in a hurry but what is made anew."""
        if self._keep_until is None or now >= self._keep_until:
            return operations
        anew = {one.entry.name for one in operations if one.put and isinstance(one.entry, VxlanDevice)}
        return [one for one in operations if one.put or (isinstance(one.entry, VxlanDevice) and one.entry.name in anew)]

    def _do(self, operations: Sequence[Operation], *, whole: bool = False) -> bool:
        """Let the kernel do something; tell whether it refused any of it."""
        try:
            failures = self._ground.plane.carry_out(operations) if operations else ()
        except NatfixError as error:
            self._ground.voice.remark("the kernel's routes could not be changed", error)
            self._schedule.refused(self._ground.clock())
            return True
        self._complaints.refuse(failures, whole=whole)
        if failures and not whole:
            self._schedule.refused(self._ground.clock())
        return bool(failures)

    def _repaired(self, count: int, start: float) -> None:
        if count > 0:
            end = self._ground.clock()
            self._ground.voice.repaired(count, end - start)
            if self._schedule.repaired(start, end):
                self._ground.voice.disputed()


def read_all(plane: DataPlane, backend: HostBackend, links: Links) -> NetState:
    """Read what is there: in the network, on the backend's devices, and on tunnels that were left behind.

    Raises:
        HostError: the kernel does not answer.
    """
    former = former_tunnels(links, backend.domain, backend.devices)
    actual = plane.read(backend.networks, (*backend.devices, *former))
    return without_foreign(actual, backend.domain, backend.devices) if former else actual


def _is_hosts(lease: Lease) -> bool:
    return not lease.reserved or bool(lease.attributes.backend_type)


def moved(before: Iterable[Route], after: Iterable[Route]) -> tuple[Network, ...]:
    """The networks that a route led to before and leads to in another way now."""
    ways = {route.destination: (route.gateway, route.link) for route in after}
    old = ((route.destination, (route.gateway, route.link)) for route in before) if ways else ()
    return tuple(sorted((network for network, way in old if ways.get(network, way) != way), key=str))

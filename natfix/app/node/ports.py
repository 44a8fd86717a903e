"""What the node agent needs of the world, as Protocols of few methods.

As natfix/app/ports.py: each has a real implementation in natfix/host and an in-memory twin in natfix/host/memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from natfix.routing.lease import Attributes, Change, Lease, Snapshot
from natfix.routing.links import Links
from natfix.routing.state import NetState, Network, Operation
from natfix.routing.subnet import Subnet

_NOBODY: Final = Attributes()


class LeaseStore(Protocol):
    """Where the network's configuration and the leases of all hosts live."""

    def config(self) -> str | None:
        """Read the network's configuration as it was written; None when nobody has written one.

        Raises:
            HostError: no endpoint answers in time, or it refuses.
        """
        ...

    def configure(self, text: str, *, expected: str | None) -> None:
        """Write the network's configuration in place of *expected*.

        Raises:
            ConflictError: another one is there by now; nothing was written.
            UnsupportedError: this store's configuration is written by somebody else (Kubernetes).
            HostError: as config.
        """
        ...

    def assigned(self) -> Subnet | None:
        """Tell the subnet that somebody else has chosen for this host (Kubernetes: its podCIDRs); None where hosts choose.

        It is taken with create, which finds it free as often as it is asked.

        Raises:
            HostError: as config.
        """
        ...

    def snapshot(self, *, expiry: bool = False) -> Snapshot:
        """Read every lease and reservation in one request.

        Args:
            expiry: whether to ask until when each holds, which may cost a request a lease.

        Raises:
            HostError: as config.
        """
        ...

    def create(self, subnet: Subnet, attributes: Attributes, *, seconds: float) -> Lease:
        """Take a free subnet.

        Raises:
            ConflictError: somebody holds it by now; nothing was written.
            HostError: as config; the lease may have been written or not, which a snapshot tells.
        """
        ...

    def renew(self, lease: Lease, attributes: Attributes, *, seconds: float) -> Lease:
        """Hold a lease on from now, with these attributes, if it is still at its revision.

        A reservation (one that names the host that may have it) stays one: it gets the attributes and never expires.

        Raises:
            ConflictError: it is gone or another's; nothing was written.
            HostError: as config.
        """
        ...

    def reserve(self, subnet: Subnet, attributes: Attributes = _NOBODY) -> Lease:
        """Keep a subnet from being leased; it never expires.

        Args:
            subnet: what to keep.
            attributes: with the public address of the one host that may have it; none keeps it from every host.

        Raises:
            ConflictError: somebody holds it; nothing was written.
            UnsupportedError: this store knows no reservations.
            HostError: as config.
        """
        ...

    def release(self, lease: Lease) -> None:
        """Let a lease or a reservation go, if it is still at its revision.

        Raises:
            ConflictError: it is gone or another's; nothing was written.
            HostError: as config.
        """
        ...

    def watch(self, revision: int) -> LeaseWatch:
        """Hear of every change after *revision*, which a snapshot told."""
        ...


class LeaseWatch(Protocol):
    """Changes as they come, for one thread; another may close it."""

    def __iter__(self) -> Iterator[Sequence[Change]]:
        """Wait for changes and give them in the store's order, those of one transaction together.

        An empty sequence says that the store is there and has nothing new. It ends when it is closed.

        Raises:
            ConflictError: the store has forgotten what came after the revision (compacted); take a new snapshot.
            HostError: the store went away; take a new snapshot when it is back, as changes may be lost.
        """
        ...

    def close(self) -> None:
        """End the waiting, from any thread; a second time does nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Failure:
    """An operation that the kernel refused; the others were done all the same."""

    operation: Operation
    code: int
    reason: str


class DataPlane(Protocol):
    """What this host's kernel forwards by, as far as the routing core has to do with it."""

    def links(self, networks: Sequence[Network] = ()) -> Links:
        """Look at the host's devices and at its routes, but not at those inside *networks*.

        Args:
            networks: the cluster's.

        Raises:
            HostError: the kernel does not answer.
        """
        ...

    def read(self, networks: Sequence[Network], devices: Sequence[str]) -> NetState:
        """Read the routes of the main table inside *networks*, whoever put them there, and all that is on *devices*.

        Args:
            networks: the cluster's.
            devices: names of vxlan devices; one that is not there is left out, with its addresses, neighbours and FDB.

        Raises:
            HostError: the kernel does not answer.
        """
        ...

    def carry_out(self, operations: Sequence[Operation]) -> Sequence[Failure]:
        """Do all operations in their order, in batches; one that fails keeps none of the others back.

        Deleting what is not there is no failure, nor is putting what is there already. A device that is there keeps all
        that is on it, as only its MTU, MAC, learning and state can be changed; one that differs in more is refused.

        Raises:
            HostError: the kernel does not answer, or no rights.
        """
        ...

    def watch(self) -> DataPlaneWatch:
        """Hear of what changes from now on, but not of what this process does itself."""
        ...


@dataclass(frozen=True, slots=True)
class Disturbance:
    """Something that somebody else changed, or that the kernel took away.

    Attributes:
        kind: ``route``, ``neighbour``, ``fdb``, ``link``, ``address``; ``lost`` when there was more than could be told.
            After ``link`` anything on that device may be gone, routes too: the kernel does not tell each of them. Devices
            without an address of their own, such as containers' ends of a bridge, and link-local addresses are not told.
        network: the destination of the route, else None.
        link: the name of the device where it is known, else empty.
    """

    kind: Literal["route", "neighbour", "fdb", "link", "address", "lost"]
    network: Network | None = None
    link: str = ""


class DataPlaneWatch(Protocol):
    """Disturbances as they come, for one thread; another may close it."""

    def __iter__(self) -> Iterator[Sequence[Disturbance]]:
        """Wait for disturbances and give all that are there, in their order; it ends when it is closed.

        Raises:
            HostError: the kernel does not tell.
        """
        ...

    def close(self) -> None:
        """End the waiting, from any thread; a second time does nothing."""
        ...

"""How many subnets a network has left, and whether it will run out of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from natfix.routing.lease import Lease
from natfix.routing.network import NetworkConfig
from natfix.routing.pool import Pool
from natfix.routing.space import Space, covered

# flannel's hosts renew an hour before the end (--subnet-lease-renew-margin); who has less left has most likely gone.
RENEWAL_MARGIN: Final = 3600.0
# A network is nearly full when one subnet in ten is left.
_SCARCE: Final = 10


@dataclass(frozen=True, slots=True)
class Capacity:
    """How the subnets of a network are spent, of the family that has the fewest left.

    ``capacity == used + reserved + free`` holds always; *expiring* is a part of *used*.

    Attributes:
        pool: the subnets that are counted.
        capacity: how many there are to lease.
        used: how many hosts' leases cover.
        reserved: how many reservations keep back, and no lease covers.
        free: how many the next hosts may have.
        expiring: how many are used only by leases whose hosts should have renewed them by now.
        outside: how many leases and reservations lie outside, as after a change of the configuration; they count nowhere.
    """

    pool: Pool
    capacity: int
    used: int
    reserved: int
    free: int
    expiring: int = 0
    outside: int = 0

    @property
    def scarce(self) -> bool:
        """Whether a tenth or less is left."""
        return self.free * _SCARCE <= self.capacity

    @property
    def warning(self) -> str:
        """Say that the network is running out, and what to do; empty while it is not."""
        if not self.scarce:
            return ""
        left = (
            f"no /{self.pool.subnet_len} is" if not self.free else f"{self.free} of {self.capacity} /{self.pool.subnet_len} are"
        )
        soon = f" {self.expiring} more should be soon, as their hosts do not renew them." if self.expiring else ""
        return f"{left} free in {self.pool.network}.{soon} Release what nobody needs, or give the network a larger range."


def measure(
    config: NetworkConfig,
    leases: Iterable[Lease],
    now: float,
    margin: float = RENEWAL_MARGIN,
) -> Capacity:
    """Count subnets.

    Args:
        config: the network.
        leases: everybody's; those without a known end never expire.
        now: in seconds since 1970.
        margin: in seconds: how long before its end a living host has renewed its lease.
    """
    everybody = tuple(leases)
    tightest = min(config.pools, key=lambda pool: Space.of((pool,), everybody).free)
    return _measure(tightest, everybody, now + margin)


def _measure(pool: Pool, leases: tuple[Lease, ...], overdue: float) -> Capacity:
    held = [lease for lease in leases if not lease.reserved]
    kept = [lease for lease in held if lease.expires is None or lease.expires > overdue]
    every, used = Space.of((pool,), leases), Space.of((pool,), held)
    return Capacity(
        pool,
        capacity=every.count,
        used=used.used,
        reserved=every.used - used.used,
        free=every.free,
        expiring=used.used - Space.of((pool,), kept).used,
        outside=sum(not _takes_from(pool, lease) for lease in leases),
    )


def _takes_from(pool: Pool, lease: Lease) -> bool:
    networks = (network for network in lease.subnet.networks if network.version == pool.family)
    return any(covered(pool, network, pool.count) is not None for network in networks)

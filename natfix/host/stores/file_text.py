"""The text of a file of leases: the network and its hosts, as flannel has them in etcd, in one JSON object.

{
  "config": {"Network": "172.7.0.0/16", "Backend": {"Type": "host-gw"}},
  "subnets": {
    "172.7.21.0-24": {"PublicIP": "10.4.7.21"},
    "172.7.30.0-24": {}
  }
}
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from natfix.errors import HostError
from natfix.routing.lease import Attributes, Lease, Snapshot
from natfix.routing.lease_codec import Entry, decode_entry, encode_attributes, take_snapshot
from natfix.routing.subnet import Subnet

# The backend that needs to know no more of a host than its address.
_PLAIN_BACKEND = "host-gw"


@dataclass(frozen=True, slots=True)
class LeaseText:
    """What a file of leases says.

    Attributes:
        config: the network's configuration; None where there is none.
        subnets: what is said of each key.
    """

    config: Any = None
    subnets: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, data: bytes | None, path: str) -> LeaseText:
        """Read it; None is a file that is not there, and says nothing.

        Raises:
            HostError: it is no JSON object, or holds what no file of leases does.
        """
        if data is None:
            return cls()
        try:
            told = json.loads(data, object_pairs_hook=_unique)
        except (ValueError, RecursionError) as error:
            raise HostError(f"{path} is no file of leases: {error}") from error
        if not isinstance(told, dict) or not isinstance(told.get("subnets", {}), dict):
            raise HostError(f"{path} is no file of leases", hint='Write for example {"config": {…}, "subnets": {…}}.')
        if strange := sorted(told.keys() - {"config", "subnets"}):
            raise HostError(f"{path}: {strange[0]!r} is neither config nor subnets")
        return cls(told.get("config"), told.get("subnets", {}))

    def render(self) -> bytes:
        """Write it, sorted by key."""
        told: dict[str, Any] = {} if self.config is None else {"config": self.config}
        told["subnets"] = dict(sorted(self.subnets.items()))
        return (json.dumps(told, indent=2, ensure_ascii=False) + "\n").encode("utf-8", "surrogateescape")

    def with_lease(self, subnet: Subnet, attributes: Attributes) -> LeaseText:
        """The same, with this said of a subnet."""
        told = json.loads(encode_attributes(attributes))
        said = {name: value for name, value in told.items() if value is not None}
        if attributes.public_ip is None:
            del said["PublicIP"]  # flannel's zeros, for which a file has no need.
        return replace(self, subnets={**self.subnets, subnet.key: said})

    def without(self, subnet: Subnet) -> LeaseText:
        """The same, without a subnet."""
        return replace(self, subnets={key: said for key, said in self.subnets.items() if key != subnet.key})

    def entry(self, key: str, revision: int) -> Entry:
        """One key as another store would tell it."""
        return Entry(key, json.dumps(self.subnets[key]), revision, reserved=True)

    def completed(self, lease: Lease) -> Lease:
        """Say of a host that has an address how it is reached, where that needs nothing else."""
        said = lease.attributes
        if said.backend_type or not (said.public_ip or said.public_ipv6) or not self._is_plain():
            return lease
        return replace(lease, attributes=replace(said, backend_type=_PLAIN_BACKEND))

    def _is_plain(self) -> bool:
        pairs = dict(_folded(self.config))
        return str(dict(_folded(pairs.get("backend"))).get("type", "")).lower() == _PLAIN_BACKEND


_NOTHING = LeaseText()


@dataclass(frozen=True, slots=True)
class Edition:
    """One of the texts that a file has held while somebody looked, and how many of them there were before.

    Attributes:
        text: what it says.
        number: rises with each new text.
        since: for each key the number of the first edition that says the same of it.
    """

    text: LeaseText = _NOTHING
    number: int = 1
    since: Mapping[str, int] = field(default_factory=dict)

    def followed_by(self, text: LeaseText) -> Edition:
        """What the file holds now; this very edition when that is the same."""
        if text == self.text:
            return self
        before = self.text.subnets if text.config == self.text.config else {}
        kept = {key: self.since[key] for key, said in text.subnets.items() if key in before and before[key] == said}
        return Edition(text, self.number + 1, {key: kept.get(key, self.number + 1) for key in text.subnets})

    def snapshot(self) -> Snapshot:
        """All entries, which never expire."""
        found = take_snapshot((self.text.entry(key, self.since[key]) for key in self.text.subnets), self.number)
        return replace(found, leases=tuple(map(self.text.completed, found.leases)))

    def lease(self, subnet: Subnet) -> Lease | None:
        """What is said of a subnet."""
        if subnet.key not in self.since:
            return None
        return self.text.completed(decode_entry(self.text.entry(subnet.key, self.since[subnet.key]))[0])


def _folded(said: object) -> Iterator[tuple[str, Any]]:
    """The members of a JSON object, in any case, as flannel reads them."""
    if isinstance(said, dict):
        yield from ((name.lower(), value) for name, value in said.items())


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} is there twice")
    return made

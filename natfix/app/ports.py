"""What the use cases need of the machine, as Protocols of few methods.

Each has a real implementation in natfix/host and an in-memory twin in natfix/host/memory.py; tests/contract holds both to the
same behaviour. All raise natfix errors only; foreign exceptions end in natfix/host.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Interface, IPv6Interface
from typing import Literal, Protocol, TypeAlias

from natfix.ruleset import Family, Network, Ruleset

Variant: TypeAlias = Literal["nft", "legacy"]


@dataclass(frozen=True, slots=True)
class Backend:
    """One place in the kernel that can hold an iptables nat table."""

    family: Family
    variant: Variant

    def __str__(self) -> str:
        """Spell it as the program that shows it: ``iptables-nft``, ``ip6tables-legacy``."""
        return f"{'iptables' if self.family is Family.IPV4 else 'ip6tables'}-{self.variant}"


class RulesetStore(Protocol):
    """The nat table of one backend, of which POSTROUTING and what it reaches is looked at."""

    @property
    def backend(self) -> Backend:
        """Which one it is."""
        ...

    def read(self) -> Ruleset:
        """Read POSTROUTING and every chain it reaches, counters included; never the whole table.

        Returns:
            A ruleset whose source is ``str(backend)``, with one nat table of the backend's family.

        Raises:
            HostError: no rights, or the program failed.
            UnsupportedError: the table holds what iptables cannot show ("is incompatible, use 'nft' tool").
            BusyError: the rules changed all the time while they were read.
        """
        ...

    def dump(self) -> bytes:
        """Read the whole ruleset of the backend, every table of it, as its save program prints it.

        Raises:
            HostError: no rights, or the program failed.
            UnsupportedError: a table holds what iptables cannot show.
        """
        ...

    def rehearse(self, script: str) -> str:
        """Load *script* in a scratch network namespace, over stand-ins for the rules it does not touch.

        Args:
            script: lines for ``iptables-restore --noflush``, from ``*nat`` to ``COMMIT``.

        Returns:
            Where nobody may make a namespace, as in many containers: that it was only read through, in words. Else nothing.

        Raises:
            HostError: iptables refuses the script; its own words are in the message.
            BusyError: the xtables lock was not free in time; a scratch namespace shares it with the host.
        """
        ...

    def commit(self, script: str) -> None:
        """Apply *script* in one kernel transaction: all of it or nothing.

        Raises:
            ConflictError: a rule the script deletes is no longer there; nothing was changed.
            BusyError: the xtables lock was not free in time; the message names its holder.
            HostError: no rights, or the kernel refused; nothing was changed.
        """
        ...


class Filters(Protocol):
    """The tables of iptables beside nat: what lets packets pass or not, and what changes them before nat is asked."""

    def read(self, backend: Backend) -> Ruleset:
        """Read what can drop packets on their way to a container: filter FORWARD and what it reaches.

        Only on a host whose table filter has Docker's chain DOCKER, or is small and lets nothing pass at the end of FORWARD;
        else nothing is read. Chains beyond the first few dozen, and those that iptables cannot show, are left out.

        Returns:
            A ruleset whose source is ``str(backend)``, with the table filter or with none.

        Raises:
            HostError: no rights, or the program failed.
            BusyError: the rules changed all the time while they were read.
        """
        ...

    def before_nat(self, backend: Backend) -> Ruleset:
        """Read what packets pass before nat POSTROUTING and can be marked by: the chains natfix.audit.subject.BEFORE_NAT.

        Each with what it reaches, where it has rules; chains beyond the first few dozen, and those that iptables cannot show,
        are left out.

        Returns:
            A ruleset whose source is ``str(backend)``, with none, one or both of the tables raw and mangle; none where the
            backend is not installed.

        Raises:
            HostError: no rights, or the program failed.
            BusyError: the rules changed all the time while they were read.
        """
        ...


class IpSetListing(Protocol):
    """The sets of addresses that rules refer to with ``-m set``."""

    def read(self) -> str | None:
        """Print every set as ``ipset save`` does; None where nothing on this host can.

        Raises:
            HostError: no rights, or the program failed.
        """
        ...


class NftListing(Protocol):
    """nft's own tables, and what others have put into those of iptables."""

    def read(self, also: Collection[Family] = ()) -> bytes | None:
        """Print them as ``nft -j list ruleset`` does; None when there are none.

        Args:
            also: families of which iptables cannot show its tables, so that nft shall; a rule that only iptables knows has its
                words there, as far as iptables can tell that rule apart (natfix.nft.opaque).

        Raises:
            HostError: no rights, or there are some and nft is not installed.
        """
        ...


@dataclass(frozen=True, slots=True)
class Interface:
    """One network device.

    Attributes:
        name: ``docker0``.
        kind: what the kernel calls the kind of link (``bridge``, ``veth``, ``vxlan``), empty for a plain device.
        addresses: its addresses with their prefixes.
        bridge: name of the bridge it is a port of, or empty.
    """

    name: str
    kind: str = ""
    addresses: tuple[IPv4Interface | IPv6Interface, ...] = ()
    bridge: str = ""

    def seen_elsewhere(self, family: Family) -> tuple[IPv4Interface | IPv6Interface, ...]:
        """The addresses of a family that other hosts can see; for IPv6 the kernel masquerades with no link-local one."""
        alike = (each for each in self.addresses if each.version == family)
        return tuple(each for each in alike if family is Family.IPV4 or not each.ip.is_link_local)


@dataclass(frozen=True, slots=True)
class Route:
    """One unicast route of the main table.

    Attributes:
        destination: the network it leads to; /0 is the default route.
        gateway: the next hop's address as text, or empty for a network on the link.
        interface: the device.
    """

    destination: Network
    gateway: str
    interface: str


class Links(Protocol):
    """What the host's network looks like."""

    def interfaces(self) -> Sequence[Interface]:
        """Every device, sorted by name."""
        ...

    def routes(self) -> Sequence[Route]:
        """The unicast routes of the main tables of both families."""
        ...


@dataclass(frozen=True, slots=True)
class Process:
    """One running process.

    Attributes:
        pid: its number; ``/proc/PID/root`` and ``/proc/PID/cwd`` lead to the files it sees.
        program: the file name of its program, without folders: ``flanneld``.
        arguments: its command line, the program's own word first.
    """

    pid: int
    program: str
    arguments: tuple[str, ...]


class Processes(Protocol):
    """What runs on the host."""

    def running(self, *programs: str) -> Sequence[Process]:
        """Find the daemons of this host that run one of *programs*, in one pass, sorted by pid.

        Only processes of root in natfix's own network namespace count: what tells of this host's networks runs there
        (flanneld and kube-proxy do also as pods), and nobody else can pose as it by a program's name.
        """
        ...


class Files(Protocol):
    """Files, replaced whole or not at all."""

    def read(self, path: str) -> bytes | None:
        """Read a file; None when there is none.

        Raises:
            HostError: it is there and cannot be read, or is a directory.
        """
        ...

    def replace(self, path: str, data: bytes, *, mode: int = 0o600) -> None:
        """Put *data* at *path* so that a reader sees the old or the new file, even after a power cut.

        Mode, owner and SELinux context of a file that is there are kept; a new one gets *mode*. Folders are not made.

        Raises:
            HostError: the path is a directory, a link that leads out of its folder, in a folder that is missing or read-only,
                or the disk is full. The old file is as it was.
        """
        ...

    def remove(self, path: str) -> None:
        """Remove a file; one that is not there is no error.

        Raises:
            HostError: it cannot be removed.
        """
        ...


class Clock(Protocol):
    """The time of day."""

    def now(self) -> datetime:
        """The current time, with its time zone."""
        ...


class SavedRulesets(Protocol):
    """Which file is loaded into which backend at boot, and whether iptables would accept a text for it."""

    def paths(self) -> Mapping[Family, str]:
        """For each family the file that a service of this host restores; families without one are left out."""
        ...

    def validate(self, family: Family, data: bytes) -> str:
        """Load *data* in a scratch network namespace as the restoring service would.

        Returns:
            Where nobody may make a namespace: that it was only read through, in words. Else nothing.

        Raises:
            HostError: iptables-restore refuses it; its own words are in the message.
        """
        ...

"""What ``natfix prove`` needs of the machine, as a Protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from natfix.app.ports import Backend
from natfix.packets import Packet


@dataclass(frozen=True, slots=True)
class Trial:
    """Rules to load and packets to send.

    Attributes:
        backend: which iptables loads them.
        rules: whole tables, as iptables-save prints them; empty for none.
        packets: in the order they are sent; each has the names of the devices it comes in and leaves by.
        addresses: for devices their addresses with prefixes; one that a packet leaves by gets one where none is given.
        ipsets: what ``ipset save`` printed; the rules may refer to no other sets.
        native: tables of nft's own, as ``nft -j -f`` reads them; empty for none.
        devices: further devices that have to be there, as rules of these tables know them by their numbers.
        replacing: commands of iptables that put rules of its own into such tables.
    """

    backend: Backend
    rules: str
    packets: tuple[Packet, ...]
    addresses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ipsets: str = ""
    native: bytes = b""
    devices: tuple[str, ...] = ()
    replacing: tuple[str, ...] = ()


class Judge(Protocol):
    """A kernel that is asked what it does with packets."""

    def judge(self, trial: Trial) -> Sequence[str | None]:
        """Load the rules where they meet no packet but these, send the packets, and look at the far end.

        Nothing of the host is touched, and nothing is left behind.

        Returns:
            For each packet the source address that arrived; None for one that did not arrive.

        Raises:
            HostError: no rights, a missing program, or rules that this kernel does not load.
        """
        ...

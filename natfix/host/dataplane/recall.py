"""What the kernel's words meant when they were read the last time.

A full look hears mostly what the one before it heard. Reading 5,000 routes takes 45 ms, recognising them 5 ms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, Generic, TypeVar

from natfix.host.dataplane import numbers as n
from natfix.routing.state import Network

_NDA_CACHEINFO: Final = 3
_Meant = TypeVar("_Meant")


class Recall(Generic[_Meant]):
    """The meaning of messages, for as long as each look has them."""

    def __init__(self) -> None:
        self._terms: tuple[Mapping[int, str], Sequence[Network]] = ({}, ())
        self._known: dict[bytes, tuple[_Meant, ...]] = {}

    def read(
        self,
        words: Sequence[bytes],
        terms: tuple[Mapping[int, str], Sequence[Network]],
        meaning: Callable[[bytes], Iterator[_Meant]],
    ) -> Iterator[_Meant]:
        """Give the meaning of all messages of one look.

        Args:
            words: the messages, without what differs each time.
            terms: names of devices and networks; with others everything is read anew.
            meaning: reads one message.
        """
        before = self._known if terms == self._terms else {}
        self._terms = terms
        self._known = known = {}
        for each in words:
            meant = before.get(each)
            if meant is None:
                meant = tuple(meaning(each))
            known[each] = meant
            yield from meant


def lasting(body: bytes) -> bytes:
    """A neighbour's or FDB entry's message up to the times of its use, which are others at each look."""
    position, end = n.NEIGHBOUR.size, len(body) - 4
    while position <= end:
        length, number = n.ATTRIBUTE.unpack_from(body, position)
        if number == _NDA_CACHEINFO:
            return body[:position]
        position += max((length + 3) & ~3, 4)
    return body

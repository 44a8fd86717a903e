"""Notice when this host is reached in another way: its address is another one, or its device carries larger packets.

An address that was taken away may be back in a moment, as DHCP and `ip address` do it, so it is given some seconds. While there
is nothing in its place all stays as it was: an interface that is down does not make this another host.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from natfix.app.node.interface import Outside, choose_outside
from natfix.app.node.opening import Opened, here_of
from natfix.app.node.orders import Orders, Site
from natfix.errors import HostError
from natfix.routing.links import Links

_PATIENCE: Final = 5.0
_AGAIN: Final = 30.0


class Standing:
    """How this host is reached, as a machine that is told the time.

    Args:
        site: the machine.
        orders: what the user wants.
        opened: what was decided at the beginning.
        seed: as of open_node.
    """

    def __init__(self, site: Site, orders: Orders, opened: Opened, seed: bytes) -> None:
        self._site = site
        self._orders = orders
        self._seed = seed
        self._opened = opened
        self._due: float | None = None

    def look(self, links: Links, now: float) -> None:
        """The host's devices are others now."""
        link = links.named(self._opened.outside.link)
        there = {one.ip for one in link.addresses} if link else set()
        mine = {self._opened.outside.ipv4, self._opened.outside.ipv6} - {None}
        if link is not None and mine <= there and link.mtu == self._opened.outside.mtu:
            self._due = None
        elif self._due is None:
            self._due = now + _PATIENCE

    def sleep(self, now: float) -> float:
        """Seconds until ``decide`` is to be asked."""
        return _AGAIN if self._due is None else max(0.0, self._due - now)

    def decide(self, now: float) -> Opened | None:
        """Choose anew if it is time for that; what is decided now if that is something else.

        Raises:
            UsageError: the new address cannot serve the backend.
        """
        if self._due is None or now < self._due:
            return None
        self._due = now + _AGAIN
        config = self._opened.config
        try:
            links = self._site.plane.links(config.networks)
            outside = choose_outside(links, self._orders.wish, ipv4=config.ipv4 is not None, ipv6=config.ipv6 is not None)
        except HostError:
            return None
        self._due = None
        if outside == self._opened.outside:
            return None
        here = here_of(self._site.plane, config, outside, links, self._seed)
        self._opened = replace(self._opened, outside=outside, here=replace(here, subnet=self._opened.here.subnet))
        return self._opened


def difference(old: Outside, new: Outside) -> str:
    """What is another now, for people."""
    if (old.public_ip, old.public_ipv6) != (new.public_ip, new.public_ipv6):
        now, before = (one.public_ip or one.public_ipv6 for one in (new, old))
        return f"peers reach this host at {now} now, no longer at {before}"
    return f"peers are reached over {new.link} with an MTU of {new.mtu} now"

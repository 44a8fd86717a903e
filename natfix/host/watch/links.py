"""The host's interfaces and routes, read again only after they changed: the kernel says so on a socket that wakes nobody."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Sequence
from typing import Final

from natfix.app.ports import Interface, Links, Route
from natfix.errors import HostError

# linux/rtnetlink.h: RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV4_ROUTE, RTMGRP_IPV6_IFADDR, RTMGRP_IPV6_ROUTE
_GROUPS: Final = 0x1 | 0x10 | 0x40 | 0x100 | 0x400
_BUFFER: Final = 1 << 16


class WatchedLinks(Links):
    """What *links* tells, the same objects as long as nothing changed.

    Args:
        links: asks the kernel.

    Raises:
        HostError: the kernel does not tell what changes.
    """

    def __init__(self, links: Links) -> None:
        self._links = links
        try:
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
            self._socket.settimeout(0)
            self._socket.bind((0, _GROUPS))
        except OSError as error:
            raise HostError(f"the kernel does not tell when links change: {error.strerror or error}") from error
        self._interfaces: Sequence[Interface] | None = None
        self._routes: Sequence[Route] | None = None

    def close(self) -> None:
        """Hear no more of changes."""
        self._socket.close()

    def interfaces(self) -> Sequence[Interface]:
        """Every device, sorted by name."""
        self._forget_if_changed()
        if self._interfaces is None:
            self._interfaces = self._links.interfaces()
        return self._interfaces

    def routes(self) -> Sequence[Route]:
        """The unicast routes of the main tables of both families."""
        self._forget_if_changed()
        if self._routes is None:
            self._routes = self._links.routes()
        return self._routes

    def _forget_if_changed(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                try:
                    self._socket.recv(_BUFFER)
                except OSError as error:
                    # So much changed that some of it was lost.
                    if error.errno != errno.ENOBUFS:
                        raise
                self._interfaces = self._routes = None

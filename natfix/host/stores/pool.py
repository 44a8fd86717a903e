"""Connections of urllib3 whose beginning may be waited for less long than what comes after it."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ssl import SSLContext

    from urllib3 import PoolManager


def make_pool(context: SSLContext | None, patience: float) -> PoolManager:
    """Make a pool in which a request's connect timeout is for TCP alone.

    A machine that is off answers nothing, which is known soon; one that is busy takes its time for TLS, which it may.

    Args:
        context: of TLS; None where no address wants it.
        patience: seconds that each step of TLS may take.
    """
    import urllib3  # noqa: PLC0415  (start-up time)
    from urllib3.connection import HTTPConnection, HTTPSConnection  # noqa: PLC0415

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            made = super()._new_conn()
            made.settimeout(patience)
            return made

    class Secure(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            made = super()._new_conn()
            made.settimeout(patience)
            return made

    class PlainPool(urllib3.HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(urllib3.HTTPSConnectionPool):
        ConnectionCls = Secure

    pool = urllib3.PoolManager(maxsize=8, ssl_context=context)
    pool.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}
    return pool

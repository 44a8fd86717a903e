"""Both ends of one connection: a server that answers with the address it was reached from, and its client.

Run by its path, not as a module, so that it starts at once::

    python answer.py serve PORT SECONDS
    python answer.py ask ADDRESS PORT PATH
"""

from __future__ import annotations

import contextlib
import socket
import sys
import time

_PATIENCE = 5.0
_MOST = 65536


def serve(port: int, seconds: float) -> None:
    """Answer every HTTP request on *port* with its source address, for *seconds*; print ``ready`` first."""
    end = time.monotonic() + seconds
    with socket.create_server(("", port)) as server:
        print("ready", flush=True)  # noqa: T201 - whoever started this waits for that word.
        while (left := end - time.monotonic()) > 0:
            server.settimeout(left)
            # A client that breaks off, and the end of the time, are no reason to say anything.
            with contextlib.suppress(OSError):
                _answer(server)


def _answer(server: socket.socket) -> None:
    connection, (address, _) = server.accept()
    with connection:
        connection.settimeout(_PATIENCE)
        connection.recv(_MOST)
        connection.sendall(f"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n{address}\n".encode())


def ask(address: str, port: int, path: str) -> str:
    """Return the body of the answer to one HTTP request.

    Raises:
        OSError: there was no answer in time.
    """
    with socket.create_connection((address, port), timeout=_PATIENCE) as connection:
        connection.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        with connection.makefile("rb") as stream:
            # A script of busybox's server ends its lines without carriage returns.
            return stream.read(_MOST).decode().replace("\r\n", "\n").partition("\n\n")[2]


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]), float(sys.argv[3]))
    else:
        print(ask(sys.argv[2], int(sys.argv[3]), sys.argv[4]), end="")  # noqa: T201 - this is its answer.

"""Both ends of connections: a server that answers with the address it was reached from and counts, and its clients.

Run by its path, so that it starts at once::

    python peer.py serve PORT            until the end of its input; then it prints how many came from where
    python peer.py ask ADDRESS PORT      prints the answer
    python peer.py many ADDRESS PORT COUNT
"""

import json
import select
import socket
import struct
import sys
import time
from collections import Counter

PATIENCE = 10.0
LONGEST = 600.0
FAILURES = 5


def serve(port: int) -> None:
    counted: Counter[str] = Counter()
    end = time.monotonic() + LONGEST
    with socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1024) as server:
        say("ready")
        while time.monotonic() < end:
            readable, _, _ = select.select([server, sys.stdin], [], [], 1)
            if sys.stdin in readable:
                break
            if server in readable:
                counted[answer(server)] += 1
    say(json.dumps(counted))


def answer(server: socket.socket) -> str:
    connection, address = server.accept()
    seen = str(address[0]).removeprefix("::ffff:")
    with connection:
        connection.sendall(seen.encode())
    return seen


def ask(address: str, port: int) -> str:
    with socket.create_connection((address, port), timeout=PATIENCE) as connection:
        answered = connection.recv(100).decode()
        # A reset leaves neither a port nor an entry of the connection in use.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return answered


def connect(address: str, port: int, count: int) -> None:
    """Make *count* connections; one that meets a port which the far end remembers is refused or gets no answer."""
    failures = 0
    while count:
        try:
            ask(address, port)
            count -= 1
        except (ConnectionResetError, TimeoutError):
            failures += 1
            if failures > FAILURES:
                raise


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]))
    elif sys.argv[1] == "ask":
        say(ask(sys.argv[2], int(sys.argv[3])))
    else:
        connect(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))

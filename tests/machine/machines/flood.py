"""Both ends of a steady stream of new TCP connections, run by its text in a pod::

    python3 -c TEXT serve PORT SECONDS                  a line for each: ACCEPTED PEER
    python3 -c TEXT connect ADDRESS PORT RATE SECONDS   a line for each: OPENED ENDED OUTCOME ACCEPTED

Moments are nanoseconds of CLOCK_MONOTONIC, which is one clock for all machines on a kernel. ACCEPTED is what the server has
answered, or 0. The client resets each connection when it has its answer, so that neither end keeps a port busy. Both end with
their standard input, or after SECONDS.
"""

import contextlib
import errno
import os
import selectors
import socket
import struct
import sys
import time

ANSWERED, REFUSED, LOST, FAILED = "answered", "refused", "lost", "failed"
PATIENCE = 5_000_000_000
OUTCOMES = {errno.ECONNREFUSED: REFUSED}


def say(*words: object) -> None:
    # One write a line: whoever reads along never sees half of one.
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def serve(port: int, seconds: float) -> None:
    """Say when each connection was accepted, and from which address."""
    end = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector, socket.create_server(("", port), backlog=4096) as server:
        selector.register(0, selectors.EVENT_READ)
        selector.register(server, selectors.EVENT_READ)
        say("ready")
        while (left := end - time.monotonic()) > 0:
            ready = [key.fd for key, _ in selector.select(left)]
            if 0 in ready:
                return
            if ready:
                connection, (peer, _) = server.accept()
                moment = time.monotonic_ns()
                say(moment, peer)
                with connection, contextlib.suppress(OSError):
                    connection.sendall(str(moment).encode())


def connect(address: str, port: int, rate: float, seconds: float) -> None:
    """Open *rate* connections a second, whatever becomes of the ones before, and say what became of each."""
    gap = int(1e9 / rate)
    start = due = time.monotonic_ns()
    end = start + int(seconds * 1e9)
    waiting: dict[socket.socket, int] = {}
    with selectors.DefaultSelector() as selector:
        selector.register(0, selectors.EVENT_READ)

        def finish(one: socket.socket, outcome: str, accepted: str = "0") -> None:
            selector.unregister(one)
            one.close()
            say(waiting.pop(one), time.monotonic_ns(), outcome, accepted)

        say("ready")
        while (now := time.monotonic_ns()) < end:
            if now >= due:
                # After a pause the rate goes on; what was not opened then is not made up for in a burst.
                due = max(due + gap, now - 10 * gap)
                begin(selector, waiting, (address, port))
            for key, _ in selector.select(max(0, due - time.monotonic_ns()) / 1e9):
                if key.fd == 0:
                    return
                one = key.fileobj
                assert isinstance(one, socket.socket)
                finish(one, *answer(one))
            # The oldest is the first.
            while waiting and now - (oldest := next(iter(waiting.items())))[1] > PATIENCE:
                finish(oldest[0], LOST)


def begin(selector: selectors.BaseSelector, waiting: dict[socket.socket, int], target: tuple[str, int]) -> None:
    """Open one connection, which is over when the server has answered."""
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    one.settimeout(0)
    waiting[one] = time.monotonic_ns()
    error = one.connect_ex(target)
    if error == errno.EINPROGRESS:
        selector.register(one, selectors.EVENT_READ)
    else:
        one.close()
        say(waiting.pop(one), time.monotonic_ns(), OUTCOMES.get(error, FAILED), 0)


def answer(one: socket.socket) -> tuple[str, str]:
    """Read what the server has said on a connection."""
    try:
        accepted = one.recv(100).decode()
    except OSError as error:
        return OUTCOMES.get(error.errno or 0, FAILED), "0"
    # The end without an answer is a server that has gone.
    return (ANSWERED, accepted) if accepted else (FAILED, "0")


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]), float(sys.argv[3]))
    else:
        connect(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), float(sys.argv[5]))

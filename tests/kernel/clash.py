"""Let two new connections find the same ports taken, as two processors do that rewrite at the same moment.

Run by its path in a namespace whose rules queue TCP to port 80 before connections are confirmed: ``-j NFQUEUE --queue-num 0``.
Both packets wait there, each with a connection of its own that is not entered yet; then both may go on, and the second one's
entry is taken. Messages are those of linux/netfilter/nfnetlink_queue.h.
"""

import socket
import struct

_NETFILTER = 12  # NETLINK_NETFILTER (linux/netlink.h)
_QUEUE = 3  # NFNL_SUBSYS_QUEUE
_PACKET, _VERDICT, _CONFIG = 0, 1, 2
_ACCEPT = 1
_BIND, _COPY_META = 1, 1
_PATIENCE = 10.0


def main() -> None:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETFILTER) as queue:
        queue.bind((0, 0))
        queue.settimeout(_PATIENCE)
        _tell(queue, _CONFIG, 1, struct.pack(">BBH", _BIND, 0, 0))
        _tell(queue, _CONFIG, 2, struct.pack(">IB", 0, _COPY_META))
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as sender:
            for _ in range(2):
                sender.sendto(_opening(), ("127.0.0.1", 0))
        for number in [_waiting(queue) for _ in range(2)]:
            _tell(queue, _VERDICT, 2, struct.pack(">II", _ACCEPT, number))


def _tell(queue: socket.socket, kind: int, attribute: int, data: bytes) -> None:
    size = 4 + len(data)
    body = struct.pack(">BBH", 0, 0, 0) + struct.pack("=HH", size, attribute) + data + bytes(-size % 4)
    queue.send(struct.pack("=IHHII", 16 + len(body), _QUEUE << 8 | kind, 1, 1, 0) + body)


def _waiting(queue: socket.socket) -> int:
    """The number of the next packet that waits; its header is the first attribute."""
    while True:
        data = queue.recv(65536)
        if struct.unpack_from("=H", data, 4)[0] == _QUEUE << 8 | _PACKET:
            return int(struct.unpack_from(">I", data, 24)[0])


def _opening() -> bytes:
    """A TCP packet that opens a connection from port 1000 to port 80 of this host, the same each time."""
    here = socket.inet_aton("127.0.0.1")
    address = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 40, 0, 0, 64, socket.IPPROTO_TCP, 0, here, here)
    return address + struct.pack(">HHIIBBHHH", 1000, 80, 1, 0, 5 << 4, 2, 1000, 0, 0)


if __name__ == "__main__":
    main()

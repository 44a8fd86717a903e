"""One wire with hosts on it and no way out: a bridge in a network namespace of its own."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

from tests.netns import command, namespace


class Wire:
    """A switch that network namespaces are plugged into; it has no address itself."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._ports = itertools.count(1)

    def plug(self, host: str, address: str) -> None:
        """Give the namespace *host* an eth0 on this wire with an IPv4 *address* of a /24.

        The hardware address follows from it, so that neighbours know a host again after its reboot.
        """
        port = f"port{next(self._ports)}"
        hardware = "02:00:" + ":".join(f"{int(part):02x}" for part in address.split("."))
        ends = ("link", "add", "eth0", "address", hardware, "type", "veth", "peer", "name", port, "netns", self._name)
        command("ip", "-n", host, *ends)
        command("ip", "-n", self._name, "link", "set", port, "master", "wire", "up")
        command("ip", "-n", host, "address", "add", f"{address}/24", "dev", "eth0")
        command("ip", "-n", host, "link", "set", "eth0", "up")


@contextmanager
def wire() -> Iterator[Wire]:
    """Lay a wire; it is gone afterwards, and what was plugged in has lost its eth0."""
    with namespace("wire") as name:
        command("ip", "-n", name, "link", "add", "wire", "type", "bridge")
        command("ip", "-n", name, "link", "set", "wire", "up")
        yield Wire(name)

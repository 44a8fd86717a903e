"""The wires of the lab.

::

      outside: bridge "wire" 10.4.7.100/24
         ┌───────────────┴───────────────┐
     eth0 10.4.7.21                  eth0 10.4.7.22
    host-a                          host-b
     docker0 172.7.21.1/24           docker0 172.7.22.1/24
         │                               │
    pod-a 172.7.21.2                pod-b 172.7.22.2

Each name at the left of an address is a network namespace. None has a route to anywhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from natfix.app.lab import HOST_A, HOST_B, OUTSIDE, POD_A, POD_B
from natfix.host.lab.commands import run, within
from natfix.report.lab import Place


@dataclass(frozen=True, slots=True)
class Side:
    """One host with its pod.

    Attributes:
        letter: ``a`` or ``b``.
        host: where it is on the wire.
        pod: its one pod.
        bridge: address and prefix length of docker0.
        subnet: the network of its pods.
    """

    letter: str
    host: Place
    pod: Place
    bridge: str
    subnet: str

    @property
    def namespace(self) -> str:
        """The host's network namespace."""
        return f"host-{self.letter}"

    @property
    def pod_namespace(self) -> str:
        """The pod's network namespace, where there is no dockerd to make one."""
        return f"pod-{self.letter}"


SIDE_A: Final = Side("a", HOST_A, POD_A, "172.7.21.1/24", "172.7.21.0/24")
SIDE_B: Final = Side("b", HOST_B, POD_B, "172.7.22.1/24", "172.7.22.0/24")
SIDES: Final = (SIDE_A, SIDE_B)

OUTSIDE_NAMESPACE: Final = "outside"


def make_wire() -> None:
    """Make the outside machine and both hosts, which route to each other's pods.

    Raises:
        HostError: the kernel refused.
    """
    run(["ip", "-batch", "-"], given="\n".join(["netns add outside", *(_host_link(side) for side in SIDES)]))
    _configure(
        OUTSIDE_NAMESPACE,
        "link add wire type bridge",
        *(f"link set to-{side.letter} master wire up" for side in SIDES),
        f"addr add {OUTSIDE.address}/24 dev wire",
        "link set wire up",
        *_routes(*SIDES),
    )
    for side, other in ((SIDE_A, SIDE_B), (SIDE_B, SIDE_A)):
        _configure(side.namespace, f"addr add {side.host.address}/24 dev eth0", "link set eth0 up", *_routes(other))
        run(within(side.namespace, "sysctl", "-q", "-w", "net.ipv4.ip_forward=1"))


def make_pod(side: Side) -> None:
    """Make the bridge and the pod of *side*, as Docker makes them.

    Raises:
        HostError: the kernel refused.
    """
    run(["ip", "netns", "add", side.pod_namespace])
    _configure(
        side.namespace,
        "link add docker0 type bridge",
        f"addr add {side.bridge} dev docker0",
        "link set docker0 up",
        f"link add to-pod type veth peer name eth0 netns {side.pod_namespace}",
        "link set to-pod master docker0 up",
    )
    gateway = side.bridge.partition("/")[0]
    _configure(
        side.pod_namespace,
        f"addr add {side.pod.address}/24 dev eth0",
        "link set eth0 up",
        f"route add default via {gateway}",
    )


def _host_link(side: Side) -> str:
    link = f"link add to-{side.letter} netns outside type veth peer name eth0 netns {side.namespace}"
    return f"netns add {side.namespace}\n{link}"


def _routes(*sides: Side) -> list[str]:
    return [f"route add {side.subnet} via {side.host.address}" for side in sides]


def _configure(namespace: str, *lines: str) -> None:
    run(["ip", "-n", namespace, "-batch", "-"], given="\n".join(["link set lo up", *lines, ""]))

"""The hosts of the recipe: on one wire, or on two with a router between them, and an etcd that wants certificates.

10.4.7.12   hdss7-12   etcd       ─┐
10.4.7.200  hdss7-200  certificates│
10.4.7.21   hdss7-21   containers ─┤
10.4.7.22   hdss7-22   containers ─┴─ 10.4.7.254  router  10.4.8.254 ─── 10.4.8.23  hdss8-23  containers

Where all are on one wire there is no router.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.etcd import Etcd, etcd, make_certificates
from tests.netns import command, namespace
from tests.seed.place import Place, place, write_busybox
from tests.seed.recipe import CERTIFICATES

_FIRST = "10.4.7.12"
_AUTHORITY = "10.4.7.200"
# As people had it in 2019.
_ETCDCTL = '#!/bin/sh\nETCDCTL_API=2 exec etcdctl "$@"\n'


@dataclass
class Town:
    """All of them.

    Attributes:
        server: the one etcd of three that is there.
        store: the host that it runs on.
        first: hdss7-12, the first one that is asked for etcd.
        authority: the host where certificates are made, which runs no containers.
        hosts: those that run containers.
    """

    server: Etcd
    store: Place
    first: Place
    authority: Place
    hosts: Sequence[Place]


@contextmanager
def town(folder: Path, *addresses: str, server: str) -> Iterator[Town]:
    """Make the hosts with Docker on each; all is gone afterwards.

    Args:
        folder: for etcd, certificates and the image.
        addresses: of the hosts that run containers.
        server: the address of the one etcd that is there.
    """
    with ExitStack() as stack:
        segments = sorted({_segment(address) for address in (server, *addresses)})
        wires = {segment: stack.enter_context(_wire(segment)) for segment in segments}
        every = (*addresses, _FIRST, _AUTHORITY)
        places = {address: stack.enter_context(place(_name(address), address)) for address in every}
        for address, host in places.items():
            far = [f"10.4.{one}.0/24 via 10.4.{_segment(address)}.254" for one in segments if one != _segment(address)]
            host.plug(wires[_segment(address)], *far)
        if len(segments) > 1:
            stack.enter_context(_router(wires))
        running = _etcd(stack, folder, places[server])
        made = Town(running, places[server], places[_FIRST], places[_AUTHORITY], [places[one] for one in addresses])
        _furnish(made, folder)
        yield made


def _name(address: str) -> str:
    return f"hdss{_segment(address)}-{address.rpartition('.')[2]}"


def _segment(address: str) -> str:
    return address.split(".")[2]


@contextmanager
def _wire(segment: str) -> Iterator[str]:
    with namespace(f"wire{segment}") as name:
        command("ip", "-n", name, "link", "add", "br0", "type", "bridge")
        command("ip", "-n", name, "link", "set", "br0", "up")
        yield name


@contextmanager
def _router(wires: dict[str, str]) -> Iterator[None]:
    """Join the wires: a host that forwards, and that knows no containers."""
    with namespace("router") as name:
        command("nsenter", f"--net=/run/netns/{name}", "sysctl", "-qw", "net.ipv4.ip_forward=1")
        for segment, wire in wires.items():
            port = f"eth{segment}"
            command("ip", "-n", wire, "link", "add", "to254", "type", "veth", "peer", "name", port, "netns", name)
            command("ip", "-n", wire, "link", "set", "to254", "master", "br0", "up")
            command("ip", "-n", name, "address", "add", f"10.4.{segment}.254/24", "dev", port)
            command("ip", "-n", name, "link", "set", port, "up")
        yield


def _etcd(stack: ExitStack, folder: Path, host: Place) -> Etcd:
    """Start etcd as the recipe has it: for others with certificates alone, for its own host without."""
    made = make_certificates(folder / "certs", host.address)
    urls = f"https://{host.address}:2379,http://127.0.0.1:2379"
    listening = ("--listen-client-urls", urls, "--advertise-client-urls", urls)
    server = etcd(folder / "etcd", tls=made, namespace=host.netns, host=host.address, port=2379, words=listening)
    host.write("/opt/etcd/etcdctl", _ETCDCTL.encode(), 0o755)
    return stack.enter_context(server)


def _furnish(made: Town, folder: Path) -> None:
    """Lay out the certificates; start supervisord, Docker and a web server on each host."""
    for name in CERTIFICATES:
        made.authority.write(f"/opt/certs/{name}", (folder / "certs" / name).read_bytes())
    image = write_busybox(folder / "busybox.tar")

    def start(host: Place) -> None:
        host.supervise()
        host.start_docker(image)
        host.serves()

    with ThreadPoolExecutor() as workers:
        for _ in workers.map(start, made.hosts):
            pass

"""Programs beside Docker that make pods of their own: Podman, CNI's plugins, libvirt; each release's as they come."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

from natfix.host.lab.dockerd import IMAGE
from tests.machine.machines.pair import ARCHIVE, SERVER, DockerHost
from tests.machine.machines.shapes import Docker

PLUGINS = "/usr/lib/cni"
# Podman refuses to lay overlays on this machine's, and its control groups want controllers that this machine may not have.
STORAGE = """\
[storage]
driver = "vfs"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"
"""
CONTAINERS = """\
[containers]
cgroups = "disabled"
[engine]
cgroup_manager = "cgroupfs"
[network]
network_backend = "netavark"
firewall_driver = "{driver}"
"""
CNI = {
    "cniVersion": "0.4.0",
    "name": "pods",
    "type": "bridge",
    "bridge": "cni0",
    "isDefaultGateway": True,
    "ipMasq": True,
    "ipMasqBackend": "nftables",
    "ipam": {"type": "host-local", "ranges": [[{"subnet": "172.7.78.0/24"}]]},
}
# This kernel need not have the action by which libvirt repairs checksums of DHCP, and nobody here asks for an address.
TC = """\
#!/bin/sh
case "$*" in *"action csum"*) exit 0 ;; esac
exec /usr/sbin/tc "$@"
"""
VIRSH = ("virsh", "--quiet", "--connect=network:///system")
NETWORK = """\
<network>
  <name>virbr1</name>
  <forward mode='nat'/>
  <bridge name='virbr1' stp='off' delay='0'/>
  <ip address='172.7.79.1' netmask='255.255.255.0'/>
</network>
"""
GUEST = """
link add guest type veth peer name eth0 netns guest
link set guest master virbr1 up
"""
INSIDE = """
address add 172.7.79.2/24 dev eth0
link set eth0 up
route add default via 172.7.79.1
"""


@dataclass(frozen=True)
class Beside:
    """A pod of another program.

    Attributes:
        name: of the program, with its version.
        address: of the pod.
        namespace: its network.
        id: the audit rule that speaks of the program.
        native: whether it keeps its rules in a table of nft's own.
    """

    name: str
    address: str
    namespace: str
    id: str
    native: bool = True


def configure_podman(host: DockerHost, driver: str, subnet: str) -> None:
    """Give Podman a network whose rules netavark writes with a driver, which versions before 1.10 do not choose."""
    host.put("/etc/containers/storage.conf", STORAGE)
    host.put("/etc/containers/containers.conf", CONTAINERS.format(driver=driver))
    host.output("podman", "import", ARCHIVE, IMAGE)
    host.output("podman", "network", "create", "--disable-dns", f"--subnet={subnet}", "pods")


def podman(docker: Docker, driver: str) -> Beside:
    """Start a container that publishes a port."""
    host = docker.host
    configure_podman(host, driver, "172.7.77.0/24")
    words = ("--detach", "--ip=172.7.77.2", "--name=first", "--network=pods", "--publish=8077:80")
    host.output("podman", "run", *words, IMAGE, "/bin/busybox", "sh", "-c", SERVER)
    version = host.output("/usr/lib/podman/netavark", "--version").split()[-1]
    pid = host.output("podman", "inspect", "--format={{.State.Pid}}", "first").strip()
    return Beside(f"netavark-{version}", "172.7.77.2", f"/proc/{pid}/ns/net", "POD001", native=driver == "nftables")


def cni(docker: Docker) -> Beside:
    """Let CNI's plugin bridge make a pod, with nft."""
    host = docker.host
    asked = {"COMMAND": "ADD", "CONTAINERID": "one", "NETNS": "/run/netns/one", "IFNAME": "eth0", "PATH": PLUGINS}
    host.output("ip", "netns", "add", "one")
    environment = [f"CNI_{name}={value}" for name, value in asked.items()]
    result = json.loads(host.output("env", *environment, f"{PLUGINS}/bridge", data=json.dumps(CNI)))
    version = host.output("dpkg-query", "--show", "--showformat=${source:Upstream-Version}", "containernetworking-plugins")
    address = result["ips"][0]["address"].partition("/")[0]
    return Beside(f"cni-{version.partition('+')[0]}", address, "/run/netns/one", "CNI001")


def libvirt(docker: Docker) -> Beside:
    """Let libvirt make a network, with nft, and put a guest on it."""
    host = docker.host
    host.put("/usr/local/sbin/tc", TC, 0o755)
    host.put("/etc/libvirt/network.conf", 'firewall_backend = "nftables"\n')
    host.output("systemctl", "restart", "libvirtd.service")
    host.put("/run/network.xml", NETWORK)
    host.output(*VIRSH, "net-create", "/run/network.xml")
    host.output("ip", "netns", "add", "guest")
    host.output("ip", "-batch", "-", data=GUEST)
    host.output("ip", "-n", "guest", "-batch", "-", data=INSIDE)
    version = host.output("libvirtd", "--version").split()[-1]
    return Beside(f"libvirt-{version}", "172.7.79.2", "/run/netns/guest", "LIB001")


BESIDE: MappingProxyType[str, Callable[[Docker], list[Beside]]] = MappingProxyType(
    {
        "bookworm": lambda docker: [podman(docker, "iptables")],
        "trixie": lambda docker: [podman(docker, "nftables")],
        "sid": lambda docker: [podman(docker, "nftables"), cni(docker), libvirt(docker)],
    }
)

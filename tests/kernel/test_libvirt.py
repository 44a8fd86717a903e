"""libvirt's own networks, made by a real libvirtd: found where they lie in the cluster, corrected, proved, silent elsewhere."""

from collections.abc import Iterator

import pytest

from tests.dumps import judged
from tests.kernel.hosts import NATFIX, own_host
from tests.kernel.pods import CIDRS, FAMILIES, WORLD, Site
from tests.machine.machines.patience import eventually

pytestmark = pytest.mark.kernel("libvirtd", "virsh", "dnsmasq")

VIRSH = ("virsh", "--quiet", "--connect=network:///system")
# The driver of virtual machines, which starts along with that of networks, wants this user. Nobody runs one here.
DAEMON = "useradd --system libvirt-qemu && exec libvirtd"
NETWORK = """\
<network>
  <name>{name}</name>
  <forward mode='{mode}'>{both}</forward>
  <bridge name='{name}' stp='off' delay='0'/>
  <ip address='{ipv4}.1' netmask='255.255.255.0'/>
  <ip family='ipv6' address='{ipv6}::1' prefix='64'/>
</network>
"""
NAT_BOTH = "<nat ipv6='yes'/>"
# As libvirt brings it; for machines of the cluster; and as one should have made that.
NETWORKS = (
    ("virbr0", "nat", NAT_BOTH, "192.168.122", "fdc0:122"),
    ("virbr1", "nat", NAT_BOTH, "172.7.122", "fd07:122"),
    ("virbr2", "route", "", "172.7.123", "fd07:123"),
)
MACHINE = """
link add {name} type veth peer name eth0 netns {name}
link set {name} master {bridge} up
"""
ADDRESSES = """
address add {ipv4}.2/24 dev eth0
address add {ipv6}::2/64 dev eth0 nodad
link set eth0 up
route add default via {ipv4}.1
route add default via {ipv6}::1
"""


@pytest.fixture
def site() -> Iterator[Site]:
    """A host with three networks of libvirt's, and a machine in each."""
    with own_host() as host:
        site = Site(host)
        site.build()
        daemon = host.start("sh", "-c", DAEMON)
        assert eventually(lambda: host.ask(*VIRSH, "net-list").code == 0 or daemon.poll() is not None)
        for name, mode, both, ipv4, ipv6 in NETWORKS:
            text = NETWORK.format(name=name, mode=mode, both=both, ipv4=ipv4, ipv6=ipv6)
            host.write(f"/run/{name}.xml", text.encode())
            host.run(*VIRSH, "net-create", f"/run/{name}.xml")
            host.run("ip", "netns", "add", f"on-{name}")
            # Its addresses are its own choice, not that of libvirt's dnsmasq.
            host.run(*site.within(f"on-{name}", "sysctl", "-qw", "net.ipv6.conf.default.accept_ra=0"))
            host.run("ip", "-batch", "-", data=MACHINE.format(name=f"on-{name}", bridge=name))
            host.run("ip", "-n", f"on-{name}", "-batch", "-", data=ADDRESSES.format(ipv4=ipv4, ipv6=ipv6))
        with site.serving("far"):
            yield site
    # It ended with its host.
    daemon.communicate(timeout=30)


def seen(site: Site, bridge: str) -> list[str]:
    return [site.seen(f"on-{bridge}", WORLD[family].remote) for family in FAMILIES]


def test_networks_of_libvirt_inside_the_cluster_are_found_and_no_other(site: Site) -> None:
    def ask(*words: str) -> tuple[int, str]:
        done = site.host.ask(*(NATFIX if words[0] == "natfix" else words[:1]), *words[1:])
        return done.code, done.output or done.complaint

    nodes = [WORLD[family].node for family in FAMILIES]
    assert [seen(site, bridge) for bridge in ("virbr0", "virbr1")] == [nodes] * 2
    assert seen(site, "virbr2") == ["172.7.123.2", "fd07:123::2"]
    version = ask("libvirtd", "--version")[1].split()[-1]
    found = judged(ask, f"libvirt-{version}-nft", *CIDRS)
    assert {id_ for id_, _ in found} == {"LIB001"}
    assert {rule.split()[3] for _, rule in found} == {"172.7.122.0/24", "fd07:122::/64"}
    code, said = ask("natfix", "apply", *CIDRS)
    assert code == 0, said
    assert (seen(site, "virbr1"), seen(site, "virbr0")) == (["172.7.122.2", "fd07:122::2"], nodes)
    assert ask("natfix", "check", *CIDRS)[0] == 0

    # A network that goes takes its rules away by their words, and so leaves those that natfix has corrected: they do no harm,
    # and serve when it comes back with rules of its own.
    site.host.run(*VIRSH, "net-destroy", "virbr1")
    assert ask("natfix", "check", *CIDRS)[0] == 0
    assert seen(site, "virbr0") == nodes
    site.host.run(*VIRSH, "net-create", "/run/virbr1.xml")
    assert ask("natfix", "check", *CIDRS)[0] == 1
    assert ask("natfix", "apply", *CIDRS)[0] == 0
    assert site.host.run("iptables-save", "-t", "nat").count("-s 172.7.122.0/24 ! -d 172.7.0.0/16") == 3
    assert ask("natfix", "check", *CIDRS)[0] == 0

"""Every program that writes source NAT on container hosts, in the words of its versions: found where it hides, else silent.

The words are those of the programs' sources. A packet decides, so each shape stands beside a cluster that it hides from, and
beside one that it leaves alone. Rules in nft's own tables: tests/kernel/test_nft_actors.py.
"""

from dataclasses import replace

import pytest

from natfix.audit import Severity, audit_table
from natfix.audit.subject import subject_of
from natfix.host.catalogue import read_catalogue
from natfix.packets.ipset import parse_ipsets
from natfix.ruleset import Family, parse, parse_network

CATALOGUE = read_catalogue(local="/nowhere")
HERE, TEN, FAR = "172.7.0.0/16", "10.0.0.0/8", "203.0.113.0/24"
POST = "-A POSTROUTING"
# Names the host's subnet, for programs whose own rules do not.
POD = f"{POST} -s 172.7.21.0/24 -j SITE"
BROAD = f"{POST} -s 172.7.21.0/24 ! -o docker0 -j MASQUERADE"
NET = '-m comment --comment "name: \\"net\\" id: \\"abc\\""'
TO_FLANNEL = f'{POST} -m comment --comment "flanneld masq" -j FLANNEL-POSTRTG'
FLANNEL = """\
-A FLANNEL-POSTRTG -m mark --mark 0x4000/0x4000 -j RETURN
-A FLANNEL-POSTRTG -s 172.7.21.0/24 -d 172.7.0.0/16 -j RETURN
-A FLANNEL-POSTRTG -s 172.7.0.0/16 -d 172.7.21.0/24 -j RETURN
-A FLANNEL-POSTRTG ! -s 172.7.0.0/16 -d 172.7.21.0/24 -j RETURN
-A FLANNEL-POSTRTG -s 172.7.0.0/16 ! -d 224.0.0.0/4 -j MASQUERADE --random-fully
-A FLANNEL-POSTRTG ! -s 172.7.0.0/16 -d 172.7.0.0/16 -j MASQUERADE --random-fully"""
KUBE_POST = f'{POST} -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING'
PORTS = f"""\
{POST} -m comment --comment "CNI portfwd requiring masquerade" -j CNI-HOSTPORT-MASQ
-A CNI-HOSTPORT-MASQ -m mark --mark 0x2000/0x2000 -j MASQUERADE"""
MASQ_AGENT = f"""\
{POST} -m addrtype ! --dst-type LOCAL -j IP-MASQ-AGENT
-A IP-MASQ-AGENT -d 169.254.0.0/16 -j RETURN
-A IP-MASQ-AGENT -d 10.0.0.0/8 -j RETURN
-A IP-MASQ-AGENT -d 172.16.0.0/12 -j RETURN
-A IP-MASQ-AGENT -d 192.168.0.0/16 -j RETURN
-A IP-MASQ-AGENT -j MASQUERADE --random-fully"""
KUBENET = (
    f'{POST} ! -d 10.0.0.0/8 -m comment --comment "kubenet: SNAT for outbound traffic from cluster"'
    " -m addrtype ! --dst-type LOCAL -j MASQUERADE"
)
CALICO = f"""\
{POST} -s 10.1.2.0/24 -j SITE
{POST} -m comment --comment "cali:O3lYWMrLQYEMJtB5" -j cali-POSTROUTING
-A cali-POSTROUTING -j cali-nat-outgoing
-A cali-POSTROUTING -o vxlan.calico -m addrtype ! --src-type LOCAL --limit-iface-out -m addrtype --src-type LOCAL -j MASQUERADE
-A cali-nat-outgoing -m set --match-set cali40masq-ipam-pools src -m set ! --match-set cali40all-ipam-pools dst -j MASQUERADE"""
POOLS = "create cali40masq-ipam-pools hash:net family inet\nadd cali40masq-ipam-pools 10.0.0.0/8\n"
ALL_POOLS = "create cali40all-ipam-pools hash:net family inet\nadd cali40all-ipam-pools "
LIBVIRT = """\
-A LIBVIRT_PRT -s 10.1.2.0/24 -d 224.0.0.0/24 -j RETURN
-A LIBVIRT_PRT -s 10.1.2.0/24 -d 255.255.255.255/32 -j RETURN
-A LIBVIRT_PRT -s 10.1.2.0/24 ! -d 10.1.2.0/24 -p tcp -j MASQUERADE --to-ports 1024-65535
-A LIBVIRT_PRT -s 10.1.2.0/24 ! -d 10.1.2.0/24 -p udp -j MASQUERADE --to-ports 1024-65535
-A LIBVIRT_PRT -s 10.1.2.0/24 ! -d 10.1.2.0/24 -j MASQUERADE"""
CNI = f"""\
{POST} -s 10.1.2.5/32 {NET} -j CNI-5d3c2b1a0f9e8d7c6b5a4f3e
-A CNI-5d3c2b1a0f9e8d7c6b5a4f3e -d 10.1.2.0/24 {NET} -j ACCEPT
-A CNI-5d3c2b1a0f9e8d7c6b5a4f3e ! -d 224.0.0.0/4 {NET} -j MASQUERADE"""
NETAVARK = f"""\
{POST} -j NETAVARK-HOSTPORT-MASQ
{POST} -s 10.88.0.0/16 -j NETAVARK-1D8721804F16F
-A NETAVARK-1D8721804F16F -d 10.88.0.0/16 -j ACCEPT
-A NETAVARK-1D8721804F16F ! -d 224.0.0.0/4 -j MASQUERADE
-A NETAVARK-HOSTPORT-MASQ -m comment --comment "netavark portfw masq mark" -m mark --mark 0x2000/0x2000 -j MASQUERADE"""
FIREWALLD = f"""\
{POD}
{POST} -j POSTROUTING_ZONES
-A POSTROUTING_ZONES -o eth0 -g POST_public
-A POST_public -j POST_public_allow
-A POST_public_allow ! -o lo -j MASQUERADE"""
AWS = f"""\
{POST} -s 10.1.2.0/24 -j SITE
{POST} -m comment --comment "AWS SNAT CHAIN" -j AWS-SNAT-CHAIN-0
-A AWS-SNAT-CHAIN-0 -d VPC -m comment --comment "AWS SNAT CHAIN" -j RETURN
-A AWS-SNAT-CHAIN-0 ! -o vlan+ -m addrtype ! --dst-type LOCAL -j SNAT --to-source 10.4.7.21 --random-fully"""
WEAVE = f"""\
{POST} -j WEAVE
-A WEAVE -s 10.32.0.0/12 -d 224.0.0.0/4 -j RETURN
-A WEAVE ! -s 10.32.0.0/12 -d 10.32.0.0/12 -j MASQUERADE
-A WEAVE -s 10.32.0.0/12 ! -d 10.32.0.0/12 -j MASQUERADE"""
NON_CLUSTER = '-m comment --comment "cilium masquerade non-cluster"'
CILIUM = f"""\
{POST} -m comment --comment "cilium-feeder: CILIUM_POST_nat" -j CILIUM_POST_nat
-A CILIUM_POST_nat -m mark --mark 0xa00/0xe00 -j ACCEPT
-A CILIUM_POST_nat -s 10.1.2.0/24 ! -d NATIVE ! -o cilium_+ {NON_CLUSTER} -j MASQUERADE"""
OLD_CILIUM = CILIUM.replace("CILIUM_POST_nat", "OLD_CILIUM_POST_nat")
FLANNEL_05 = f"""\
{POD}
{POST} -s 172.7.0.0/16 -j FLANNEL
-A FLANNEL -d 172.7.0.0/16 -j ACCEPT
-A FLANNEL ! -d 224.0.0.0/4 -j MASQUERADE"""
FLANNEL_07 = f"""\
{POST} -s 172.7.0.0/16 -d 172.7.0.0/16 -j RETURN
{POST} -s 172.7.0.0/16 ! -d 224.0.0.0/4 -j MASQUERADE
{POST} ! -s 172.7.0.0/16 -d 172.7.21.0/24 -j RETURN
{POST} ! -s 172.7.0.0/16 -d 172.7.0.0/16 -j MASQUERADE
{BROAD}"""
KUBE = f"""\
{POD}
{KUBE_POST}
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0
-A KUBE-POSTROUTING -j MASQUERADE --random-fully"""
LXD = (
    f'{POST} -s 10.1.2.0/24 ! -d 10.1.2.0/24 ! -o lxdbr0 -m comment --comment "generated for LXD network lxdbr0" -j MASQUERADE'
)


def kinds(text: str, cluster: str, ipsets: str = "") -> list[str]:
    """What is found in a table with these rules, advice apart; a question mark is behind what is only possible."""
    lines = text.splitlines()
    chains = dict.fromkeys(line.split()[1] for line in lines)
    chains.pop("POSTROUTING", None)
    declared = "\n".join(f":{chain} - [0:0]" for chain in [*chains, "SITE"])
    data = f"*nat\n:POSTROUTING ACCEPT [0:0]\n{declared}\n{text}\nCOMMIT\n"
    made = subject_of(parse(data.encode(), "host.save"), Family.IPV4, [parse_network(cluster)])
    assert made is not None
    subject = replace(made, ipsets=parse_ipsets(ipsets, "sets") if ipsets else {})
    found = [each for each in audit_table(subject, CATALOGUE) if each.severity > Severity.INFO]
    return sorted({each.kind.id + ("" if each.certain else "?") for each in found})


BROAD_SHAPES = {
    "docker 1.0": (f"{POST} -s 172.7.21.0/24 ! -d 172.7.21.0/24 -j MASQUERADE", HERE, ["NAT001"]),
    "docker since 1.2": (BROAD, HERE, ["NAT001"]),
    "docker with a network of one's own": (f"{POST} -s 172.7.121.0/24 ! -o br-0a1b2c3d4e5f -j MASQUERADE", HERE, ["DOC004"]),
    "docker with host_ipv4": (f"{POST} -s 172.7.21.0/24 ! -o br-dummy -j SNAT --to-source 10.4.7.21", HERE, ["NAT002"]),
    "docker swarm": (f"{POST} -s 172.7.18.0/24 ! -o docker_gwbridge -j MASQUERADE", HERE, ["DOC003"]),
    "docker after a restart": (f"{BROAD}\n{BROAD.replace('!', '! -d 172.7.0.0/16 !', 1)}", HERE, ["NAT003"]),
    "netavark": (NETAVARK, TEN, ["POD001"]),
    "cni, one pod": (CNI, TEN, ["CNI001"]),
    "cni up to 0.7": (CNI.replace("10.1.2.5/32", "10.1.2.0/24"), TEN, ["CNI001"]),
    "flannel behind docker": (f"{BROAD}\n{TO_FLANNEL}\n{FLANNEL}", HERE, ["NAT001"]),
    # RETURN in a chain of its own shields from no rule behind.
    "flannel before docker": (f"{TO_FLANNEL}\n{BROAD}\n{FLANNEL}", HERE, ["NAT001"]),
    "flannel of another network": (f"{TO_FLANNEL}\n{FLANNEL}".replace("-d 172.7.0.0/16", "-d 172.7.0.0/18"), HERE, ["FLA001"]),
    "kubenet": (f"{POD}\n{KUBENET}", HERE, ["KUB001"]),
    "ip-masq-agent": (f"{POD}\n{MASQ_AGENT}", HERE, ["KUB002"]),
    "aws": (AWS.replace("VPC", "10.1.0.0/16"), TEN, ["AWS001"]),
    "calico, of which nobody lists sets": (CALICO, TEN, ["CAL001?"]),
    "calico with a pool that is too small": (CALICO, TEN, ["CAL001"]),
    "cilium": (CILIUM.replace("NATIVE", "10.1.2.0/24"), TEN, ["CIL001"]),
    "cilium's leftovers": (OLD_CILIUM.replace("NATIVE", "10.1.2.0/24"), TEN, ["CIL001"]),
    "weave": (WEAVE, TEN, ["WEA001"]),
    "libvirt before 5.1": (f"{POST} -s 10.1.2.0/24 ! -d 10.1.2.0/24 -j MASQUERADE", TEN, ["NAT001"]),
    "libvirt": (f"{POST} -j LIBVIRT_PRT\n{LIBVIRT}", TEN, ["LIB001"]),
    "lxd": (LXD, TEN, ["LXD001"]),
    "firewalld": (FIREWALLD, HERE, ["FIR001"]),
    "tailscale's proxy for kubernetes": (
        f"{POD}\n{POST} -d 172.7.22.9/32 -j SNAT --to-source 172.7.21.9", HERE, ["NAT007"],
    ),
}  # fmt: skip
SILENT_SHAPES = {
    "docker beside the cluster": (BROAD, FAR),
    "docker's hairpin": (f"{POD}\n{POST} -o docker0 -m addrtype --src-type LOCAL -j MASQUERADE", HERE),
    "docker's hairpin with host_ipv4": (
        f"{POD}\n{POST} -o br-dummy -m addrtype --src-type LOCAL -j SNAT --to-source 10.4.7.21", HERE,
    ),
    "docker's published port": (
        f"{POD}\n{POST} -s 172.7.21.2/32 -d 172.7.21.2/32 -p tcp -m tcp --dport 80 -j MASQUERADE", HERE,
    ),
    "docker swarm's hairpin": (f"{POD}\n{POST} -o docker_gwbridge -m addrtype --src-type LOCAL -j MASQUERADE", HERE),
    "netavark beside the cluster": (NETAVARK, FAR),
    "cni of a cluster that is one network": (CNI.replace("-d 10.1.2.0/24", "-d 10.0.0.0/8"), TEN),
    "cni's portmap": (f"{POD}\n{PORTS}", HERE),
    "dockershim's hostport": (
        f'{POD}\n{POST} -s 127.0.0.0/8 -o docker0 -m comment --comment "SNAT for localhost access to hostports" -j MASQUERADE',
        HERE,
    ),
    "flannel 0.5": (FLANNEL_05, HERE),
    "flannel 0.7 to 0.19, and docker behind it": (FLANNEL_07, HERE),
    "flannel": (f"{POD}\n{TO_FLANNEL}\n{FLANNEL}", HERE),
    "kube-proxy, old": (f"{POD}\n{KUBE_POST}\n-A KUBE-POSTROUTING -m mark --mark 0x4000/0x4000 -j MASQUERADE", HERE),
    "kube-proxy": (KUBE, HERE),
    "kube-proxy with ipvs": (
        f"{POD}\n{KUBE_POST}\n-A KUBE-POSTROUTING -m set --match-set KUBE-LOOP-BACK dst,dst,src -j MASQUERADE", HERE,
    ),
    "kubenet inside its range": (f"{POST} -s 10.1.2.0/24 -j SITE\n{KUBENET}", TEN),
    "ip-masq-agent inside its ranges": (f"{POST} -s 10.1.2.0/24 -j SITE\n{MASQ_AGENT}", TEN),
    "aws inside its network": (AWS.replace("VPC", "10.0.0.0/8"), TEN),
    "calico with all pools": (CALICO, TEN),
    "cilium with the cluster": (CILIUM.replace("NATIVE", "10.0.0.0/8"), TEN),
    "weave with its range": (f"{POST} -s 10.32.1.0/24 -j SITE\n{WEAVE}", "10.32.0.0/12"),
    "libvirt beside the cluster": (f"{POST} -j LIBVIRT_PRT\n{LIBVIRT}", HERE),
    "lxd beside the cluster": (LXD, HERE),
    "firewalld without masquerade": (FIREWALLD.replace("-j MASQUERADE", "-j ACCEPT"), HERE),
    "tailscale": (
        f"{POD}\n{POST} -j ts-postrouting\n-A ts-postrouting -m mark --mark 0x40000/0xff0000 -j MASQUERADE", HERE,
    ),
}  # fmt: skip
SETS = {
    "calico with a pool that is too small": f"{POOLS}{ALL_POOLS}10.1.0.0/16\n",
    "calico with all pools": f"{POOLS}{ALL_POOLS}10.0.0.0/8\n",
}


@pytest.mark.parametrize("name", BROAD_SHAPES)
def test_what_hides_addresses_is_found_by_the_rule_that_names_its_author(name: str) -> None:
    text, cluster, expected = BROAD_SHAPES[name]
    assert kinds(text, cluster, SETS.get(name, "")) == expected


@pytest.mark.parametrize("name", SILENT_SHAPES)
def test_what_hides_nothing_is_passed_over(name: str) -> None:
    text, cluster = SILENT_SHAPES[name]
    assert kinds(text, cluster, SETS.get(name, "")) == []

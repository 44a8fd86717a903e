"""Programs that write source NAT with nft, in their own words, loaded into a kernel: found where they hide, else silent.

Those of iptables: tests/rules/test_actors.py.
"""

import pytest

from natfix.app.check import summed_up
from natfix.app.cluster import Cluster
from natfix.app.native import look_at_nft_text
from natfix.host.catalogue import read_catalogue
from natfix.host.nft_listing import HostNftListing
from natfix.nft import parse_nft
from natfix.ruleset import parse_network
from tests.netns import command

pytestmark = pytest.mark.kernel

CATALOGUE = read_catalogue(local="/nowhere")
HERE, TEN, FAR = "172.7.0.0/16", "10.0.0.0/8", "203.0.113.0/24"
BASE = "type nat hook postrouting priority srcnat; policy accept;"
DOCKER29 = f"""
table ip docker-bridges {{
  map nat-postrouting-out-jumps {{ type ifname : verdict; elements = {{ "docker0" : jump nat-postrouting-out__docker0 }} }}
  map nat-postrouting-in-jumps {{ type ifname : verdict; elements = {{ "docker0" : jump nat-postrouting-in__docker0 }} }}
  chain nat-postrouting-out__docker0 {{
    oifname != "docker0" ip saddr 172.7.21.0/24 counter RULE
  }}
  chain nat-postrouting-in__docker0 {{
    fib saddr type local counter masquerade comment "MASQUERADE FROM HOST"
    ip saddr 172.7.21.2 ip daddr 172.7.21.2 tcp dport 80 counter masquerade comment "MASQ TO OWN PORT"
  }}
  chain nat-POSTROUTING {{
    {BASE}
    iifname vmap @nat-postrouting-out-jumps
    oifname vmap @nat-postrouting-in-jumps
  }}
}}
"""
NETAVARK = """
table inet netavark {
  chain nv_2f259bab_10_88_0_0_nm16 {
    ip daddr 10.88.0.0/16 accept
    ip daddr != 224.0.0.0/4 masquerade
  }
  chain POSTROUTING {
    type nat hook postrouting priority srcnat; policy accept;
    meta mark & 0x2000 == 0x2000 masquerade
    ip saddr 10.88.0.0/16 jump nv_2f259bab_10_88_0_0_nm16
  }
}
"""
CNI = """
table inet cni_plugins_masquerade {
  chain masq_checks {
    ip saddr == 10.1.2.5 ip daddr != SUBNET masquerade comment "0123456789abcdef-net: abc"
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip daddr == 224.0.0.0/4 return
    goto masq_checks
  }
}
"""
FLANNEL = f"""
table ip flannel-ipv4 {{
  chain postrtg {{
    {BASE}
    meta mark 0x4000 return
    ip saddr 172.7.21.0/24 ip daddr CLUSTER return
    ip saddr CLUSTER ip daddr 172.7.21.0/24 return
    ip saddr != 172.7.21.0/24 ip daddr CLUSTER return
    ip saddr CLUSTER ip daddr != 224.0.0.0/4 masquerade fully-random
    ip saddr != CLUSTER ip daddr CLUSTER masquerade fully-random
  }}
}}
"""
POD = f"""
table ip site {{
  chain names {{
    {BASE}
    ip saddr 172.7.21.0/24 counter
  }}
}}
"""
KUBE = f"""
table ip kube-proxy {{
  chain masquerading {{
    meta mark and 0x4000 == 0 return
    meta mark set meta mark xor 0x4000
    masquerade fully-random
  }}
  chain nat-postrouting {{
    {BASE}
    jump masquerading
  }}
}}
"""
CALICO = """
table ip calico {
  set cali40all-ipam-pools { type ipv4_addr; flags interval; elements = { POOL } }
  set cali40masq-ipam-pools { type ipv4_addr; flags interval; elements = { 10.0.0.0/8 } }
  chain nat-cali-nat-outgoing {
    ip saddr @cali40masq-ipam-pools ip daddr != @cali40all-ipam-pools masquerade fully-random
  }
  chain nat-POSTROUTING {
    type nat hook postrouting priority srcnat + 10; policy accept;
    ip saddr 10.1.2.0/24 counter
    jump nat-cali-nat-outgoing
  }
}
"""
LIBVIRT = f"""
table ip libvirt_network {{
  chain guest_nat {{
    {BASE}
    ip saddr 10.1.2.0/24 ip daddr 224.0.0.0/24 counter return
    ip saddr 10.1.2.0/24 ip daddr 255.255.255.255 counter return
    meta l4proto tcp ip saddr 10.1.2.0/24 ip daddr != 10.1.2.0/24 counter masquerade to :1024-65535
    ip saddr 10.1.2.0/24 ip daddr != 10.1.2.0/24 counter masquerade
  }}
}}
"""
INCUS = """
table inet incus {
  chain pstrt.incusbr0 {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr 10.1.2.0/24 ip daddr != 10.1.2.0/24 masquerade
  }
}
"""
FIREWALLD = """
table inet firewalld {
  chain nat_POST_public_allow {
    RULE
  }
  chain nat_POST_public { jump nat_POST_public_allow; }
  chain nat_POSTROUTING {
    type nat hook postrouting priority srcnat + 10; policy accept;
    ip saddr 172.7.21.0/24 counter
    oifname "eth0" goto nat_POST_public
    goto nat_POST_public
  }
}
"""
MASQUERADE = 'masquerade comment "MASQUERADE"'
HIDING = {
    "docker 29": (DOCKER29.replace("RULE", MASQUERADE), HERE, ["NAT001"]),
    "docker 29 with host_ipv4": (DOCKER29.replace("RULE", 'snat to 10.4.7.21 comment "SNAT"'), HERE, ["NAT002"]),
    "netavark": (NETAVARK, TEN, ["POD001"]),
    "netavark with outbound_addr4": (
        NETAVARK.replace("224.0.0.0/4 masquerade", "224.0.0.0/4 snat ip to 10.4.7.21"),
        TEN,
        ["POD001"],
    ),
    "cni": (CNI.replace("SUBNET", "10.1.2.0/24"), TEN, ["CNI001"]),
    "flannel of another network": (FLANNEL.replace("daddr CLUSTER return", "daddr 172.7.0.0/18 return"), HERE, ["FLA001"]),
    "calico with a pool that is too small": (CALICO.replace("POOL", "10.1.0.0/16"), TEN, ["CAL001"]),
    "libvirt": (LIBVIRT, TEN, ["LIB001"]),
    "incus": (INCUS, TEN, ["LXD001"]),
    "firewalld": (FIREWALLD.replace("RULE", 'meta nfproto ipv4 oifname != "lo" masquerade'), HERE, ["FIR001"]),
}
SILENT = {
    "docker 29 beside the cluster": (DOCKER29.replace("RULE", MASQUERADE), FAR),
    "docker 29 without masquerade": (DOCKER29.replace("RULE", "return"), HERE),
    "netavark beside the cluster": (NETAVARK, FAR),
    "cni of a cluster that is one network": (CNI.replace("SUBNET", "10.0.0.0/8"), TEN),
    "flannel": (FLANNEL.replace("CLUSTER", HERE), HERE),
    "kube-proxy": (POD + KUBE, HERE),
    "calico with all pools": (CALICO.replace("POOL", "10.0.0.0/8"), TEN),
    "libvirt beside the cluster": (LIBVIRT, HERE),
    "incus beside the cluster": (INCUS, HERE),
    "firewalld without masquerade": (FIREWALLD.replace("RULE", "counter"), HERE),
}


def kinds(text: str, cluster: str) -> list[str]:
    """What is found in the tables as this kernel lists them."""
    command("nft", "-f", "-", data=text.replace("CLUSTER", HERE))
    listing = HostNftListing().read()
    assert listing is not None
    told = Cluster((parse_network(cluster),), "--cluster-cidr")
    result = summed_up([look_at_nft_text(parse_nft(listing, "nft"), (told,), CATALOGUE)])
    assert all(finding.certain and finding.packet for finding in result.findings)
    return sorted({finding.kind.id for finding in result.findings})


@pytest.mark.usefixtures("netns")
@pytest.mark.parametrize("name", HIDING)
def test_what_hides_addresses_is_found(name: str) -> None:
    text, cluster, expected = HIDING[name]
    assert kinds(text, cluster) == expected


@pytest.mark.usefixtures("netns")
@pytest.mark.parametrize("name", SILENT)
def test_what_hides_nothing_is_passed_over(name: str) -> None:
    assert kinds(*SILENT[name]) == []

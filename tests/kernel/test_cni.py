"""CNI's own plugins, called as a container runtime calls them: found, corrected, proved, and still able to take a pod away."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from natfix.app.ports import Variant
from natfix.host.lab.dockerd import link_iptables
from tests.dumps import Findings, judged
from tests.kernel.hosts import NATFIX, own_host
from tests.kernel.pods import CIDRS, FAMILIES, WORLD, Site

PLUGINS = "/usr/lib/cni"
pytestmark = pytest.mark.kernel(f"{PLUGINS}/bridge", f"{PLUGINS}/ptp", f"{PLUGINS}/portmap")

NETWORK = {"cniVersion": "0.4.0", "name": "pods"}
# What a pod has of each network, by its number: its addresses are known beforehand.
BRIDGE = {
    "type": "bridge",
    "bridge": "cni0",
    "isDefaultGateway": True,
    "ipMasq": True,
    "hairpinMode": True,
    "ipam": {"type": "host-local", "ranges": [[{"subnet": "172.7.77.0/24"}], [{"subnet": "fd07:77::/64"}]]},
}
PTP = {
    "type": "ptp",
    "ipMasq": True,
    "ipam": {
        "type": "host-local",
        "ranges": [[{"subnet": "172.7.78.0/24"}], [{"subnet": "fd07:78::/64"}]],
        "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}],
    },
}
PORTS = {"type": "portmap", "snat": True}
PUBLISHED = {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}
# What the plugins of 1.9.1 write with "ipMasqBackend": "nftables", which those of bookworm do not know.
NATIVE = Path(__file__).parents[1] / "data" / "nft" / "cni-1.9.1.nft"
NODES = [WORLD[family].node for family in FAMILIES]


class Cni:
    """A host whose pods are made by CNI's plugins.

    Args:
        site: the host.
        programs: a folder in which the plugins find their iptables.
    """

    def __init__(self, site: Site, programs: Path) -> None:
        self.site = site
        self._path = f"{programs}:/usr/sbin:/usr/bin:/sbin:/bin"
        self._results: dict[str, dict[str, Any]] = {}

    def add(self, pod: str, plugin: dict[str, Any], **published: object) -> list[str]:
        """Make a pod; give its addresses."""
        self.site.host.run("ip", "netns", "add", pod)
        result = json.loads(self._call("ADD", pod, plugin))
        if published:
            result = json.loads(self._call("ADD", pod, PORTS, prevResult=result, runtimeConfig=published))
        self._results[pod] = result
        return [each["address"].partition("/")[0] for each in result["ips"]]

    def delete(self, pod: str, *plugins: dict[str, Any]) -> None:
        """Take a pod away, as a runtime does: the last plugin first, its namespace at the end."""
        for plugin in plugins:
            self._call("DEL", pod, plugin, prevResult=self._results[pod], runtimeConfig=PUBLISHED)

    def ask(self, *words: str) -> tuple[int, str]:
        """Run a program on the host with the plugins' iptables."""
        done = self.site.host.ask(
            *(NATFIX if words[0] == "natfix" else words[:1]), *words[1:], environment={"PATH": self._path}
        )
        return done.code, done.output or done.complaint

    def apply(self) -> None:
        """Let natfix correct the host."""
        code, said = self.ask("natfix", "apply", *CIDRS)
        assert code == 0, said

    def found(self) -> list[str]:
        """The ids of what natfix finds on the host."""
        tables = json.loads(self.ask("natfix", "check", *CIDRS, "--format=json")[1])["tables"]
        return [each["id"] for table in tables for each in table["findings"]]

    def seen(self, pod: str) -> list[str]:
        """The address of a pod that a pod of another host sees, in each family."""
        return [self.site.seen(pod, WORLD[family].remote) for family in FAMILIES]

    def rules(self) -> str:
        """All rules of table nat."""
        return "".join(self.ask(f"{program}-save", "-t", "nat")[1] for program in ("iptables", "ip6tables"))

    def _call(self, command: str, pod: str, plugin: dict[str, Any], **more: object) -> str:
        asked = {"CNI_COMMAND": command, "CNI_CONTAINERID": pod, "CNI_NETNS": f"/run/netns/{pod}", "CNI_IFNAME": "eth0"}
        environment = {**asked, "CNI_PATH": PLUGINS, "PATH": self._path}
        done = self.site.host.ask(
            f"{PLUGINS}/{plugin['type']}", data=json.dumps({**plugin, **NETWORK, **more}), environment=environment
        )
        assert done.code == 0, done
        return done.output


@contextmanager
def cni_host(variant: Variant, folder: Path) -> Iterator[Cni]:
    """Make a host without a pod, whose plugins write to one variant of iptables."""
    link_iptables(folder / "bin", variant)
    for program in ("iptables", "ip6tables"):
        for verb in ("save", "restore"):
            (folder / "bin" / f"{program}-{verb}").symlink_to(f"/usr/sbin/{program}-{variant}-{verb}")
    with own_host() as host:
        site = Site(host)
        site.build()
        with site.serving("far"):
            yield Cni(site, folder / "bin")


@pytest.fixture(params=["nft", "legacy"])
def variant(request: pytest.FixtureRequest) -> Variant:
    found: Variant = request.param
    return found


@pytest.fixture
def cni(variant: Variant, tmp_path: Path) -> Iterator[Cni]:
    """A host with three pods: two on a bridge, of which the first publishes a port, and one on a cable of its own."""
    with cni_host(variant, tmp_path) as made:
        yield made


def spared(found: Findings) -> list[str]:
    """What the rules that were found spare, as it stands in them."""
    return sorted(rule.partition("! -d ")[2].split()[0] for id_, rule in found if id_ == "CNI001")


def test_the_rules_of_plugins_are_found_corrected_proved_and_taken_away(cni: Cni, variant: Variant) -> None:
    addresses = {
        "one": cni.add("one", BRIDGE, **PUBLISHED),
        "two": cni.add("two", BRIDGE),
        "alone": cni.add("alone", PTP),
    }
    assert [cni.seen(pod) for pod in addresses] == [NODES] * 3
    # They do not know their version themselves.
    version = cni.ask("dpkg-query", "--show", "--showformat=${source:Upstream-Version}", "containernetworking-plugins")[1]
    found = judged(cni.ask, f"cni-{version.partition('+')[0]}-{variant}", *CIDRS)
    assert spared(found) == ["224.0.0.0/4"] * 3 + ["ff00::/8"] * 3

    cni.apply()
    assert cni.found() == []
    assert {pod: cni.seen(pod) for pod in addresses} == addresses
    for family in FAMILIES:
        assert cni.site.seen("one", WORLD[family].outside) == WORLD[family].node
    with cni.site.serving("one"):
        assert cni.site.seen("two", addresses["one"][0]) == addresses["two"][0]
        # A published port is asked from elsewhere, and from the pod itself, which must not see itself as its own client.
        assert cni.site.seen("far", NODES[0], 8080) == "10.4.7.22"
        assert cni.site.seen("one", NODES[0], 8080) == "172.7.77.1"

    # The next pod brings a rule of its own, and those of the others stay as they are.
    addresses["late"] = cni.add("late", BRIDGE)
    assert cni.found() == ["CNI001", "CNI001"]
    assert [cni.seen(pod) for pod in addresses] == [*list(addresses.values())[:3], NODES]
    cni.apply()
    assert {pod: cni.seen(pod) for pod in addresses} == addresses

    # Runtimes take a pod away twice when they are not sure. The others do not notice.
    for _ in range(2):
        cni.delete("one", PORTS, BRIDGE)
    del addresses["one"]
    assert {pod: cni.seen(pod) for pod in addresses} == addresses
    for pod, plugin in (("two", BRIDGE), ("alone", PTP), ("late", BRIDGE)):
        cni.delete(pod, plugin)
    assert "id: " not in cni.rules()
    assert cni.found() == []

    # And a host that natfix has been on takes new ones as any other, with the chains that are there.
    again = cni.add("again", BRIDGE)
    assert cni.found() == ["CNI001", "CNI001"]
    cni.apply()
    assert cni.seen("again") == again
    assert cni.rules().count(":NATFIX-") == len(FAMILIES)
    assert cni.ask("natfix", "undo")[0] == 0
    assert cni.seen("again") == NODES


def test_the_table_of_newer_plugins_is_found_and_the_guard_keeps_the_addresses_from_it(tmp_path: Path) -> None:
    with cni_host("nft", tmp_path) as cni:
        address = cni.add("one", {**BRIDGE, "ipMasq": False})
        cni.site.host.run("nft", "-f", str(NATIVE))
        assert cni.seen("one") == NODES
        # Two pods of two families each.
        assert cni.found() == ["CNI001"] * 4
        listed = json.loads(cni.ask("natfix", "check", str(NATIVE.with_suffix(".json")), *CIDRS, "--format=json")[1])
        assert [each["id"] for table in listed["tables"] for each in table["findings"]] == ["CNI001"] * 4
        assert cni.ask("natfix", "guard", "on", *CIDRS)[0] == 0
        assert cni.seen("one") == address

"""A host of twins that ``natfix collect`` asks, with something of everything that a file can hold."""

import json
from dataclasses import replace
from typing import Any

from natfix.app.collect import Sources, collect
from natfix.app.collected import Collected
from natfix.app.docker_ports import DockerNetwork
from natfix.app.ports import Backend, Process, Route
from natfix.errors import NatfixError
from natfix.host.memory.boot import MemoryBoot
from natfix.host.memory.clock import MemoryClock
from natfix.host.memory.docker import MemoryDocker
from natfix.host.memory.files import MemoryFiles, MemorySavedRulesets
from natfix.host.memory.filtering import MemoryFilters
from natfix.host.memory.ipsets import MemoryIpSets
from natfix.host.memory.kernel_state import MemoryKernelState
from natfix.host.memory.network import MemoryLinks, MemoryProcesses
from natfix.host.memory.nft import MemoryNftListing
from natfix.host.memory.rulesets import MemoryRulesetStore
from natfix.ruleset import Family, Ruleset, parse_network
from tests.unit.app.twins import BROAD, BROAD6, CLUSTER4, CLUSTER6, DOCKER0, ETH0, NFT4, NFT6, RULES4, nat

ASKS_SET = "-s 172.7.21.0/24 -m set --match-set near dst -j ACCEPT"
SETS = "create near hash:net family inet\nadd near 172.7.22.0/24\n"
DOCKERS = "*filter\n:FORWARD ACCEPT [0:0]\n:DOCKER - [0:0]\n-A FORWARD -o docker0 -j DOCKER\nCOMMIT\n"
ROUTES = (Route(parse_network("172.7.22.0/24"), "10.4.7.22", "eth0"), Route(parse_network("fd07:22::/64"), "fd10::22", "eth0"))
NATIVE: dict[str, Any] = {
    "nftables": [
        {"table": {"family": "ip", "name": "mine", "handle": 1}},
        {
            "chain": {
                "family": "ip", "table": "mine", "name": "out", "handle": 1,
                "type": "nat", "hook": "postrouting", "prio": 90, "policy": "accept",
            }
        },
        {"rule": {"family": "ip", "table": "mine", "chain": "out", "handle": 2, "expr": [{"masquerade": None}]}},
    ]
}  # fmt: skip
SETTINGS = {"net.ipv4.ip_forward": "1", "net.ipv4.conf.eth0.rp_filter": "1", "net.ipv4.conf.gone.rp_filter": "0"}
ORDER = {"docker.service": ("netfilter-persistent.service",), "netfilter-persistent.service": ()}
NETWORK = DockerNetwork(
    "back", "br-1", (("172.7.121.0/24", "172.7.121.1"),), {"com.docker.network.driver.mtu": "1400", "password": "x"}, ipv6=True
)


class Refusing(MemoryRulesetStore):
    """A nat table that cannot be read."""

    def __init__(self, backend: Backend, error: NatfixError) -> None:
        super().__init__(backend)
        self.error = error

    def read(self) -> Ruleset:
        raise self.error

    def dump(self) -> bytes:
        raise self.error


def asked(**changes: Any) -> Sources:  # noqa: ANN401  (one argument a field)
    """The host, but for *changes*."""
    stores = (MemoryRulesetStore(NFT4, nat(ASKS_SET, f"[3:180] -A POSTROUTING {BROAD}").replace("-A POSTROUTING [3", "[3")),)
    return replace(
        Sources(
            stores=lambda: (*stores, MemoryRulesetStore(NFT6, nat(BROAD6))),
            clusters=lambda: (CLUSTER4, CLUSTER6),
            filters=MemoryFilters({NFT4: DOCKERS}),
            native=MemoryNftListing(json.dumps(NATIVE).encode()),
            ipsets=MemoryIpSets(SETS),
            links=MemoryLinks((DOCKER0, ETH0), ROUTES),
            kernel=MemoryKernelState(SETTINGS, {"insert_failed": 2}),
            docker=MemoryDocker((NETWORK,)),
            saved=MemorySavedRulesets({Family.IPV4: RULES4}),
            files=MemoryFiles({RULES4: b"*nat\nCOMMIT\n"}),
            boot=MemoryBoot(ORDER),
            processes=MemoryProcesses([Process(7, "dockerd", ("/usr/bin/dockerd",))]),
            clock=MemoryClock(),
        ),
        **changes,
    )


def collected(*, named: bool = True, **changes: Any) -> Collected:  # noqa: ANN401  (as above)
    """What is gathered of it."""
    return collect(asked(**changes), "0.1", named=named)


def written(found: Collected) -> bytes:
    """The bytes of its file."""
    return json.dumps(found.to_json()).encode()

"""Docker's networks inside the cluster: what hides and drops their packets, and the commands that end it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from natfix.app.check import Looked
from natfix.app.daemon import Daemon
from natfix.app.docker_ports import DockerNetwork
from natfix.audit.subject import bridge_of
from natfix.packets import SOURCE_NAT_TARGETS
from natfix.report.advice import NetworkAdvice
from natfix.ruleset import Network, Rule

OPTION: Final = "ip-masq"
_DRIVER: Final = "com.docker.network.bridge"
_MASQUERADE: Final = f"{_DRIVER}.enable_ip_masquerade"
MODE: Final = f"{_DRIVER}.gateway_mode_ipv4"


def network_advice(looked: Sequence[Looked], daemon: Daemon, known: Mapping[str, DockerNetwork]) -> Iterator[NetworkAdvice]:
    """Docker's networks inside the cluster, the default one first."""
    found: dict[str, list[Network]] = {}
    for each in looked:
        for locality in each.subject.localities:
            networks = found.setdefault(locality.bridge, [])
            networks += [network for network in locality.networks if network not in networks]
    for bridge in sorted(found, key=lambda name: (name != daemon.bridge, name)):
        if bridge == daemon.bridge or bridge in known or bridge.startswith(("br-", "docker")):
            yield _network(bridge, tuple(found[bridge]), looked, daemon, known.get(bridge))


def _network(
    bridge: str, subnets: tuple[Network, ...], looked: Sequence[Looked], daemon: Daemon, known: DockerNetwork | None
) -> NetworkAdvice:
    rules = [(each, rule) for each in looked for rule in each.subject.rules if _is_dockers(rule, bridge)]
    dropped = tuple(_dropped(bridge, looked))
    default = bridge == daemon.bridge
    return NetworkAdvice(
        name=known.name if known else "",
        bridge=bridge,
        subnets=subnets,
        hidden=any(finding.rule == rule for each, rule in rules for finding in each.checked.findings),
        dropped=dropped,
        cure=tuple(_switched_off(daemon) if default else _made_again(bridge, known, dropped)),
        once=tuple(f"{each.ruleset.source} -t nat -D {rule.chain} {rule.spec}" for each, rule in rules) if default else (),
        passage=tuple(_passage(bridge, looked, daemon, dropped)) if default else (),
    )


def _switched_off(daemon: Daemon) -> Iterator[str]:
    if not daemon.is_off(OPTION):
        yield f'in {daemon.path}: "{OPTION}": false; then: systemctl restart docker'


def _is_dockers(rule: Rule, bridge: str) -> bool:
    """Whether a rule is the one that Docker writes for *bridge*."""
    return rule.target in SOURCE_NAT_TARGETS and bridge_of(rule) == bridge and rule.destination is None


def _dropped(bridge: str, looked: Iterable[Looked]) -> Iterator[str]:
    tables = set()
    for each in looked:
        for finding in each.checked.findings:
            device = finding.rule.in_interface
            if finding.table != "nat" and device is not None and device.value == bridge:
                tables.add(finding.table)
    yield from sorted(tables)


def _passage(bridge: str, looked: Iterable[Looked], daemon: Daemon, dropped: Sequence[str]) -> Iterator[str]:
    if "raw" in dropped:
        yield f'in {daemon.path}: "allow-direct-routing": true (Docker 28.2 and later); then: systemctl restart docker'
    if "filter" in dropped:
        for each in looked:
            for network in each.subject.cluster:
                yield f"{each.ruleset.source} -I DOCKER-USER -s {network} -o {bridge} -j ACCEPT"


def _made_again(bridge: str, known: DockerNetwork | None, dropped: Sequence[str]) -> Iterator[str]:
    """The commands that make a user-defined network again, without its masquerade."""
    wanted = {_MASQUERADE: "false", **({MODE: "nat-unprotected"} if dropped else {})}
    if known is None:
        ways = " ".join(f"-o {name}={value}" for name, value in wanted.items())
        yield f"docker network inspect {bridge.removeprefix('br-')}"
        yield f"docker network rm NAME; docker network create {ways} … NAME"
        return
    words = ["docker", "network", "create", "--driver", "bridge"]
    for subnet, gateway in known.subnets:
        words += ["--subnet", subnet, *(["--gateway", gateway] if gateway else [])]
    words += ["--ipv6"] * known.ipv6 + ["--internal"] * known.internal
    for name, value in {**known.options, **wanted}.items():
        words += ["-o", f"{name}={value}"]
    yield shlex.join(["docker", "network", "rm", known.name])
    yield shlex.join([*words, known.name])

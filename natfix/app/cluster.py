"""Where the cluster's networks come from: who says so, and how sure that is.

Asked in this order, each family by itself; the first who knows is believed::

    --cluster-cidr ─► /etc/natfix/natfix.toml ─► flannel's subnet.env ─► kube-proxy, controller, kubelet ─► routes to peers
    somebody's word                              what the cluster runs with                                  a guess
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

from natfix.app.cidrs import parse_cidrs
from natfix.app.config import read_config
from natfix.app.ports import Files, Links, Process, Processes
from natfix.app.sources.component_config import top_level_text
from natfix.app.sources.flags import flag
from natfix.errors import HostError
from natfix.routing.cidrs import merge, read_cidrs
from natfix.routing.subnet_env import DEFAULT_PATH, NETWORK_KEYS, SubnetEnv
from natfix.ruleset import Family, Network, family_of

__all__ = ["SUBNET_AGENTS", "Cluster", "find_cluster", "parse_cidrs", "remembered_cluster", "told_cluster"]

OPTION: Final = "--cluster-cidr"
# What leases a subnet and writes it down: flannel's agent, and natfix node run under natfix's own name.
SUBNET_AGENTS: Final = ("flanneld", "natfix")
_SUBNET_FILE: Final = b"FLANNELD_SUBNET_FILE"
_PROXY_PATHS: Final = ("/var/lib/kube-proxy/config.conf", "/etc/kubernetes/kube-proxy.yaml")
_KUBELET_PATHS: Final = ("/var/lib/kubelet/config.yaml", "/etc/kubernetes/kubelet.yaml")


@dataclass(frozen=True, slots=True)
class Cluster:
    """The networks that hold the containers of all hosts, in one family.

    Attributes:
        networks: at least one; sorted, none inside another.
        origin: who says so, for people: ``FLANNEL_NETWORK in /run/flannel/subnet.env``.
        guessed: whether nobody says so and natfix concludes it; a guess must be confirmed before it is applied.
        local: what the same source says about this host's own subnet; usually empty.
    """

    networks: tuple[Network, ...]
    origin: str
    guessed: bool = False
    local: tuple[Network, ...] = ()

    @property
    def family(self) -> Family:
        """The family of all of its networks."""
        return family_of(self.networks[0])


def find_cluster(
    given: Sequence[str],
    *,
    files: Files,
    processes: Processes,
    links: Links,
    families: Iterable[Family] = tuple(Family),
) -> tuple[Cluster, ...]:
    """Find the cluster's networks of each family, from the first source that knows them.

    Args:
        given: the values of ``--cluster-cidr``.
        files: the host's; read no further than needed.
        processes: what runs on it.
        links: its bridges and routes, asked last.
        families: those somebody wants to know about.

    Returns:
        At most one for each family, IPv4 first; empty when nothing is known.

    Raises:
        UsageError: an option makes no sense.
        ConfigError: natfix.toml says something impossible.
    """
    wanted = set(families)
    found: dict[Family, Cluster] = {}
    for cluster in _answers(given, files, processes, links):
        if cluster.family in wanted:
            found.setdefault(cluster.family, cluster)
        if len(found) == len(wanted):
            break
    return tuple(found[family] for family in sorted(found))


def told_cluster(given: Sequence[str], files: Files) -> tuple[Cluster, ...]:
    """The cluster's networks as the user told them, for texts of which nobody knows whether they are this host's.

    Raises:
        UsageError: an option makes no sense.
        ConfigError: natfix.toml says something impossible.
    """
    config = read_config(files)
    found: dict[Family, Cluster] = {}
    for cluster in (*_by_family(parse_cidrs(given, OPTION), OPTION), *_by_family(config.cluster_cidrs, config.source)):
        found.setdefault(cluster.family, cluster)
    return tuple(found[family] for family in sorted(found))


def remembered_cluster(
    given: Sequence[str], known: Iterable[Cluster], families: Iterable[Family] = tuple(Family)
) -> tuple[Cluster, ...]:
    """The cluster's networks of a host that was asked before: what the user says now, else what it said then.

    Raises:
        UsageError: an option makes no sense.
    """
    found: dict[Family, Cluster] = {}
    for cluster in (*_by_family(parse_cidrs(given, OPTION), OPTION), *known):
        found.setdefault(cluster.family, cluster)
    return tuple(found[family] for family in sorted(found) if family in set(families))


def _answers(given: Sequence[str], files: Files, processes: Processes, links: Links) -> Iterator[Cluster]:
    """What each source says, in their order; a source is asked when the answers before it did not do."""
    yield from _by_family(parse_cidrs(given, OPTION), OPTION)
    config = read_config(files)
    yield from _by_family(config.cluster_cidrs, config.source)
    daemons = processes.running(*SUBNET_AGENTS, "kube-proxy", "kube-controller-manager", "kubelet")
    yield from _from_flannel(files, daemons)
    yield from _from_kubernetes(files, daemons)
    yield from _from_routes(links)


def _by_family(
    networks: Iterable[Network], origin: str, local: Iterable[Network] = (), *, guessed: bool = False
) -> Iterator[Cluster]:
    every, own = tuple(networks), tuple(local)
    for family in Family:
        if mine := tuple(one for one in every if one.version == family):
            yield Cluster(mine, origin, guessed, tuple(one for one in own if one.version == family))


def _from_flannel(files: Files, daemons: Iterable[Process]) -> Iterator[Cluster]:
    found = dict(subnet_envs(files, daemons))
    for family in Family:
        places = [place for place, env in found.items() if env.networks(family)]
        networks = merge(one for place in places for one in found[place].networks(family))
        origin = f"{NETWORK_KEYS[family]} in {' and '.join(places)}"
        yield from _by_family(networks, origin, (one for place in places for one in found[place].subnets(family)))


def subnet_envs(files: Files, daemons: Iterable[Process]) -> Iterator[tuple[str, SubnetEnv]]:
    """The files of the agents that run, several of them with several networks; else the one at its usual place.

    An agent that writes elsewhere has left the file at the usual place to an older one, so that one does not count then.
    """
    nowhere = True
    for process in daemons:
        path = _subnet_file(process, files)
        data = _read_as(process, files, path) if path else None
        if data is not None:
            nowhere = False
            yield (path if path == DEFAULT_PATH else f"{path} of {_name(process)}"), SubnetEnv.parse(data)
    data = _read(files, DEFAULT_PATH) if nowhere else None
    if data is not None:
        yield DEFAULT_PATH, SubnetEnv.parse(data)


def _subnet_file(process: Process, files: Files) -> str:
    """Where an agent was told to write its subnet; empty when it was not told, or it is no agent."""
    if process.program not in SUBNET_AGENTS:
        return ""
    told = flag(process.arguments, "subnet-file")
    if told:
        return told
    variables = (_read(files, f"/proc/{process.pid}/environ") or b"").split(b"\0")
    values = (one.partition(b"=")[2] for one in variables if one.startswith(_SUBNET_FILE + b"="))
    return next(values, b"").decode("utf-8", "surrogateescape")


def _from_kubernetes(files: Files, daemons: Sequence[Process]) -> Iterator[Cluster]:
    # kube-proxy ignores its flags when it has a configuration file; for kubelet a flag outweighs the file.
    kubelet = chain(
        _flags(daemons, "kubelet", "pod-cidr"),
        _running_configs(files, daemons, "kubelet", "podCIDR"),
        _configs(files, _KUBELET_PATHS, "podCIDR"),
    )
    cluster = chain(
        _running_configs(files, daemons, "kube-proxy", "clusterCIDR"),
        _flags(daemons, "kube-proxy", "cluster-cidr"),
        _configs(files, _PROXY_PATHS, "clusterCIDR"),
        _flags(daemons, "kube-controller-manager", "cluster-cidr"),
    )
    local = next((found for text, _ in kubelet if (found := read_cidrs(text))), ())
    for text, origin in cluster:
        yield from _by_family(read_cidrs(text), origin, local)


def _flags(daemons: Iterable[Process], program: str, option: str) -> Iterator[tuple[str, str]]:
    """What the command lines of *program* set *option* to, each with its origin."""
    for process in daemons:
        if process.program == program:
            yield flag(process.arguments, option), f"--{option} of {_name(process)}"


def _running_configs(files: Files, daemons: Iterable[Process], program: str, key: str) -> Iterator[tuple[str, str]]:
    """What the configuration files named on the command lines of *program* say for *key*, each with its origin."""
    for process in daemons:
        path = flag(process.arguments, "config") if process.program == program else ""
        if path:
            data = _read_as(process, files, path)
            yield top_level_text(data or b"", key), f"{key} in {path} of {_name(process)}"


def _configs(files: Files, paths: Iterable[str], key: str) -> Iterator[tuple[str, str]]:
    """What configuration files at their usual places say for *key*, each with its origin."""
    for path in paths:
        yield top_level_text(_read(files, path) or b"", key), f"{key} in {path}"


def _from_routes(links: Links) -> Iterator[Cluster]:
    from natfix.app.sources.peers import describe_peers, guess_clusters  # noqa: PLC0415  (most hosts are told)

    guesses = guess_clusters(links.interfaces(), links.routes())
    for family in Family:
        mine = [guess for guess in guesses if guess.network.version == family]
        networks, local = merge(guess.network for guess in mine), merge(guess.local for guess in mine)
        yield from _by_family(networks, describe_peers(mine), local, guessed=True)


def _name(process: Process) -> str:
    return f"{process.program} (pid {process.pid})"


def _read_as(process: Process, files: Files, path: str) -> bytes | None:
    """Read the file a process means by *path*: from its own folder, and from its own root when it runs in a container."""
    if not path.startswith("/"):
        return _read(files, f"/proc/{process.pid}/cwd/{path.removeprefix('./')}")
    data = _read(files, f"/proc/{process.pid}/root{path}")
    return _read(files, path) if data is None else data


def _read(files: Files, path: str) -> bytes | None:
    """Read a file of another program; one that cannot be read (Docker makes folders of missing ones) says nothing."""
    try:
        return files.read(path)
    except HostError:
        return None

"""When the better cure is Docker's own: what to switch, on this host, with which words, and what that does not cover.

Docker's switch for docker0 is "ip-masq" in its daemon.json. It ends the masquerade for every destination, so that somebody
else has to masquerade what leaves the cluster: flannel with --ip-masq, which excludes the cluster (FLANNEL_IPMASQ tells).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from natfix.app.check import look_at_host
from natfix.app.cluster import SUBNET_AGENTS, subnet_envs
from natfix.app.daemon import Daemon, read_daemon
from natfix.app.docker_networks import MODE, OPTION, network_advice
from natfix.app.docker_ports import Docker, DockerNetwork
from natfix.app.machine import Machine
from natfix.app.planning import Wishes
from natfix.app.ports import Filters, Processes
from natfix.app.record import FileChange, Journey, new_id
from natfix.audit import faults
from natfix.errors import HostError, NatfixError, UsageError
from natfix.plan import text_diff
from natfix.plan.daemon_json import set_option
from natfix.report.advice import Advice, NetworkAdvice, Verdict

_USER_DEFINED: Final = (
    "user-defined networks: ip-masq is about the default network alone; each other has a switch of its own, given when it is"
    " made, so that it has to be made again"
)
_LEFT_BEHIND: Final = "a rule that is there already: Docker leaves it (moby#36486); it has to be deleted once, as shown"
_OUTSIDE: Final = "access to the outside: somebody else has to masquerade what leaves the cluster, as flanneld --ip-masq does"
_RESTART: Final = "the restart of Docker that it needs; natfix does not do it"
_LIVE: Final = 'running containers: with "live-restore" Docker keeps the old setting of its default network as long as one runs'
_ROUTED: Final = (
    "gateway mode routed (Docker 27 and later) as another way for user-defined networks: no masquerade, and published ports"
    f" alone are reached: -o {MODE}=routed"
)


@dataclass(frozen=True, slots=True)
class DockerHost:
    """A host as the advice sees it."""

    machine: Machine
    docker: Docker
    processes: Processes
    filters: Filters


@dataclass(frozen=True, slots=True)
class Planned:
    """The advice, and the edit it speaks of.

    Attributes:
        advice: what to say.
        before: the configuration file.
        after: the file with the switch; None when there is nothing to edit.
    """

    advice: Advice
    before: bytes | None
    after: bytes | None


def advise(host: DockerHost, wishes: Wishes) -> Advice:
    """Say what Docker's own switches could do here; change nothing.

    Raises:
        ConfigError: Docker's configuration file is broken; the message points at the place.
        NatfixError: the host cannot be read.
    """
    return plan_advice(host, wishes).advice


def write_switch(host: DockerHost, wishes: Wishes, *, insist: bool = False) -> Advice:
    """Write Docker's switch into its configuration file, recorded first, so that ``natfix undo`` takes it out again.

    Args:
        host: the host.
        wishes: the clusters and audit rules.
        insist: write although natfix knows of nobody who masquerades what leaves the cluster, or the cluster is a guess.

    Raises:
        UsageError: Docker would not start with it, or containers would lose the outside.
        HostError: dockerd refuses the text, or the file cannot be written.
        BusyError: another natfix is at work.
    """
    machine = host.machine
    with machine.turnstile.hold():
        planned = plan_advice(host, wishes)
        advice = planned.advice
        if planned.after is None:
            return advice
        _refuse(advice, insist=insist)
        unchecked = () if host.docker.validate(planned.after) else ("dockerd is not there, or too old, to check the new file",)
        now = machine.clock.now()
        change = FileChange(advice.path, None, planned.before, planned.after)
        journey = Journey(new_id(machine.history, now), "advise", now, files=(change,))
        machine.history.save(journey.record())
        try:
            machine.files.replace(advice.path, planned.after, mode=0o644)
        except NatfixError:
            machine.history.save(journey.in_state("rolled back").record())
            raise
        machine.history.save(journey.in_state("done").record())
    return replace(advice, done=True, id=journey.id, notes=(*advice.notes, *unchecked))


def plan_advice(host: DockerHost, wishes: Wishes) -> Planned:
    """Look at the host and put the advice together."""
    machine = host.machine
    looked = look_at_host(machine.stores, wishes.clusters, machine.links, faults(wishes.catalogue), filters=host.filters)
    daemon = read_daemon(machine.files, host.processes)
    known, notes = _known(host.docker)
    networks = tuple(network_advice(looked, daemon, known))
    verdict, why = _verdict(daemon, networks, _masquerader(host))
    edits = verdict in {"docker", "natfix"} and any(network.bridge == daemon.bridge for network in networks)
    after = set_option(daemon.data, OPTION, False, daemon.path) if edits else None  # noqa: FBT003  (the option's value)
    clusters = tuple(dict.fromkeys(each.checked.cluster for each in looked if each.checked.cluster))
    guessed = any(cluster.guessed for cluster in clusters)
    advice = Advice(
        verdict=verdict,
        why=why,
        path=daemon.path,
        diff=text_diff(daemon.data, after, daemon.path) if after is not None else (),
        obstacle=_obstacle(daemon, verdict, guessed=guessed) if edits else "",
        networks=networks,
        limits=tuple(_limits(daemon, networks, known)) if edits else (),
        clusters=clusters,
        notes=notes,
    )
    return Planned(advice, daemon.data, after)


def _known(docker: Docker) -> tuple[Mapping[str, DockerNetwork], tuple[str, ...]]:
    """Docker's networks by their devices, and why they are not known."""
    try:
        return {network.bridge: network for network in docker.networks()}, ()
    except HostError as error:
        return {}, (f"{error.message}; its networks are taken from bridges and rules, without their names",)


def _masquerader(host: DockerHost) -> str:
    """Who masquerades what leaves the cluster, when it is not Docker; empty when nobody is known to."""
    daemons = host.processes.running(*SUBNET_AGENTS)
    for place, env in subnet_envs(host.machine.files, daemons):
        if env.settings.get("FLANNEL_IPMASQ") == "true":
            return f"flannel masquerades what leaves the cluster (FLANNEL_IPMASQ=true in {place})"
    return ""


def _verdict(daemon: Daemon, networks: Sequence[NetworkAdvice], masquerader: str) -> tuple[Verdict, str]:
    if daemon.is_off("iptables"):
        return "nothing", "Docker writes no rules on this host (iptables is false)"
    if not networks:
        return "nothing", "no network of Docker here lies in the cluster"
    if all(network.bridge != daemon.bridge for network in networks):
        return (
            "natfix",
            f"the default network, {daemon.bridge}, is not in the cluster, and other networks have to be made again",
        )
    if daemon.is_off(OPTION):
        return "set", f"{OPTION} is false for {daemon.bridge}"
    if masquerader:
        return "docker", masquerader
    return "natfix", "nobody but Docker is known to masquerade what leaves the cluster: flanneld --ip-masq would"


def _obstacle(daemon: Daemon, verdict: Verdict, *, guessed: bool) -> str:
    word = daemon.given(OPTION)
    if word:
        return f"dockerd was started with {word}, and starts no more when {daemon.path} says it too"
    if verdict == "natfix":
        return "containers would lose access to the outside"
    return "the cluster is only guessed" if guessed else ""


def _refuse(advice: Advice, *, insist: bool) -> None:
    if advice.obstacle.startswith("dockerd "):
        hint = "Change the flag where it is set: systemctl cat docker.service; flannel's mk-docker-opts.sh writes it too."
        raise UsageError(advice.obstacle, hint=hint)
    if advice.obstacle and not insist:
        raise UsageError(
            f"{advice.path} is left as it is: {advice.obstacle}",
            hint="If you know better, insist: natfix advise --write --insist",
        )


def _limits(daemon: Daemon, networks: Iterable[NetworkAdvice], known: Mapping[str, DockerNetwork]) -> Iterator[str]:
    yield _USER_DEFINED
    yield _LEFT_BEHIND
    yield _OUTSIDE
    yield _RESTART
    if daemon.options.get("live-restore") is True or daemon.given("live-restore"):
        yield _LIVE
    if any(network.bridge != daemon.bridge for network in networks) and known:
        yield _ROUTED

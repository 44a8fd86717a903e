"""Builds the node agent: its ports, its threads, its signals."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from natfix.cli import node_wiring, wiring

if TYPE_CHECKING:
    from natfix.app.metrics import Meter
    from natfix.app.node.clearing import Place
    from natfix.app.node.health import Health
    from natfix.app.node.interface import InterfaceWish
    from natfix.app.node.news import Inbox
    from natfix.app.node.orders import Orders, Site
    from natfix.app.node.rule_keeping import RuleKeeper, RuleWish
    from natfix.app.node.survey import Survey
    from natfix.app.node.tenancy import Errand
    from natfix.app.node.verify import Prober
    from natfix.app.node.voice import Voice
    from natfix.cli.store_options import StoreOrders
    from natfix.host.metrics.meter import PrometheusMeter
    from natfix.report.changes import ChangeResult
    from natfix.routing.network import NetworkConfig
    from natfix.routing.state import Network
    from natfix.routing.subnet import Subnet


@dataclass(frozen=True)
class AgentOrders:
    """What the command line says of the agent.

    Attributes:
        node: device, files, times.
        store: where leases live.
        rules: which rules are wanted.
        resync: seconds from one look at rules to the next.
        health: where health is told, ``(address, port)``; None for nowhere.
        docker: whether Docker is given its subnet, and its rule corrected.
        docker_restart: the command that restarts it.
        metrics_textfile: where numbers are written for node_exporter; empty for nowhere.
    """

    node: Orders
    store: StoreOrders
    rules: RuleWish
    resync: float
    health: tuple[str, int] | None
    docker: bool
    docker_restart: tuple[str, ...]
    metrics_textfile: str = ""


def run_agent(orders: AgentOrders) -> None:
    """Run the agent until a signal ends it.

    Raises:
        ConflictError: another host has this one's subnet.
        UsageError: the user asked for what cannot be.
        HostError: the host lacks what the agent needs.
    """
    from natfix.app.node.agent import Agent  # noqa: PLC0415
    from natfix.app.node.follow import PlaneFollower, StoreFollower  # noqa: PLC0415
    from natfix.app.node.health import Health  # noqa: PLC0415
    from natfix.app.node.metrics import STORE_CONTACT  # noqa: PLC0415
    from natfix.app.node.opening import open_node  # noqa: PLC0415
    from natfix.host.metrics.meter import NoMeter  # noqa: PLC0415
    from natfix.host.processes import rename_this  # noqa: PLC0415

    # natfix check finds the cluster by the agent's subnet.env, also when it was started as python -m natfix.
    rename_this("natfix")
    inbox, meter = _inbox(), _meter(orders)
    holder: list[Callable[[], Health]] = [lambda: Health(missing="no lease yet")]

    def look() -> Health:
        return holder[-1]()

    with _signals(inbox), _told(orders, look, meter):
        site = _site(orders, inbox, meter or NoMeter())
        seed = _seed()
        opened = open_node(site, orders.node, seed)
        if opened is None:
            site.voice.stopped("told to end")
            return
        plane = PlaneFollower(site.plane, inbox.put, _fraction)
        agent = Agent(site, orders.node, opened, seed)
        holder.append(agent.health)
        store = StoreFollower(
            node_wiring.lease_store(orders.store), inbox.put, _fraction, lambda: site.voice.meter.stamp(STORE_CONTACT)
        )
        _start(plane.run, store.run, _broken(inbox))
        try:
            agent.run()
        finally:
            store.close()
            plane.close()


def surveyed(store: StoreOrders, wish: InterfaceWish) -> Survey:
    """What this host should have by what the store says.

    Raises:
        HostError: this host has no lease, or store or kernel do not answer.
    """
    from natfix.app.node.survey import survey  # noqa: PLC0415

    return survey(node_wiring.lease_store(store), wiring.data_plane(), wish)


def rehearsed(store: StoreOrders, orders: Orders) -> ChangeResult:
    """What the agent would do at its start.

    Raises:
        NatfixError: as natfix.app.node.rehearsal.rehearse.
    """
    import random  # noqa: PLC0415

    from natfix.app.node.rehearsal import Ground, rehearse  # noqa: PLC0415
    from natfix.host.files import HostFiles  # noqa: PLC0415

    ground = Ground(node_wiring.lease_store(store), wiring.data_plane(), HostFiles(), random.randrange)
    return rehearse(ground, orders, _seed())


def cleared(store: StoreOrders) -> Place:
    """What the agent may have made something of."""
    from natfix.app.node.clearing import Place  # noqa: PLC0415
    from natfix.errors import HostError  # noqa: PLC0415
    from natfix.host.hook_tables import usual_tables  # noqa: PLC0415
    from natfix.ruleset import Family  # noqa: PLC0415

    tables = []
    for family in Family:
        # Where iptables is not installed the agent has no chains.
        with suppress(HostError):
            tables.append(usual_tables(family))
    return Place(node_wiring.lease_store(store), wiring.data_plane(), tables)


def prober() -> Prober:
    """What tries peers."""
    from natfix.host.probe import HostProber  # noqa: PLC0415

    return HostProber()


def _broken(inbox: Inbox) -> Callable[[Exception], None]:
    from natfix.app.node.news import Broken  # noqa: PLC0415

    return lambda defect: inbox.put(Broken(defect))


def _start(plane: Callable[[], None], store: Callable[[], None], broken: Callable[[Exception], None]) -> None:
    import gc  # noqa: PLC0415

    from natfix.host.worker import start  # noqa: PLC0415

    start("kernel", plane, broken)
    start("leases", store, broken)
    # What was made so far lives as long as the process; only what comes now can be garbage.
    gc.collect()
    gc.freeze()
    gc.enable()


def _inbox() -> Inbox:
    from natfix.app.node.news import Inbox  # noqa: PLC0415

    return Inbox()


@contextmanager
def _signals(inbox: Inbox) -> Iterator[None]:
    """End at SIGTERM and SIGINT, and at SIGQUIT, which flannel's section for supervisor sends."""
    import signal  # noqa: PLC0415

    from natfix.app.node.news import Stop  # noqa: PLC0415

    old = {
        number: signal.signal(number, lambda *_: inbox.put(Stop()))
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
    }
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


@contextmanager
def _told(orders: AgentOrders, look: Callable[[], Health], meter: PrometheusMeter | None) -> Iterator[None]:
    if orders.health is None:
        yield
        return
    from natfix.host.health import HealthServer  # noqa: PLC0415

    server = HealthServer(*orders.health, look, meter)
    try:
        yield
    finally:
        server.close()


def _meter(orders: AgentOrders) -> PrometheusMeter | None:
    """The numbers, if anybody can read them; health is told also where prometheus-client is not installed."""
    if not (orders.health or orders.metrics_textfile):
        return None
    from natfix.app.node.metrics import NODE_METRICS, READY, STORE_UP  # noqa: PLC0415
    from natfix.errors import HostError  # noqa: PLC0415
    from natfix.host.metrics.meter import PrometheusMeter  # noqa: PLC0415

    try:
        meter = PrometheusMeter(NODE_METRICS, "node", orders.metrics_textfile)
    except HostError:
        if orders.metrics_textfile:
            raise
        return None
    # While it waits for its store or its lease: so it is, and whoever asks shall hear it.
    meter.put(READY, 0)
    meter.put(STORE_UP, 0)
    return meter


def _site(orders: AgentOrders, inbox: Inbox, meter: Meter) -> Site:
    import os  # noqa: PLC0415
    import random  # noqa: PLC0415
    import time  # noqa: PLC0415

    from natfix.app.node.orders import Site  # noqa: PLC0415
    from natfix.app.node.voice import Voice  # noqa: PLC0415
    from natfix.host.files import HostFiles  # noqa: PLC0415
    from natfix.host.watch.chronicle import open_chronicle  # noqa: PLC0415
    from natfix.host.watch.notifier import open_notifier  # noqa: PLC0415
    from natfix.host.worker import Worker  # noqa: PLC0415

    os.makedirs(os.path.dirname(orders.node.subnet_file) or ".", 0o755, exist_ok=True)  # noqa: PTH103, PTH120
    voice = Voice(open_chronicle(), open_notifier(), meter)
    aside = Worker("connections", _broken(inbox))
    return Site(
        store=node_wiring.lease_store(orders.store),
        plane=wiring.data_plane(),
        inbox=inbox,
        files=HostFiles(),
        voice=voice,
        clock=time.monotonic,
        chance=random.randrange,
        send=_sender(inbox),
        forget=lambda networks: aside.submit(lambda: _forget(voice, networks)) if networks else None,
        settle=lambda config, subnet: _settle(orders, voice, (config, subnet), _broken(inbox)),
    )


def _fraction() -> float:
    import random  # noqa: PLC0415

    return random.random()  # noqa: S311  (no secret: hosts shall not be in step)


def _seed() -> bytes:
    """What no other host has: its machine-id, else its name."""
    import socket  # noqa: PLC0415

    from natfix.host.files import HostFiles  # noqa: PLC0415

    return HostFiles().read("/etc/machine-id") or socket.gethostname().encode()


def _sender(inbox: Inbox) -> Callable[[Errand], None]:
    from natfix.app.node.news import Written  # noqa: PLC0415
    from natfix.errors import NatfixError  # noqa: PLC0415
    from natfix.host.worker import Worker  # noqa: PLC0415

    worker = Worker("lease", _broken(inbox))

    def run(errand: Errand) -> None:
        try:
            inbox.put(Written(errand()))
        except NatfixError as error:
            inbox.put(Written(error))

    return lambda errand: worker.submit(lambda: run(errand))


def _forget(voice: Voice, networks: Collection[Network]) -> None:
    """Drop the connections whose source was rewritten for a way that packets no longer take."""
    from natfix.app.change_ports import Rewritten  # noqa: PLC0415
    from natfix.errors import NatfixError  # noqa: PLC0415
    from natfix.host.conntrack import ConntrackTable  # noqa: PLC0415
    from natfix.ruleset import Family, parse_network  # noqa: PLC0415

    whole = {Family.IPV4: parse_network("0.0.0.0/0"), Family.IPV6: parse_network("::/0")}
    wanted = []
    for family, everybody in whole.items():
        moved = tuple(network for network in networks if network.version == family)
        if moved:
            wanted.append(Rewritten(everybody, moved))
    try:
        ConntrackTable().forget(wanted)
    except NatfixError as error:
        voice.remark("tracked connections to peers that are reached in another way now could not be dropped", error)


def _settle(
    orders: AgentOrders, voice: Voice, place: tuple[NetworkConfig, Subnet], broken: Callable[[Exception], None]
) -> None:
    """Keep rules and Docker right from now on, in a thread."""
    import time  # noqa: PLC0415

    from natfix.app.node.upkeep import Upkeep  # noqa: PLC0415
    from natfix.host.worker import start  # noqa: PLC0415

    config, subnet = place

    def run() -> None:
        upkeep = Upkeep(lambda: _keepers(orders, voice, config, subnet), lambda: _docker(orders, config), voice)
        while True:
            upkeep.turn()
            time.sleep(orders.resync)

    if orders.docker or orders.rules.masquerade or orders.rules.forward:
        start("rules", run, broken)


def _keepers(orders: AgentOrders, voice: Voice, config: NetworkConfig, subnet: Subnet) -> Sequence[RuleKeeper]:
    from natfix.app.node.rule_keeping import RuleKeeper, wanted_chains  # noqa: PLC0415
    from natfix.host.hook_tables import usual_tables  # noqa: PLC0415
    from natfix.ruleset import Family  # noqa: PLC0415

    found = []
    for network in config.networks:
        family = Family(network.version)
        tables = usual_tables(family)
        chains = wanted_chains(config, subnet, orders.rules, fully_random=tables.fully_random)[family]
        found.append(RuleKeeper(tables, chains, voice.ruled))
    return found


def _docker(orders: AgentOrders, config: NetworkConfig) -> str:
    """Give Docker its subnet and correct its rule; say what was done."""
    if not orders.docker:
        return ""
    import os  # noqa: PLC0415

    from natfix.app.apply import apply_change  # noqa: PLC0415
    from natfix.app.node.docker_setup import VERB, settle_docker  # noqa: PLC0415
    from natfix.host.files import HostFiles  # noqa: PLC0415
    from natfix.routing.docker_options import DockerOptions  # noqa: PLC0415
    from natfix.routing.subnet_env import SubnetEnv  # noqa: PLC0415

    os.makedirs("/etc/docker", 0o755, exist_ok=True)  # noqa: PTH103
    env = SubnetEnv.parse(HostFiles().read(orders.node.subnet_file) or b"")
    options = DockerOptions.of(env, ip_masq=orders.rules.masquerade).daemon_json()
    change = settle_docker(wiring.docker_host(5), options, lambda: _restart(orders.docker_restart))
    cidrs = [",".join(map(str, config.networks))]
    result = apply_change(wiring.machine(5), wiring.wishes(cidrs, ()), VERB)
    said = [f"{change.path} was written (natfix undo {change.id})"] if change.id else []
    said += ["Docker was restarted"] if change.restarted else []
    said += [f"its rule was corrected (natfix undo {result.id})"] if result.done else []
    return "; ".join(said)


def _restart(command: Sequence[str]) -> None:
    from natfix.errors import HostError  # noqa: PLC0415
    from natfix.host.programs import run  # noqa: PLC0415

    done = run(*command, seconds=180)
    if done.code != 0:
        raise HostError(
            f"Docker could not be restarted: {done} ended with exit code {done.code}: {done.complaint}",
            hint="Name the command that restarts it here: --docker-restart 'supervisorctl restart dockerd'",
        )

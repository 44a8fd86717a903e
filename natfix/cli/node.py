"""``natfix node``: the agent of a host, and a look at its peers."""

from __future__ import annotations

from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Annotated, Any

import typer

from natfix.cli import options
from natfix.cli.output import Format
from natfix.cli.store_options import StoreOrders, takes_store
from natfix.errors import UsageError

if TYPE_CHECKING:
    from natfix.app.node.interface import InterfaceWish


class Action(StrEnum):
    """What to do."""

    RUN = "run"
    VERIFY = "verify"
    CLEAR = "clear"


def _option(name: str, text: str, metavar: str | None = None, **more: Any) -> Any:  # noqa: ANN401  (as typer.Option)
    variable = f"FLANNELD_{name.partition('/')[0].strip('-').replace('-', '_').upper()}"
    return typer.Option(name, metavar=metavar, envvar=variable, help=text, show_envvar=False, **more)


def _own_option(name: str, text: str, metavar: str | None = None, **more: Any) -> Any:  # noqa: ANN401  (as typer.Option)
    return typer.Option(name, metavar=metavar, help=text, **more)


@takes_store
def node(
    action: Annotated[Action, typer.Argument(help="Be this host's agent, try its peers, or take away what the agent made.")],
    public_ip: Annotated[str | None, _option("--public-ip", "Where peers reach this host.", "ADDRESS")] = None,
    public_ipv6: Annotated[str | None, _option("--public-ipv6", "The same for IPv6.", "ADDRESS")] = None,
    iface: Annotated[
        list[str] | None, _option("--iface", "The device that peers are reached through, by name or address; may be repeated.")
    ] = None,
    iface_regex: Annotated[
        list[str] | None, _option("--iface-regex", "It by a pattern for addresses, then names; may be repeated.", "REGEX")
    ] = None,
    iface_can_reach: Annotated[str | None, _option("--iface-can-reach", "It by what leads there.", "ADDRESS")] = None,
    subnet_file: Annotated[
        str, _option("--subnet-file", "Where this host's subnet is written.", "PATH")
    ] = "/run/flannel/subnet.env",
    subnet_lease_renew_margin: Annotated[
        int, _option("--subnet-lease-renew-margin", "Minutes before the lease's end in which it is renewed.", min=1, max=1439)
    ] = 60,
    ip_masq: Annotated[bool, _option("--ip-masq", "Masquerade what leaves the cluster, and nothing inside it.")] = False,
    ip_masq_fully_random_disable: Annotated[
        bool, _option("--ip-masq-fully-random-disable", "Do not choose its ports at random.")
    ] = False,
    iptables_forward_rules: Annotated[
        bool, _option("--iptables-forward-rules/--no-iptables-forward-rules", "Let the containers' packets be forwarded.")
    ] = True,
    iptables_resync: Annotated[
        float, _option("--iptables-resync", "Seconds from one look at these rules to the next.", min=1)
    ] = 5,
    healthz_ip: Annotated[str, _option("--healthz-ip", "Where health is told.", "ADDRESS")] = "0.0.0.0",  # noqa: S104
    healthz_port: Annotated[int, _option("--healthz-port", "The port of that; 0 for none.", "PORT", min=0, max=65535)] = 0,
    grace: Annotated[
        float, _own_option("--grace", "Seconds before what no lease wants any more is removed.", "SECONDS", min=0)
    ] = 60,
    docker: Annotated[bool, _own_option("--docker", "Give Docker this host's subnet, and correct its rule.")] = False,
    docker_restart: Annotated[
        str, _own_option("--docker-restart", "How Docker is restarted.", "COMMAND")
    ] = "systemctl restart docker.service",
    metrics_textfile: Annotated[
        str, _own_option("--metrics-textfile", "Write metrics for node_exporter's textfile collector to this file.", "PATH")
    ] = "",
    count: Annotated[int, _own_option("--count", "verify: pings for each peer.", min=1, max=100)] = 3,
    output: options.OutputFormat = Format.TEXT,
    dry_run: Annotated[
        bool, _own_option("--dry-run", "Only show what run would do first, or what clear would take away.")
    ] = False,
    *,
    store: StoreOrders,
) -> None:
    """Lease a subnet for this host's containers and keep the routes to those of all others, beside flannel's nodes or alone.

    run: exit code 0: it was told to end; 2: it could not start; 3: another host has this one's subnet. verify: 0: every peer
    answers, and sees this host's containers as who they are; 1: not so. clear: 0: done, or nothing to do; 2: not possible.
    """
    wish = wish_of(iface, iface_regex, iface_can_reach, (public_ip, public_ipv6))
    if action is Action.VERIFY:
        from natfix.cli.verify import verify  # noqa: PLC0415

        verify(store, wish, healthz_port, count, output)
        return
    if action is Action.CLEAR:
        from natfix.cli.verify import clear  # noqa: PLC0415

        clear(store, wish, output, dry_run=dry_run)
        return
    import shlex  # noqa: PLC0415

    from natfix.app.node.orders import Orders  # noqa: PLC0415
    from natfix.app.node.rule_keeping import RuleWish  # noqa: PLC0415
    from natfix.cli.agent_wiring import AgentOrders, rehearsed, run_agent  # noqa: PLC0415

    watched = not (store.lease_file or store.kube_subnet_mgr)
    orders = Orders(wish, subnet_file, subnet_lease_renew_margin * 60.0, grace, ip_masq, watched)
    rules = RuleWish(ip_masq, iptables_forward_rules, not ip_masq_fully_random_disable)
    health = (healthz_ip, healthz_port) if healthz_port else None
    if dry_run:
        from natfix.cli.verify import tell  # noqa: PLC0415

        tell(rehearsed(store, orders), output)
        return
    restart = tuple(shlex.split(docker_restart))
    run_agent(AgentOrders(orders, store, rules, iptables_resync, health, docker, restart, metrics_textfile))


def wish_of(
    names: list[str] | None, patterns: list[str] | None, reach: str | None, public: tuple[str | None, str | None]
) -> InterfaceWish:
    """Read what was said of the device and the addresses.

    Raises:
        UsageError: something is no address, or one of the other family.
    """
    from natfix.app.node.interface import InterfaceWish  # noqa: PLC0415

    ipv4, ipv6 = (_address(text, name) for text, name in zip(public, ("--public-ip", "--public-ipv6"), strict=True))
    if isinstance(ipv4, IPv6Address) or isinstance(ipv6, IPv4Address):
        raise UsageError("--public-ip takes an IPv4 address, --public-ipv6 one of IPv6")
    return InterfaceWish(tuple(names or ()), tuple(patterns or ()), _address(reach, "--iface-can-reach"), ipv4, ipv6)


def _address(text: str | None, option: str) -> IPv4Address | IPv6Address | None:
    try:
        return None if text is None else ip_address(text)
    except ValueError:
        raise UsageError(f"{option} {text} is no address") from None

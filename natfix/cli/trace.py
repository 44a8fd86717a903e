"""``natfix trace``: the way of packets through a host's tables."""

from __future__ import annotations

from typing import Annotated

import typer

from natfix.cli import options, wiring
from natfix.cli.output import Format, emit, emit_json
from natfix.errors import UsageError


def trace(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FROM TO] [SOURCE]...",
            help="Two addresses or networks, then iptables-save texts; - is standard input. Without texts: this host.",
        ),
    ] = None,
    from_subnet: Annotated[
        str | None, typer.Option(metavar="CIDR", help="All packets from this network, instead of FROM.")
    ] = None,
    to_subnet: Annotated[str | None, typer.Option(metavar="CIDR", help="All packets to this network, instead of TO.")] = None,
    in_interface: Annotated[
        str, typer.Option("--in-interface", "-i", metavar="NAME", help="The device it comes in by; else as the routes say.")
    ] = "",
    out_interface: Annotated[
        str, typer.Option("--out-interface", "-o", metavar="NAME", help="The device it leaves by; else as the routes say.")
    ] = "",
    proto: Annotated[str, typer.Option(metavar="NAME", help="tcp (as one packet is by default), udp, icmp, or a number.")] = "",
    sport: Annotated[int | None, typer.Option(metavar="PORT", help="The source port.")] = None,
    dport: Annotated[int | None, typer.Option(metavar="PORT", help="The destination port.")] = None,
    mark: Annotated[str, typer.Option(metavar="MARK", help="The firewall mark it comes with: 0x4000.")] = "",
    local: Annotated[bool, typer.Option("--local", help="This host sends it itself.")] = False,
    ipsets: Annotated[
        str | None, typer.Option(metavar="FILE", help="What `ipset save` printed on the host of the texts.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Tell every rule that does not match, and why.")] = False,
    output_format: options.OutputFormat = Format.TEXT,
) -> None:
    """Follow one packet, or all packets between two networks, through the tables: what matched, why not, what comes out.

    Changes and sends nothing. It is the first packet of a new connection, as the nat table sees no other.
    """
    from natfix.app.trace import asked  # noqa: PLC0415  (start-up time: --help needs none of it)
    from natfix.report.trace import trace_document, trace_lines  # noqa: PLC0415

    given = list(words or [])
    source = from_subnet if from_subnet is not None else _next(given, "where the packet comes from")
    destination = to_subnet if to_subnet is not None else _next(given, "where the packet goes")
    wanted = asked(
        source,
        destination,
        in_interface=in_interface,
        out_interface=out_interface,
        protocol=proto,
        source_port=sport,
        destination_port=dport,
        mark=mark,
        local=local,
    )
    traced = wiring.trace(wanted, given, ipsets)
    if output_format is Format.JSON:
        emit_json(trace_document(traced))
    else:
        emit(trace_lines(traced, every=every))


def _next(words: list[str], meaning: str) -> str:
    if not words:
        raise UsageError(f"it is not said {meaning}", hint="Such as: natfix trace 172.7.21.2 172.7.22.2")
    return words.pop(0)

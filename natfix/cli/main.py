"""The ``natfix`` command."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import NoReturn

import typer

from natfix.cli.output import complain
from natfix.errors import EXIT_DEFECT, EXIT_INTERRUPTED, NatfixError

# For each command the module that holds a function of its name; it is imported when the command is called.
COMMANDS = {
    "check": "Say which rules hide container addresses, with the packet that proves it.",
    "trace": "Follow one packet, or all between two networks, rule by rule through a host's tables.",
    "prove": "Let the kernel judge: load the rules in a namespace, send the packets, compare.",
    "collect": "Write everything a verdict depends on into one file: collect on the host, think elsewhere.",
    "explain": "Say why an audit rule matters, what to do, where it errs.",
    "rules": "List the audit rules, or try rule files with their examples.",
    "diff": "Show exactly what `natfix apply` would change, in the kernel and in files.",
    "apply": "Correct the rules that hide container addresses, and keep that over a reboot.",
    "persist": "Save natfix's corrections into the file that is loaded at boot.",
    "undo": "Take one of natfix's own changes back, and nothing else.",
    "confirm": "Keep a change made with `natfix apply --confirm`.",
    "status": "Tell what holds now on this host.",
    "history": "Tell what natfix changed, when.",
    "settings": "Try a file of settings before it is put in place.",
    "advise": "Say when Docker's own switches are the better cure, and write them.",
    "watch": "Keep the host right: correct each rule within milliseconds of its writing.",
    "restore": "Put guard and corrections back, as units do after a boot or a start of Docker.",
    "install": "Keep this host right from now on: put systemd units in place and start them.",
    "uninstall": "Take away what `natfix install` put in place.",
    "guard": "Keep container addresses whatever other rules say: on, off or status.",
    "net": "Configure the network that hosts lease their container subnets from: set or show.",
    "leases": "Show which host holds which subnet, until when, and how many are left.",
    "lease": "Keep a subnet back, for good or for one host, or let one go: reserve or release.",
    "node": "Be this host's agent: a subnet for its containers, routes to all others; or verify its peers.",
    "routes": "Show what the leases want beside what the kernel has, or check it.",
    "lab": "Show the fault and its repair on two hosts made for it.",
}


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and end the process with its exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        build(words)(args=words, prog_name="natfix")
    except NatfixError as error:
        complain(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    except Exception:  # noqa: BLE001  (the exit code of a traceback would be 1, which says "findings")
        _tell_of_defect()
        sys.exit(EXIT_DEFECT)
    sys.exit(0)


def _tell_of_defect() -> None:
    import traceback  # noqa: PLC0415  (hopefully never)

    traceback.print_exc()
    sys.stderr.write("natfix: this is a defect of natfix; please report it with the lines above\n")


def build(words: list[str]) -> typer.Typer:
    """Make the application with the commands that *words* can mean: importing one takes less time than importing all."""
    app = typer.Typer(
        help="Keep pod addresses visible where hosts route container subnets to each other.",
        no_args_is_help=True,
        add_completion="--show-completion" in words or "--install-completion" in words,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    called = next((word for word in words if word in COMMANDS), None)
    for name, summary in COMMANDS.items():
        if called in {None, name}:
            app.command(name, short_help=summary)(getattr(import_module(f"natfix.cli.{name}"), name))
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        from natfix import __version__  # noqa: PLC0415  (asked for rarely)

        typer.echo(f"natfix {__version__}")
        raise typer.Exit


def _options(
    version: bool = typer.Option(
        False, "--version", is_eager=True, callback=_print_version, help="Print the version and exit."
    ),
) -> None:
    """Options before the command; the first of them is answered before a command is asked for."""

"""``natfix install``: keep this host right from now on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from natfix.cli import options, wiring
from natfix.cli.output import Format, emit, emit_json, write
from natfix.errors import NatfixError, UsageError

if TYPE_CHECKING:
    from natfix.report.changes import ChangeResult
    from natfix.report.guard import GuardReport

Root: TypeAlias = Annotated[
    str, typer.Option("--root", metavar="DIR", help="Prepare the system in this folder, such as an image; start nothing.")
]


def install(
    watch: Annotated[bool, typer.Option("--watch", help="A daemon that corrects rules as they appear; the default.")] = False,
    path: Annotated[bool, typer.Option("--path", help="No daemon: correct when Docker has written its rules.")] = False,
    drop_in: Annotated[
        bool, typer.Option("--drop-in", help="No daemon: `systemctl start docker` returns when the host is right.")
    ] = False,
    node: Annotated[
        bool, typer.Option("--node", help="The node agent as well; what it is told stands in /etc/natfix/node.env.")
    ] = False,
    guard: Annotated[
        bool, typer.Option("--guard", help="Turn the guard on as well; each mode puts it back at each boot.")
    ] = False,
    supervisor: Annotated[
        bool, typer.Option("--supervisor", help="Only print the section that runs the daemon under supervisor.")
    ] = False,
    root: Root = "/",
    output: options.OutputFormat = Format.TEXT,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
) -> None:
    """Put systemd units in place that keep this host right, start them, and look whether they run.

    What another mode had installed is taken away. Exit code 0: done, or nothing to do; 2: it could not be done, and all is as
    it was; 5: no systemd manages this host.
    """
    if supervisor:
        from natfix.app.unit_files import supervised  # noqa: PLC0415  (start-up time: --help needs none of it)

        for name in ("watch", "node") if node else ("watch",):
            write(supervised(wiring.supervisor_section(name), wiring.own_command()))
        return
    if guard and root != "/":
        raise UsageError("the guard lives in a running kernel, and --root prepares a system that does not run")
    modes = [name for name, wished in (("watch", watch), ("path", path), ("drop-in", drop_in)) if wished]
    modes = [*(modes or ["watch"]), *(["node"] if node else [])]
    tell(*_install(modes, root, guard=guard, dry_run=dry_run), output)


def _install(modes: Sequence[str], root: str, *, guard: bool, dry_run: bool) -> tuple[ChangeResult, GuardReport | None]:
    """Turn the guard on and install; what is told is the install, and what became of the guard."""
    from natfix.app import guard as guarding  # noqa: PLC0415
    from natfix.app import install as use_case  # noqa: PLC0415
    from natfix.app.unit_files import Mode, units_of  # noqa: PLC0415

    units, wanted = wiring.units(root), units_of(map(Mode, modes))
    units.require()
    report = guarding.turn_on(wiring.machine(5), wiring.all_clusters([]), dry_run=dry_run) if guard else None
    turned = report is not None and report.done
    try:
        result = use_case.install(units, wanted, wiring.unit_texts(), guard=turned, dry_run=dry_run)
    except NatfixError:
        if turned:
            guarding.turn_off(wiring.machine(5))
        raise
    return (_reminding(result) if root == "/" else result), report


def _reminding(result: ChangeResult) -> ChangeResult:
    """Tell of what was undone: what is installed keeps away from it."""
    from dataclasses import replace  # noqa: PLC0415

    from natfix.app.record import journeys  # noqa: PLC0415
    from natfix.app.undone import reminder, undone_of  # noqa: PLC0415

    return replace(result, notes=(*result.notes, *map(reminder, undone_of(journeys(wiring.history())).told)))


def tell(result: ChangeResult, guard: GuardReport | None, output: Format) -> None:
    """Print what was done."""
    if output is Format.JSON:
        from dataclasses import replace  # noqa: PLC0415

        from natfix.report.change_document import change_document  # noqa: PLC0415

        emit_json(change_document(replace(result, changes=(*result.changes, *(guard.changes if guard else ())))))
        return
    from natfix.report.guard import guard_lines  # noqa: PLC0415
    from natfix.report.installing import installing_lines  # noqa: PLC0415

    if guard is not None:
        emit(guard_lines(guard))
    emit(installing_lines(result))

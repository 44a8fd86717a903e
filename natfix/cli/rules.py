"""``natfix rules``: the audit rules that decide, and a trial of those that somebody writes."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from natfix.cli import options, rule_wiring
from natfix.cli.output import Format, emit, emit_json
from natfix.errors import EXIT_FOUND, EXIT_OK, ConfigError, UsageError


class Action(StrEnum):
    """What to do with audit rules."""

    LIST = "list"
    CHECK = "check"


def rules(
    action: Annotated[Action, typer.Argument(help="List them, or try those in folders.")] = Action.LIST,
    folder: Annotated[list[str] | None, typer.Argument(metavar="[DIR]...", help="check: folders with rule files.")] = None,
    area: Annotated[
        list[str] | None, typer.Option("--area", metavar="AREA", help="Only of this area; may be repeated.")
    ] = None,
    severity: Annotated[str, typer.Option(metavar="SEVERITY", help="Only of this severity or worse.")] = "info",
    output: options.OutputFormat = Format.TEXT,
    extra: options.Rules = None,
) -> None:
    """List the audit rules, or try rule files: whether they can be read, and whether each of their examples is kept.

    Changes nothing. Exit code 0: done, and with check every file is right; 1: check found flaws; 2: it could not be done.
    """
    if action is Action.CHECK:
        raise typer.Exit(_check(folder or []))
    if folder:
        raise UsageError("list takes no folder", hint="natfix rules --rules DIR lists the rules of a folder too.")
    from natfix.audit import Severity  # noqa: PLC0415  (start-up time: --help needs none of it)
    from natfix.report.rules import chosen, list_lines, rules_document  # noqa: PLC0415

    found = chosen(rule_wiring.catalogue(extra or []), area or [], Severity.parse(severity))
    if output is Format.JSON:
        emit_json(rules_document(found))
    else:
        emit(list_lines(found))


def _check(folders: list[str]) -> int:
    from natfix.plan.trial import flaws  # noqa: PLC0415
    from natfix.report.lines import Line  # noqa: PLC0415

    if not folders:
        raise UsageError("check needs a folder", hint="natfix rules check /etc/natfix/rules.d")
    others, flawed = rule_wiring.catalogue([]), False
    for path, kind in (each for name in folders for each in rule_wiring.folder(name)):
        if isinstance(kind, ConfigError):
            found, right = [str(kind)], ""
        else:
            found = [f"{path}: {flaw}" for flaw in flaws(kind, others)]
            right = f"{path}: {kind.id} is right; {len(kind.examples)} examples were kept"
        flawed = flawed or bool(found)
        emit([Line(flaw, "bad") for flaw in found] or [Line(right, "good")])
    return EXIT_FOUND if flawed else EXIT_OK

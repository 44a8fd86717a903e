"""``natfix explain``: all that is known of one audit rule."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from natfix.cli import options, rule_wiring
from natfix.cli.output import emit, emit_json, write
from natfix.errors import UsageError


class PageFormat(StrEnum):
    """How a page is printed."""

    TEXT = "text"
    MARKDOWN = "markdown"
    JSON = "json"


def explain(
    rule: Annotated[str, typer.Argument(metavar="ID", help="The audit rule, as findings name it: NAT001.")],
    output: Annotated[PageFormat, typer.Option("--format", help="How to print the page.")] = PageFormat.TEXT,
    rules: options.Rules = None,
) -> None:
    """Say why an audit rule matters, what to do, where it errs, and show its examples.

    Changes nothing. Exit code 2: there is no such audit rule.
    """
    from natfix.report.rules import explain_lines, markdown, rules_document  # noqa: PLC0415

    catalogue = rule_wiring.whole_catalogue(rules or [])
    kind = next((each for each in catalogue if rule.upper() == each.id.upper() or rule == each.name), None)
    if kind is None:
        raise UsageError(f"there is no audit rule {rule}", hint="natfix rules lists them all.")
    if output is PageFormat.JSON:
        emit_json(rules_document([kind], examples=True))
    elif output is PageFormat.MARKDOWN:
        write(markdown(kind))
    else:
        emit(explain_lines(kind))

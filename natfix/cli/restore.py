"""``natfix restore``: put guard and corrections back."""

from __future__ import annotations

from natfix.cli import options, wiring
from natfix.cli.output import Format, emit, emit_json


def restore(
    cluster_cidr: options.ClusterCidr = None,
    output: options.OutputFormat = Format.TEXT,
    wait: options.Wait = 5,
    rules: options.Rules = None,
) -> None:
    """Put the guard back where it was turned on, and correct the rules as `natfix apply` does: what units call.

    For after a boot, a start of Docker, a restored or flushed ruleset. Exit codes as for `natfix apply`.
    """
    from natfix.app import restore as use_case  # noqa: PLC0415  (start-up time: --help needs none of it)
    from natfix.report.change_document import change_document  # noqa: PLC0415
    from natfix.report.change_text import change_lines  # noqa: PLC0415

    cidrs = cluster_cidr or []
    result = use_case.restore(wiring.machine(wait), wiring.all_clusters(cidrs), wiring.wishes(cidrs, rules or []))
    if output is Format.JSON:
        emit_json(change_document(result))
    else:
        emit(change_lines(result))

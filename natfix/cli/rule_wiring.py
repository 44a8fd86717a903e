"""Builds what findings go by, as wiring.py does for the rest: audit rules, suppressions, baselines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from natfix.cli import file_wiring
from natfix.errors import ConfigError

if TYPE_CHECKING:
    from natfix.audit import AuditRule, Catalogue, Suppressions
    from natfix.report.model import CheckResult


def catalogue(rules: Sequence[str], *, live: bool = True) -> Catalogue:
    """Read the audit rules, and what of their findings nobody wants to hear of.

    Args:
        rules: further folders with audit rules.
        live: whether it is for this host, whose name suppressions may ask for.
    """
    from natfix.audit import Catalogue  # noqa: PLC0415  (start-up time: --help needs none of it)
    from natfix.host.catalogue import read_catalogue  # noqa: PLC0415

    return Catalogue(read_catalogue(rules), _suppressions(live=live))


def whole_catalogue(rules: Sequence[str]) -> tuple[AuditRule, ...]:
    """Read the audit rules with their examples."""
    from natfix.host.catalogue import read_catalogue  # noqa: PLC0415

    return read_catalogue(rules, examples=True)


def folder(name: str) -> tuple[tuple[str, AuditRule | ConfigError], ...]:
    """Read every rule file of one folder, or what is wrong with it."""
    from natfix.host.catalogue import try_folder  # noqa: PLC0415

    return try_folder(name)


def without_known(result: CheckResult, path: str) -> CheckResult:
    """Leave out of *result* what the baseline in the file *path* knows.

    Raises:
        UsageError: there is no such file.
        ConfigError: it is no baseline.
    """
    import json  # noqa: PLC0415

    from natfix.app.baseline import without_known as leave_out  # noqa: PLC0415
    from natfix.audit.baseline import HINT, Baseline  # noqa: PLC0415

    try:
        data = json.loads(file_wiring.read_file(path, hint=HINT))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is no baseline: {error}", hint=HINT) from error
    return leave_out(result, Baseline.from_json(data, path), path)


def write_baseline(result: CheckResult, path: str) -> None:
    """Write all findings of *result* to the file *path*."""
    import json  # noqa: PLC0415

    from natfix.app.baseline import baseline_of  # noqa: PLC0415

    file_wiring.save_text(path, (json.dumps(baseline_of(result).to_json(), indent=2) + "\n").encode())


def _suppressions(*, live: bool) -> Suppressions:
    from natfix.app.config import read_config  # noqa: PLC0415
    from natfix.audit import Suppressions  # noqa: PLC0415
    from natfix.host.files import HostFiles  # noqa: PLC0415

    entries = read_config(HostFiles()).suppressions
    if not entries:
        return Suppressions()
    import os  # noqa: PLC0415

    from natfix.host.clock import HostClock  # noqa: PLC0415

    return Suppressions(entries, HostClock().now().date(), os.uname().nodename if live else "")

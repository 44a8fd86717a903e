"""Where the forms of a result go: one to standard output, others to files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from natfix.cli import file_wiring
from natfix.cli.output import emit, write
from natfix.errors import UsageError
from natfix.report.formats import ReportFormat, rendered

if TYPE_CHECKING:
    from natfix.audit import Severity
    from natfix.report.model import CheckResult


class Reports(NamedTuple):
    """What was asked for.

    Attributes:
        printed: the form for standard output.
        files: further forms, each with the file it goes to.
    """

    printed: ReportFormat
    files: tuple[tuple[ReportFormat, str], ...]

    @classmethod
    def wanted(cls, printed: ReportFormat, outputs: Sequence[str], sources: Sequence[str], metrics: str = "") -> Reports:
        """Read ``--output FORMAT=FILE``.

        Args:
            printed: the form for standard output.
            outputs: what was asked for.
            sources: what is looked at.
            metrics: a file that is written beside them; empty for none.

        Raises:
            UsageError: one is no such pair, names no form, or a file that another one names or that is itself looked at.
        """
        files = tuple(map(_pair, outputs))
        taken = {os.path.realpath(source) for source in sources if source != file_wiring.STDIN}
        named = [*(("--output", path) for _, path in files), *([("--metrics-textfile", metrics)] if metrics else [])]
        for option, path in named:
            place = os.path.realpath(path)
            if place in taken:
                raise UsageError(f"{option}: {path} is another output, or what is looked at", hint="Name another file.")
            taken.add(place)
        return cls(printed, files)

    @property
    def pictured(self) -> bool:
        """Whether one of them shows pictures."""
        return ReportFormat.HTML in {self.printed, *(form for form, _ in self.files)}

    def put(self, result: CheckResult, threshold: Severity) -> None:
        """Write the files, each whole or not at all, and print.

        Raises:
            HostError: a file cannot be written, or standard output takes nothing.
        """
        made = [(path, rendered(result, form, threshold)) for form, path in self.files]
        for path, text in made:
            file_wiring.save_text(path, text.encode("utf-8", "surrogateescape"))
        if self.printed is ReportFormat.TEXT:
            from natfix.report.text import check_lines  # noqa: PLC0415

            emit(check_lines(result))
        else:
            write(rendered(result, self.printed, threshold))


def _pair(words: str) -> tuple[ReportFormat, str]:
    name, separator, path = words.partition("=")
    if not separator or path in {"", file_wiring.STDIN} or name not in set(ReportFormat):
        hint = f"Write --output FORMAT=FILE; the formats are {', '.join(ReportFormat)}. --format prints one."
        raise UsageError(f"--output {words} names no format and file", hint=hint)
    return ReportFormat(name), path

"""Every form that the result of a check can take, by name; each is imported when it is asked for."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # A command line names its options before anything is computed.
    from natfix.audit import Severity
    from natfix.report.model import CheckResult


class ReportFormat(StrEnum):
    """How the result of a check is told."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    JUNIT = "junit"
    GITHUB = "github"
    MARKDOWN = "markdown"
    HTML = "html"


def rendered(result: CheckResult, form: ReportFormat, threshold: Severity) -> str:  # noqa: PLR0911  (one for each form)
    """Tell *result* in one form: same result, same text.

    Args:
        result: what was found; for HTML with charts, without which the page has no pictures.
        form: how to tell it.
        threshold: findings at least this bad fail a test in JUnit's form.
    """
    match form:
        case ReportFormat.TEXT:
            return _text(result)
        case ReportFormat.JSON:
            return _json(result)
        case ReportFormat.SARIF:
            return _sarif(result)
        case ReportFormat.JUNIT:
            from natfix.report.junit import junit_text  # noqa: PLC0415

            return junit_text(result, threshold)
        case ReportFormat.GITHUB:
            from natfix.report.github import github_text  # noqa: PLC0415

            return github_text(result)
        case ReportFormat.MARKDOWN:
            from natfix.report.markdown import markdown_text  # noqa: PLC0415

            return markdown_text(result)
    from natfix.report.html import html_text  # noqa: PLC0415

    return html_text(result)


def _text(result: CheckResult) -> str:
    from natfix.report.lines import plain  # noqa: PLC0415
    from natfix.report.text import check_lines  # noqa: PLC0415

    return plain(check_lines(result))


def _json(result: CheckResult) -> str:
    import json  # noqa: PLC0415

    from natfix.report.document import check_document  # noqa: PLC0415

    return json.dumps(check_document(result), indent=2) + "\n"


def _sarif(result: CheckResult) -> str:
    import json  # noqa: PLC0415

    from natfix.report.sarif import sarif_document  # noqa: PLC0415

    return json.dumps(sarif_document(result), indent=2) + "\n"

"""natfix/report/formats.py: every form, by name."""

import subprocess
import sys

import pytest

from natfix.audit import Severity
from natfix.report.formats import ReportFormat, rendered
from tests.unit.report.results import TEXT, crowd, looked_at, shielded, simple

BEGINNINGS = {
    ReportFormat.TEXT: "cluster 172.7.0.0/16",
    ReportFormat.JSON: '{\n  "schema": 1,',
    ReportFormat.SARIF: '{\n  "$schema": ',
    ReportFormat.JUNIT: "<?xml ",
    ReportFormat.GITHUB: "::error ",
    ReportFormat.MARKDOWN: "## natfix check",
    ReportFormat.HTML: "<!DOCTYPE html>",
}


@pytest.mark.parametrize("form", ReportFormat)
def test_every_form_is_what_its_name_says(form: ReportFormat) -> None:
    text = rendered(looked_at(simple()), form, Severity.LOW)
    assert text.startswith(BEGINNINGS[form])
    assert text.endswith("\n")


@pytest.mark.parametrize("form", ReportFormat)
def test_same_result_same_text_and_it_can_be_written(form: ReportFormat) -> None:
    once, again = (rendered(held, form, Severity.LOW) for held in (looked_at(TEXT), looked_at(TEXT)))
    assert once == again
    assert once.encode("utf-8", "surrogateescape")


@pytest.mark.parametrize("form", ReportFormat)
def test_what_could_not_be_read_is_in_every_form(form: ReportFormat) -> None:
    assert "broken" in rendered(crowd(2), form, Severity.LOW)


def test_the_threshold_decides_what_fails() -> None:
    assert 'failures="1"' in rendered(shielded(), ReportFormat.JUNIT, Severity.INFO)
    assert 'failures="0"' in rendered(shielded(), ReportFormat.JUNIT, Severity.LOW)


def test_a_form_is_imported_when_it_is_asked_for() -> None:
    script = "import natfix.report.formats, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout.split()
    assert {"natfix.report.html", "natfix.report.sarif", "natfix.audit", "json"} & set(loaded) == set()

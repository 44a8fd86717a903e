"""natfix/report/junit.py: what a check found, as tests that passed or failed."""

from xml.etree import ElementTree as ET

import pytest

from natfix.audit import Severity
from natfix.report.junit import junit_text
from natfix.report.model import CheckResult
from tests.unit.report.results import TEXT, crowd, looked_at, result, shielded, simple, suppressed

RESULTS = {
    "a file": looked_at(TEXT),
    "many": crowd(3),
    "a host": result(live=True),
    "shielded": shielded(),
    "none": CheckResult(()),
}


def read(held: CheckResult, threshold: Severity = Severity.LOW) -> ET.Element:
    return ET.fromstring(junit_text(held, threshold))  # noqa: S314


@pytest.mark.parametrize("name", RESULTS)
def test_the_counters_are_those_of_what_is_inside(name: str) -> None:
    root = read(RESULTS[name])
    assert root.tag == "testsuites"
    for each in (root, *root):
        found = {"tests": "testcase", "failures": "failure", "errors": "error"}
        assert {key: str(len(list(each.iter(tag)))) for key, tag in found.items()} == {key: each.get(key) for key in found}


def test_a_finding_is_a_test_that_failed_with_its_words() -> None:
    (suite,) = read(looked_at(simple()))
    (case,) = suite
    (failure,) = case
    assert suite.get("name") == "dump.save IPv4 nat"
    assert (case.get("classname"), case.get("name")) == ("natfix.NAT001", "dump.save, line 3 (nat POSTROUTING, rule 1)")
    assert failure.get("message") == "hides the addresses of 172.7.21.0/24 from the rest of the cluster"
    assert failure.get("type") == "high over-broad-masquerade"
    assert "  source   172.7.21.2 becomes the address of eth0" in str(failure.text)


def test_a_table_without_findings_is_a_test_that_passed() -> None:
    suite = next(each for each in read(crowd(1)) if str(each.get("name")).startswith("good.save"))
    (case,) = suite
    assert (case.get("name"), len(case)) == ("no rule hides a container address", 0)


@pytest.mark.parametrize(("threshold", "failures"), [(Severity.INFO, "1"), (Severity.LOW, "0")])
def test_what_is_below_the_threshold_passes_with_a_word(threshold: Severity, failures: str) -> None:
    root = read(shielded(), threshold)
    assert root.get("failures") == failures
    assert len(list(root.iter("system-out"))) == 1 - int(failures)


def test_what_could_not_be_read_is_an_error_with_its_place() -> None:
    (error,) = read(crowd(1)).iter("error")
    assert "broken,1.save, line 3, column" in str(error.text)
    assert error.get("message")


def test_words_that_xml_cannot_hold_are_shown_as_such() -> None:
    words = junit_text(looked_at(simple('-s 172.7.21.0/24 -m comment --comment "</failure>&\x1b\udcff" -j MASQUERADE')))
    assert "\x1b" not in words
    (failure,) = ET.fromstring(words).iter("failure")  # noqa: S314
    assert '"</failure>&\ufffd\ufffd"' in str(failure.text)


def test_a_suppressed_finding_is_a_test_that_was_skipped_for_that_reason() -> None:
    root = read(suppressed())
    assert (root.get("tests"), root.get("failures"), root.get("skipped")) == ("1", "0", "1")
    (skipped,) = root.iter("skipped")
    assert skipped.get("message") == "suppressed: the <old> host | goes"
    (case,) = root.iter("testcase")
    assert case.get("classname") == "natfix.NAT001"

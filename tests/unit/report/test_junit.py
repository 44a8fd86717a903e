"""natfix/report/junit.py: what a check found, as tests that passed or failed."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from natfix.audit import Severity
from natfix.report.junit import junit_text
from natfix.report.model import CheckResult
from tests.unit.report.results import TEXT, crowd, fleet, looked_at, result, shielded, simple, suppressed

SCHEMA = Path(__file__).parents[2] / "data/junit/junit-10.xsd"
RESULTS = {
    "a file": looked_at(TEXT),
    "many": crowd(3),
    "a host": result(live=True),
    "shielded": shielded(),
    "suppressed": suppressed(),
    "a fleet": fleet(24),
    "a fleet with decisions": replace(suppressed(), empty=tuple("abcdefghijk")),
    "a fleet of which none is right": CheckResult(crowd(11).tables[:11]),
    "none": CheckResult(()),
}


def read(held: CheckResult, threshold: Severity = Severity.LOW) -> ET.Element:
    return ET.fromstring(junit_text(held, threshold))  # noqa: S314


def problems(text: str) -> str:
    """What the schema of Jenkins' xUnit plugin has against a text; empty for nothing."""
    program = shutil.which("xmllint")
    if program is None:
        pytest.skip("this test needs libxml2-utils; see tools/debian-packages.txt")
    words = [program, "--nonet", "--noout", "--schema", str(SCHEMA), "-"]
    done = subprocess.run(words, check=False, input=text.encode(), capture_output=True, timeout=60)
    return "" if done.returncode == 0 else done.stderr.decode()


@pytest.mark.parametrize("name", RESULTS)
def test_it_is_what_the_schema_of_jenkins_says(name: str) -> None:
    assert problems(junit_text(RESULTS[name])) == ""


def test_that_schema_refuses_what_is_not_in_it() -> None:
    text = junit_text(looked_at(simple()))
    assert "element 'failed'" in problems(text.replace("failure ", "failed ").replace("/failure", "/failed")).lower()
    assert "name" in problems(text.replace(' name="dump.save IPv4 nat"', ""))


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
    assert (root.get("tests"), root.get("failures"), root[0].get("skipped")) == ("1", "0", "1")
    (skipped,) = root.iter("skipped")
    assert skipped.get("message") == "suppressed: the <old> host | goes"
    (case,) = root.iter("testcase")
    assert case.get("classname") == "natfix.NAT001"


def test_of_many_sources_a_suite_is_a_kind_of_finding_and_says_what_they_have_in_common() -> None:
    root = read(fleet(24))
    assert [(each.get("name"), each.get("tests"), each.get("failures")) for each in root] == [
        ("DOC004 user-network-masquerade", "4", "4"),
        ("NAT001 over-broad-masquerade", "12", "12"),
        ("without findings", "8", "0"),
        ("broken,1.save", "1", "0"),
    ]
    (told,) = root[1].findall("system-out")
    assert told.text == "12 sources: -A POSTROUTING -s <network> ! -o docker0 -j MASQUERADE"
    names = [case.get("name") for case in root.iter("testcase")]
    assert len(names) == len(set(names))
    assert root[1][0].get("name") == "host001.example.net.natfix: iptables-nft, nat POSTROUTING, rule 1"
    assert root[2][0].get("name") == "host003.example.net.natfix: iptables-nft IPv4 nat: no rule hides a container address"

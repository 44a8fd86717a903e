import json
import time
from pathlib import Path

import pytest

from tests.unit.cli.program import BROAD, CIDR, CORRECTED, Program, dump

STALE = "-s 172.17.0.0/16 ! -o docker0 -j MASQUERADE"


@pytest.fixture
def bad(tmp_path: Path) -> str:
    path = tmp_path / "bad.save"
    path.write_bytes(dump(BROAD))
    return str(path)


@pytest.fixture
def good(tmp_path: Path) -> str:
    path = tmp_path / "good.save"
    path.write_bytes(dump(CORRECTED))
    return str(path)


def test_findings_end_with_1_and_are_told_with_the_packet(natfix: Program, bad: str) -> None:
    ended = natfix("check", bad, *CIDR)
    assert (ended.code, ended.complaint) == (1, "")
    assert f"NAT001 high over-broad-masquerade: {bad}, line 3 (nat POSTROUTING, rule 1)" in ended.output
    assert "  packet   tcp 172.7.21." in ended.output
    assert ended.output.endswith("\n1 finding: 1 high\n")


def test_nothing_found_ends_with_0(natfix: Program, good: str) -> None:
    ended = natfix("check", good, *CIDR)
    assert (ended.code, ended.complaint) == (0, "")
    assert ended.output.endswith("no rule hides a container address inside the cluster\n")


def test_several_sources_and_standard_input_are_checked_in_order(natfix: Program, bad: str, good: str) -> None:
    ended = natfix("check", good, "-", bad, *CIDR, "--format", "json", stdin=dump(BROAD))
    assert ended.code == 1
    tables = json.loads(ended.output)["tables"]
    assert [(table["source"], len(table["findings"])) for table in tables] == [(good, 0), ("standard input", 1), (bad, 1)]


def test_json_is_the_same_in_every_run_and_tells_its_version(natfix: Program, bad: str) -> None:
    once, again = (natfix("check", bad, *CIDR, "--format", "json") for _ in range(2))
    assert once == again
    document = json.loads(once.output)
    assert document["schema"] == 1
    assert document["summary"] == {"high": 1}
    (finding,) = document["tables"][0]["findings"]
    assert finding["rule"]["text"] == f"-A POSTROUTING {BROAD}"
    assert finding["correctable"] is True


@pytest.mark.parametrize(
    ("words", "code"),
    [([], 1), (["--fail-on", "high"], 0), (["--fail-on", "low"], 1), (["--fail-on", "info"], 1), (["--exit-zero"], 0)],
)
def test_the_exit_code_follows_fail_on_and_exit_zero(natfix: Program, tmp_path: Path, words: list[str], code: int) -> None:
    (tmp_path / "stale.save").write_bytes(dump(CORRECTED, STALE))
    ended = natfix("check", str(tmp_path / "stale.save"), *CIDR, *words)
    assert ended.code == code
    assert "NAT004" in ended.output


def test_an_unknown_severity_is_an_error_that_names_the_known_ones(natfix: Program, bad: str) -> None:
    ended = natfix("check", bad, *CIDR, "--fail-on", "awful")
    assert (ended.code, ended.output) == (2, "")
    assert "high" in ended.complaint


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["nowhere.save", *CIDR], "natfix: there is no file nowhere.save\n  Make one with: iptables-save > dump.save\n"),
        (["/", *CIDR], "natfix: cannot read /: it is a directory\n  Name a file.\n"),
        (["-", "--cluster-cidr", "172.7.21.5/16"], "host bits; did you mean 172.7.0.0/16?"),
        (["-", "--cluster-cidr", "0.0.0.0/0"], "is every address, not a cluster"),
        (["-", *CIDR, "--rules", "/nowhere"], "natfix: /nowhere is no folder"),
        (["-", *CIDR], "natfix: standard input, line 1, column 1"),
    ],
)
def test_errors_are_told_on_standard_error_and_end_with_2(natfix: Program, words: list[str], complaint: str) -> None:
    ended = natfix("check", *words, stdin=b"echo hello\n")
    assert (ended.code, ended.output) == (2, "")
    assert complaint in ended.complaint


def test_what_is_no_rule_is_pointed_at_with_a_caret(natfix: Program) -> None:
    ended = natfix("check", "-", *CIDR, stdin=dump('-o eth0 -m comment --comment "open'))
    assert ended.code == 2
    place, line, caret = ended.complaint.splitlines()[:3]
    assert place.startswith("natfix: standard input, line 3, column ")
    assert line == '    -A POSTROUTING -o eth0 -m comment --comment "open'
    assert caret.strip() == "^"


def test_bytes_that_are_no_utf8_leave_as_they_came(natfix: Program) -> None:
    ended = natfix("check", "-", *CIDR, stdin=dump(f'-m comment --comment "é" {BROAD}').replace("é".encode(), b"\xc3\xa9"))
    assert "é" in ended.output


def prometheus(path: Path) -> dict[str, float]:
    """The samples of a file for node_exporter, without natfix's own version."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    pairs = [line.rpartition(" ")[::2] for line in lines]
    return {name: float(value) for name, value in pairs if not name.startswith("natfix_build_info")}


def test_a_monitoring_system_reads_what_was_found_and_how_it_ended(natfix: Program, bad: str, tmp_path: Path) -> None:
    path, before = tmp_path / "natfix.prom", time.time()
    assert natfix("check", bad, *CIDR, "--metrics-textfile", str(path), "--exit-zero").code == 0
    told = prometheus(path)
    assert before <= told.pop("natfix_check_timestamp_seconds") <= time.time()
    assert told == {
        f'natfix_check_findings{{id="NAT001",severity="high",source="{bad}"}}': 1,
        f'natfix_check_rules{{source="{bad}"}}': 1,
        "natfix_check_exit_code": 1,
        "natfix_check_unread_sources": 0,
        "natfix_check_left_out_findings": 0,
    }


def test_a_monitoring_system_reads_that_a_check_failed(natfix: Program, bad: str, tmp_path: Path) -> None:
    path = tmp_path / "natfix.prom"
    natfix("check", bad, *CIDR, "--metrics-textfile", str(path))
    assert natfix("check", bad, "--metrics-textfile", str(path)).code == 2
    told = prometheus(path)
    assert told["natfix_check_exit_code"] == 2
    assert not [name for name in told if name.startswith("natfix_check_findings")]


def test_a_monitoring_system_reads_how_many_sources_could_not_be_read(natfix: Program, bad: str, tmp_path: Path) -> None:
    broken, path = tmp_path / "broken.save", tmp_path / "natfix.prom"
    broken.write_text("*nat\n-A")
    assert natfix("check", bad, str(broken), *CIDR, "--metrics-textfile", str(path)).code == 2
    told = prometheus(path)
    assert (told["natfix_check_unread_sources"], told["natfix_check_exit_code"]) == (1, 2)


def test_metrics_take_the_place_of_nothing_else(natfix: Program, bad: str, tmp_path: Path) -> None:
    before = Path(bad).read_bytes()
    ended = natfix("check", bad, *CIDR, "--metrics-textfile", bad)
    assert (ended.code, Path(bad).read_bytes()) == (2, before)
    assert "--metrics-textfile" in ended.complaint
    page = str(tmp_path / "one")
    assert natfix("check", bad, *CIDR, "--output", f"json={page}", "--metrics-textfile", page).code == 2


def test_metrics_that_cannot_be_written_are_an_error(natfix: Program, good: str, tmp_path: Path) -> None:
    ended = natfix("check", good, *CIDR, "--metrics-textfile", str(tmp_path / "none" / "natfix.prom"))
    assert ended.code == 2
    assert "the metrics cannot be written" in ended.complaint

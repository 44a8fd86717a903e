import json
from pathlib import Path

import pytest

from tests.unit.cli.program import BROAD, CIDR, CORRECTED, Program, dump


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "dump.save"
    path.write_bytes(dump(BROAD))
    return path


def test_a_dump_is_corrected_into_another_file(natfix: Program, source: Path, tmp_path: Path) -> None:
    ended = natfix("apply", str(source), "-o", str(tmp_path / "fixed.save"), *CIDR)
    assert (ended.code, ended.complaint) == (0, "")
    assert (tmp_path / "fixed.save").read_bytes() == dump(CORRECTED)
    assert source.read_bytes() == dump(BROAD)
    assert f"+-A POSTROUTING {CORRECTED}" in ended.output
    assert f"corrected: {source}" in ended.output


def test_a_dump_is_corrected_in_place(natfix: Program, source: Path) -> None:
    source.chmod(0o640)
    assert natfix("apply", str(source), "-o", str(source), *CIDR).code == 0
    assert (source.read_bytes(), source.stat().st_mode & 0o777) == (dump(CORRECTED), 0o640)


def test_a_dump_is_corrected_from_standard_input_to_standard_output(natfix: Program) -> None:
    ended = natfix("apply", "-", "-o", "-", *CIDR, stdin=dump(BROAD))
    assert ended == (0, dump(CORRECTED).decode(), "")


def test_a_right_dump_comes_out_as_it_is_and_that_is_said(natfix: Program, source: Path, tmp_path: Path) -> None:
    source.write_bytes(dump(CORRECTED))
    ended = natfix("apply", str(source), "-o", str(tmp_path / "fixed.save"), *CIDR)
    assert ended.code == 0
    assert "nothing to do" in ended.output
    assert (tmp_path / "fixed.save").read_bytes() == dump(CORRECTED)


def test_a_dry_run_writes_nothing(natfix: Program, source: Path, tmp_path: Path) -> None:
    ended = natfix("apply", str(source), "-o", str(tmp_path / "fixed.save"), "--dry-run", *CIDR)
    assert (ended.code, (tmp_path / "fixed.save").exists()) == (0, False)
    assert f"natfix apply would change {source}" in ended.output


def test_json_tells_the_diff(natfix: Program, source: Path, tmp_path: Path) -> None:
    ended = natfix("apply", str(source), "-o", str(tmp_path / "fixed.save"), *CIDR, "--format", "json")
    document = json.loads(ended.output)
    assert (document["verb"], document["done"], document["id"]) == ("apply", True, None)
    assert document["changes"][0]["diff"][-2].startswith("+-A POSTROUTING") or f"+-A POSTROUTING {CORRECTED}" in str(document)


@pytest.mark.parametrize("words", [["dump.save"], ["-o", "fixed.save"]])
def test_a_source_and_a_result_go_together(natfix: Program, words: list[str]) -> None:
    ended = natfix("apply", *words, *CIDR)
    assert ended == (2, "", "natfix: a SOURCE and -o go together\n  natfix apply dump.save -o fixed.save\n")


def test_a_result_that_cannot_be_written_is_an_error(natfix: Program, source: Path, tmp_path: Path) -> None:
    ended = natfix("apply", str(source), "-o", str(tmp_path / "missing/fixed.save"), *CIDR)
    assert (ended.code, ended.output) == (2, "")
    assert f"its folder {tmp_path}/missing does not exist" in ended.complaint


def test_an_unknown_cluster_is_asked_for(natfix: Program, source: Path) -> None:
    ended = natfix("apply", str(source), "-o", "-", "--cluster-cidr", "fd07::/16")
    assert (ended.code, ended.output) == (2, "")
    assert "--cluster-cidr 172.7.0.0/16" in ended.complaint

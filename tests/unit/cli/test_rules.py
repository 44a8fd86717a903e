"""natfix explain, natfix rules, and what natfix check leaves out."""

import json
from pathlib import Path

import pytest

from natfix.host.catalogue import packaged_rules
from tests.unit.cli.program import BROAD, CIDR, Program, dump

TEMPLATE = (packaged_rules() / "TEMPLATE.toml").read_text(encoding="utf-8")


@pytest.fixture
def bad(tmp_path: Path) -> str:
    path = tmp_path / "bad.save"
    path.write_bytes(dump(BROAD))
    return str(path)


@pytest.mark.parametrize("name", ["NAT001", "nat001", "over-broad-masquerade"])
def test_a_rule_is_explained_by_its_id_or_name(natfix: Program, name: str) -> None:
    ended = natfix("explain", name)
    assert (ended.code, ended.complaint) == (0, "")
    assert ended.output.startswith("NAT001 over-broad-masquerade (high, nat)\n")
    assert f"> -A POSTROUTING {BROAD}\n" in ended.output


def test_a_page_is_what_the_documents_hold(natfix: Program) -> None:
    page = Path(__file__).parents[3] / "docs" / "rules" / "NAT001.md"
    assert natfix("explain", "NAT001", "--format", "markdown").output == page.read_text(encoding="utf-8")


def test_an_explanation_in_json_holds_the_examples(natfix: Program) -> None:
    (rule,) = json.loads(natfix("explain", "DOC001", "--format", "json").output)["rules"]
    assert rule["id"] == "DOC001"
    assert rule["examples"]


def test_a_rule_that_is_not_there_ends_with_2(natfix: Program) -> None:
    ended = natfix("explain", "NAT999")
    assert (ended.code, ended.output) == (2, "")
    assert ended.complaint == "natfix: there is no audit rule NAT999\n  natfix rules lists them all.\n"


def test_rules_are_listed_by_area_and_severity(natfix: Program) -> None:
    every = json.loads(natfix("rules", "--format", "json").output)["rules"]
    some = json.loads(natfix("rules", "--area", "kube", "--area", "host", "--severity", "low", "--format", "json").output)
    assert [each["id"] for each in some["rules"]] == ["HOS001", "HOS002", "KUB001", "KUB002", "KUB004"]
    assert len(every) >= 30
    listed = natfix("rules").output
    assert all(f"{each['id']:8}{each['severity']:8}" in listed for each in every)


def test_rules_of_a_folder_are_listed_too(natfix: Program, tmp_path: Path) -> None:
    (tmp_path / "SITE001-mine.toml").write_text(TEMPLATE, encoding="utf-8")
    assert "SITE001 high    site" in natfix("rules", "list", "--rules", str(tmp_path), "--area", "site").output


def test_rule_files_are_tried_with_their_examples(natfix: Program, tmp_path: Path) -> None:
    path = tmp_path / "SITE001-mine.toml"
    path.write_text(TEMPLATE, encoding="utf-8")
    ended = natfix("rules", "check", str(tmp_path))
    assert (ended.code, ended.output) == (0, f"{path}: SITE001 is right; 2 examples were kept\n")


def test_a_file_that_is_wrong_does_not_stop_the_others(natfix: Program, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("id = 1\n", encoding="utf-8")
    (tmp_path / "b.toml").write_text(TEMPLATE.replace("certain = true", "certain = false"), encoding="utf-8")
    (tmp_path / "c.toml").write_text(TEMPLATE, encoding="utf-8")
    ended = natfix("rules", "check", str(tmp_path))
    first, _, second, third = ended.output.splitlines()
    assert ended.code == 1
    assert first.startswith(f"{tmp_path}/a.toml: id must be a str, not 1")
    assert second.startswith(f"{tmp_path}/b.toml: example “a rule of ours”: ")
    assert third.startswith(f"{tmp_path}/c.toml: SITE001 is right")


@pytest.mark.parametrize("words", [["check"], ["check", "/nowhere"], ["list", "/etc"]])
def test_a_folder_that_is_missing_or_of_no_use_ends_with_2(natfix: Program, words: list[str]) -> None:
    assert natfix("rules", *words).code == 2


def test_what_is_found_today_is_known_tomorrow(natfix: Program, bad: str, tmp_path: Path) -> None:
    known = str(tmp_path / "known.json")
    first = natfix("check", bad, *CIDR, "--write-baseline", known)
    assert first.code == 0
    assert first.output.endswith("nothing but 1 finding that somebody suppressed or that is known\n")
    assert natfix("check", bad, *CIDR, "--baseline", known).output == first.output
    Path(bad).write_bytes(dump(BROAD, "-o eth0 -j MASQUERADE"))
    second = natfix("check", bad, *CIDR, "--baseline", known)
    assert second.code == 1
    assert second.output.endswith("\n1 finding: 1 high\n")
    assert f"note: 1 known finding left out ({known})\n" in second.output


@pytest.mark.parametrize("text", ["", "[]", '{"schema": 9, "known": []}', "\udcff"])
def test_a_file_that_is_no_baseline_ends_with_2(natfix: Program, bad: str, tmp_path: Path, text: str) -> None:
    known = tmp_path / "known.json"
    known.write_bytes(text.encode("utf-8", "surrogateescape"))
    ended = natfix("check", bad, *CIDR, "--baseline", str(known))
    assert (ended.code, ended.output) == (2, "")
    assert "known.json" in ended.complaint
    assert natfix("check", bad, *CIDR, "--baseline", str(tmp_path / "missing")).code == 2

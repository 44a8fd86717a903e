"""A release: the same bytes from two builders, sums that hold, and a bill that names what is really in the package."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.packages.sources import EPOCH
from tools.release import differing, make_twice
from tools.wheels import PINS


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All artefacts, from two folders, umasks, time zones, locales and orders of sets: they were the same bytes."""
    folder = tmp_path_factory.mktemp("release")
    assert make_twice(folder, EPOCH) == []
    return folder


@pytest.fixture
def bill(release: Path) -> dict[str, Any]:
    (path,) = release.glob("*.cdx.json")
    read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return read


def test_it_holds_every_artefact_and_sums_that_hold(release: Path) -> None:
    names = sorted(path.name for path in release.iterdir())
    assert [re.sub(r"[-_][0-9][^-_]*?(?=[-_]|\.cdx|\.tar|$)", "", name) for name in names] == [
        "SHA256SUMS",
        "natfix-py3-none-any.whl",
        "natfix.cdx.json",
        "natfix.tar.gz",
        "natfix_all.deb",
    ], names
    checked = subprocess.run(["sha256sum", "--check", "SHA256SUMS"], check=True, capture_output=True, text=True, cwd=release)
    assert len(checked.stdout.splitlines()) == len(names) - 1


def test_a_difference_is_seen(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "same").write_text("same", encoding="ascii")
        (tmp_path / name / "unlike").write_text(f"{name:5}", encoding="ascii")
    (tmp_path / "one/alone").touch()
    assert differing(tmp_path / "one", tmp_path / "other") == ["alone", "unlike"]


def test_the_bill_names_what_the_package_carries(release: Path, bill: dict[str, Any]) -> None:
    (package,) = release.glob("*.deb")
    listed = subprocess.run(["dpkg-deb", "--contents", package], check=True, capture_output=True, text=True).stdout
    carried = set(re.findall(r"/site-packages/([^/]+)-([^/-]+)\.dist-info/METADATA$", listed, re.MULTILINE))
    every = [bill["metadata"]["component"], *bill["components"]]
    assert {(one["name"].lower().replace("-", "_"), one["version"]) for one in every} == carried
    assert len(carried) > 5


def test_the_bill_has_the_pinned_hash_and_a_licence_of_each(bill: dict[str, Any]) -> None:
    pins = PINS.read_text(encoding="utf-8")
    for one in bill["components"]:
        (digest,) = one["hashes"]
        assert f"--hash=sha256:{digest['content']}" in pins, one["name"]
        assert one["licenses"], one["name"]
        assert one["licenses"] != [{"license": {"name": "unknown"}}], one["name"]


def test_the_bill_says_what_needs_what(bill: dict[str, Any]) -> None:
    needs = {one["ref"]: one["dependsOn"] for one in bill["dependencies"]}
    known = {one["bom-ref"] for one in [bill["metadata"]["component"], *bill["components"]]}
    assert set(needs) == known
    assert {ref for refs in needs.values() for ref in refs} | {bill["metadata"]["component"]["bom-ref"]} == known

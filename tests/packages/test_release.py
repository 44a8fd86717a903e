"""A release, made as docs/releasing.md says: the same bytes from two builders, sums that hold, a bill that is true."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.docs_session import ROOT, blocks
from tools import version
from tools.release import copy_tree, differing
from tools.wheels import PINS

# Everything is built twice, which takes three minutes and more.
pytestmark = pytest.mark.timeout(1800)

PAGE = ROOT / "docs/releasing.md"
SHELL = re.compile(r"^(<!-- not played: [^\n]+ -->\n\n)?```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
WHO = {f"GIT_{role}_{what}": "somebody" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def play(tree: Path, script: str) -> None:
    """Run commands in *tree*, each of which has to succeed, with nobody's settings of git."""
    environment = {**os.environ, **WHO, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    done = subprocess.run(["bash", "-e", "-c", script], check=False, capture_output=True, text=True, cwd=tree, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All artefacts, by the steps of the page, in a repository with a copy of the tree.

    They come from two folders, umasks, time zones, locales and orders of sets, and were the same bytes.
    """
    tree = copy_tree(tmp_path_factory.mktemp("release") / "tree")
    (tree / ".venv").symlink_to(Path(sys.executable).parents[1])
    play(tree, "git init --quiet && echo /.venv >> .git/info/exclude && git add --all && git commit --quiet --message all")
    play(tree, "".join(text for unplayed, text in SHELL.findall(PAGE.read_text(encoding="utf-8")) if not unplayed))
    return tree / "dist/release"


def test_no_step_of_the_page_is_left_out() -> None:
    found = SHELL.findall(PAGE.read_text(encoding="utf-8"))
    assert [text for language, text in blocks(PAGE) if language == "sh"] == [text for _, text in found]
    assert sum(bool(unplayed) for unplayed, _ in found) == 2


def test_what_debian_and_rpms_own_people_ask_is_among_the_steps(release: Path) -> None:
    """The steps end at an error; here it is seen that they ask it of this release."""
    played = [text for unplayed, text in SHELL.findall(PAGE.read_text(encoding="utf-8")) if not unplayed]
    (looks,) = (text for text in played if "sha256sum" in text)
    for package in (*release.glob("*.deb"), *release.glob("*.rpm")):
        asked = "lintian" if package.suffix == ".deb" else "rpmlint"
        assert any(line.startswith(asked) and package.name in line and "||" not in line for line in looks.splitlines())


def test_the_version_is_said_once_and_is_everywhere_that_of_the_release(release: Path) -> None:
    # The collection has a version of its own, in its galaxy.yml.
    others = sorted(path.name for path in release.iterdir() if "0.2.0" not in path.name)
    assert others == ["SHA256SUMS", "natfix-natfix-1.0.0.tar.gz"]
    changelog = (release.parent.parent / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "## [Unreleased]\n\n## [0.2.0] - 2026-12-01\n\n### Added\n" in changelog
    with pytest.raises(ValueError, match="has nothing unreleased"):
        version.change(release.parent.parent, "0.3.0", "2026-12-02")


@pytest.fixture
def bill(release: Path) -> dict[str, Any]:
    (path,) = release.glob("*.cdx.json")
    read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return read


def test_it_holds_every_artefact_and_sums_that_hold(release: Path) -> None:
    names = sorted(path.name for path in release.iterdir())
    assert names == [
        "SHA256SUMS",
        "natfix-0.2.0-1.noarch.rpm",
        "natfix-0.2.0-1.src.rpm",
        "natfix-0.2.0-py3-none-any.whl",
        "natfix-0.2.0.cdx.json",
        "natfix-0.2.0.tar.gz",
        "natfix-natfix-1.0.0.tar.gz",
        "natfix_0.2.0-1_all.deb",
    ]
    checked = subprocess.run(["sha256sum", "--check", "SHA256SUMS"], check=True, capture_output=True, text=True, cwd=release)
    assert len(checked.stdout.splitlines()) == len(names) - 1


def test_a_difference_is_seen(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "same").write_text("same", encoding="ascii")
        (tmp_path / name / "unlike").write_text(f"{name:5}", encoding="ascii")
    (tmp_path / "one/alone").touch()
    assert differing(tmp_path / "one", tmp_path / "other") == ["alone", "unlike"]


@pytest.mark.parametrize(
    ("name", "command"), [("*.deb", ("dpkg-deb", "--contents")), ("*.noarch.rpm", ("rpm", "--query", "--list", "--package"))]
)
def test_the_bill_names_what_the_packages_carry(
    release: Path, bill: dict[str, Any], name: str, command: tuple[str, ...]
) -> None:
    (package,) = release.glob(name)
    listed = subprocess.run([*command, str(package)], check=True, capture_output=True, text=True).stdout
    assert re.search(r"/usr/share/natfix/monitoring/natfix\.rules\.yml$", listed, re.MULTILINE)
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

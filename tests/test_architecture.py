"""The shape of the tree: direction of imports, tests that mirror the code, sizes, what a package holds."""

import ast
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).resolve().parent.parent

# What computes and acts on nothing.
PURE = ("ruleset", "packets", "nft", "audit", "plan", "report", "routing")

# A file that names a registry or a path of its author's machine works on that machine alone.
UNPORTABLE = {
    "a package registry": re.compile(
        r"pypi\.(org|io|python)|pythonhosted\.org|npmjs\.(org|com)"
        r"|\b(deb|ftp|security|snapshot)(\.\w+)?\.debian\.org"
    ),
    "a path of one machine": re.compile(r"(?<![\w.}-])/(work|farm)/|/root/\.\w+"),
}


def repository_files() -> list[Path]:
    """List every file that is, or would be, committed."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    paths = (ROOT / name for name in listing.split("\0") if name)
    return sorted(path for path in paths if path.is_file())


FILES = repository_files()


def test_imports_go_one_way() -> None:
    assert lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True) == 0


def test_every_pure_package_is_kept_pure_and_covered_whole() -> None:
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    (forbidden,) = (one for one in tools["importlinter"]["contracts"] if "subprocess" in one.get("forbidden_modules", ()))
    assert forbidden["source_modules"] == ["natfix.errors", *(f"natfix.{package}" for package in PURE)]
    assert tools["coverage"]["report"]["include"] == [
        "natfix/errors.py",
        *(f"natfix/{package}/*" for package in PURE),
    ]


def test_every_pure_module_has_the_test_that_mirrors_it() -> None:
    modules = [Path("errors.py"), *(path.relative_to(ROOT / "natfix") for path in _pure_modules())]
    wanted = [Path("tests/unit", module.parent, f"test_{module.name}") for module in modules]
    assert [str(path) for path in wanted if not (ROOT / path).is_file()] == []


def test_every_unit_test_of_a_pure_module_has_the_module_it_mirrors() -> None:
    folders = [ROOT / "tests/unit" / package for package in PURE]
    found = [path for folder in folders for path in folder.rglob("test_*.py")]
    tests = [path.relative_to(ROOT / "tests/unit") for path in found]
    modules = [Path("natfix", test.parent, test.name.removeprefix("test_")) for test in tests]
    assert [str(path) for path in modules if not (ROOT / path).is_file()] == []


def _pure_modules() -> list[Path]:
    modules = [path for package in PURE for path in (ROOT / "natfix" / package).rglob("*.py")]
    return sorted(path for path in modules if path.name != "__init__.py")


@pytest.mark.parametrize("what", UNPORTABLE)
def test_no_file_names(what: str) -> None:
    found = []
    for path in FILES:
        text = path.read_text(encoding="utf-8", errors="replace")
        found += [f"{path.relative_to(ROOT)}: {match[0]}" for match in UNPORTABLE[what].finditer(text)]
    assert found == []


def test_no_python_file_is_longer_than_400_lines() -> None:
    lengths = {path: len(path.read_bytes().splitlines()) for path in FILES if path.suffix == ".py"}
    assert {str(path.relative_to(ROOT)): lines for path, lines in lengths.items() if lines > 400} == {}


def test_no_test_replaces_a_part_of_natfix() -> None:
    tests = [path for path in FILES if path.is_relative_to(ROOT / "tests") and path.suffix == ".py"]
    imports = {path: _imported(path) for path in tests}
    assert [str(path) for path, names in imports.items() if "unittest.mock" in names or "mock" in names] == []


def _imported(path: Path) -> set[str]:
    tree = ast.parse(path.read_bytes())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the sdist, and from it the wheel, as a release does; return the folder that holds both."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_wheel_holds_every_module_rule_and_unit(packages: Path) -> None:
    files = {str(path.relative_to(ROOT)) for path in FILES}
    data = {f"natfix/_data/{name}" for name in files if name.startswith(("rules/", "supervisor/", "systemd/"))}
    sources = {name for name in files if name.startswith("natfix/")}
    (wheel,) = packages.glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    assert {"natfix/_data/supervisor/natfix-watch.ini", "natfix/_data/systemd/docker.service.d/natfix.conf"} < data
    assert any(name.startswith("natfix/_data/rules/") for name in data)
    assert (data | sources) - held == set()


def test_the_sdist_holds_what_its_tests_need(packages: Path) -> None:
    (sdist,) = packages.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "README.md", "Makefile", "pyproject.toml", "tests/conftest.py", "tools/pin.py"} <= held

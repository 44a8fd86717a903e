"""The RPM as rpm itself sees it: its files, what it needs, what it says it carries, its scripts; tests/machine has its life."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from natfix import __version__
from natfix.cli.main import COMMANDS
from tests.packages.sources import EPOCH
from tools import rpm

ROOT = Path(__file__).resolve().parent.parent.parent
SITE = "/usr/lib/natfix/lib/python3/site-packages"


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory, wheels: Path) -> tuple[Path, Path]:
    """The package and its source package."""
    (sdist,) = wheels.glob("natfix-*.tar.gz")
    return rpm.build(sdist, sorted(wheels.glob("*.whl")), tmp_path_factory.mktemp("rpm"), EPOCH)


@pytest.fixture(scope="module")
def package(packages: tuple[Path, Path]) -> Path:
    return packages[0]


def ask(package: Path, *words: str) -> list[str]:
    done = subprocess.run(["rpm", "--query", "--package", package, *words], check=True, capture_output=True, text=True)
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_it_is_of_this_version_and_for_every_processor(package: Path) -> None:
    assert package.name == f"natfix-{__version__}-1.noarch.rpm"
    form = "%{version} %{arch} %{buildtime} %{buildhost} %{license}"
    assert ask(package, f"--queryformat={form}") == [
        f"{__version__} noarch {EPOCH} natfix.invalid Apache-2.0 AND BSD-2-Clause AND BSD-3-Clause AND ISC AND MIT"
    ]


def test_it_needs_a_python_beside_the_distributions_own_and_iptables_of_either_release(package: Path) -> None:
    needed = {line for line in ask(package, "--requires") if not line.startswith("rpmlib(")}
    assert needed == {"(iptables-nft or iptables)", "/bin/sh", "python3.11"}
    assert ask(package, "--recommends") == ["nftables", "python3.11-pyyaml"]


def test_every_unit_manual_and_completion_is_in_it(package: Path) -> None:
    files = set(ask(package, "--list"))
    units = {f"/usr/lib/systemd/system/{path.name}" for path in (ROOT / "systemd").glob("natfix-*")}
    manuals = {f"/usr/share/man/man1/natfix-{name}.1.gz" for name in COMMANDS}
    assert len(units) > 5
    assert units | manuals <= files
    monitoring = {str(path.relative_to(ROOT)) for path in (ROOT / "monitoring").rglob("*") if path.is_file()}
    assert {"monitoring/natfix.rules.yml", "monitoring/natfix-dashboard.json"} < monitoring
    assert {f"/usr/share/natfix/{path}" for path in monitoring} <= files
    assert {
        "/etc/natfix",
        "/etc/natfix/natfix.toml",
        "/usr/bin/natfix",
        "/usr/lib/natfix/pyvenv.cfg",
        "/usr/lib/systemd/system-preset/80-natfix.preset",
        "/usr/share/bash-completion/completions/natfix",
        "/usr/share/doc/natfix/CHANGELOG.md",
        "/usr/share/fish/vendor_completions.d/natfix.fish",
        "/usr/share/licenses/natfix/LICENSE",
        "/usr/share/man/man1/natfix.1.gz",
        "/usr/share/zsh/site-functions/_natfix",
        "/var/lib/natfix",
    } <= files
    rules = {path.name for path in (ROOT / "rules").glob("*/*.toml")}
    assert rules <= {path.rpartition("/")[2] for path in files if path.startswith(f"{SITE}/natfix/_data/rules/")}
    assert not [path for path in files if path.endswith((".so", ".pyc")) or "site-packages/tests" in path]


def test_settings_stay_as_their_owner_wrote_them(package: Path) -> None:
    assert ask(package, "--configfiles") == ["/etc/natfix/natfix.toml"]
    flags = ask(package, "--queryformat=[%{filenames} %{fileflags:fflags}\n]")
    # c: a setting; n: its newer form is put beside it.
    assert "/etc/natfix/natfix.toml cn" in flags


def test_documents_and_licence_are_known_as_such(package: Path) -> None:
    assert "/usr/share/licenses/natfix/LICENSE" in ask(package, "--licensefiles")
    assert {"/usr/share/doc/natfix/README.md", "/usr/share/man/man1/natfix.1.gz"} <= set(ask(package, "--docfiles"))


def test_files_are_roots_and_nobody_elses_to_change(package: Path) -> None:
    rows = ask(package, "--queryformat=[%{filemodes:perms} %{fileusername}:%{filegroupname} %{filenames}\n]")
    assert {row.split()[1] for row in rows} == {"root:root"}
    modes = {row.split()[2]: row.split()[0] for row in rows}
    assert [path for path, mode in modes.items() if mode[0] != "l" and mode[8] == "w"] == []
    assert {path for path, mode in modes.items() if mode == "-rwxr-xr-x"} == {"/usr/bin/natfix"}
    assert modes["/var/lib/natfix"] == "drwx------"


def test_it_says_what_it_carries_and_gives_it_to_nobody(package: Path) -> None:
    carried = {
        (found[1].lower().replace("_", "-"), found[2])
        for path in ask(package, "--list")
        if (found := re.fullmatch(rf"{SITE}/([^/]+)-([^/-]+)\.dist-info", path)) and found[1] != "natfix"
    }
    assert len(carried) > 5
    assert set(ask(package, "--provides")) == {
        f"natfix = {__version__}-1",
        *(f"bundled(python3dist({name})) = {version}" for name, version in carried),
    }


def test_its_scripts_are_shell_and_no_word_in_them_changes_a_rule(package: Path) -> None:
    told = "\n".join(ask(package, "--scripts"))
    scripts = re.split(r"^(\w+) scriptlet \(using /bin/sh\):$", told, flags=re.MULTILINE)
    assert scripts[1::2] == ["postinstall", "preuninstall", "postuninstall"]
    for text in scripts[2::2]:
        subprocess.run(["sh", "-n", "-c", text], check=True)
        # What it says to a person, or of itself, is no command.
        commands = re.sub(r'^ *#.*$|echo "[^"]*"', "", text, flags=re.MULTILINE)
        assert not re.search(r"\bip6?tables|\bnft (?!list |>)|\bnatfix (apply|guard|install|restore|watch)", commands)


def test_the_source_package_has_the_sources_and_a_spec_that_says_the_same(packages: tuple[Path, Path]) -> None:
    package, source = packages
    assert sorted(ask(source, "--list")) == [
        f"natfix-{__version__}-wheels.tar",
        f"natfix-{__version__}.tar.gz",
        "natfix.spec",
    ]
    spec = ROOT / rpm.SPEC
    done = subprocess.run(["rpmspec", "--query", "--requires", spec], check=True, capture_output=True, text=True)
    assert set(done.stdout.splitlines()) == {one for one in ask(package, "--requires") if not one.startswith("rpmlib(")}


def test_it_can_be_built_for_another_python_from_the_source_package(packages: tuple[Path, Path], tmp_path: Path) -> None:
    defined = (f"_topdir {tmp_path}", "natfix_python python3.12")
    command = ["rpmbuild", "--rebuild", "--nodeps", *(f"--define={one}" for one in defined), str(packages[1])]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "NATFIX_BUILD_PYTHON": sys.executable})
    (package,) = (tmp_path / "RPMS/noarch").glob("*.rpm")
    assert "python3.12" in ask(package, "--requires")
    links = ask(package, "--queryformat=[%{filenames} %{filelinktos}\n]")
    assert "/usr/lib/natfix/bin/python3 ../../../bin/python3.12" in links


def test_rpmlint_finds_no_error(packages: tuple[Path, Path]) -> None:
    command = ["rpmlint", "--config", str(ROOT / "packaging/rpm/rpmlint.toml"), *map(str, packages)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 packages and" in done.stdout
    assert " 0 errors," in done.stdout

"""The collection as a whole: what is built, documented, and judged by Ansible's own tools."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from natfix.errors import BusyError, ConflictError, NatfixError, RolledBackError, UnsupportedError
from natfix.report.document import SCHEMA
from tests.ansible.control import BIN, ROOT, Control, install_collection
from tests.packages.sources import EPOCH
from tools.collection import SOURCE, build

MODULES = sorted(path.stem for path in (SOURCE / "plugins/modules").glob("*.py"))
ROLE = SOURCE / "roles/natfix"
# Those of ansible-test's checks that need no program beside it.
OWN_SANITY = (
    *("action-plugin-docs", "compile", "empty-init", "ignores", "line-endings", "no-assert", "no-get-exception"),
    *("no-illegal-filenames", "no-smart-quotes", "replace-urlopen", "shebang", "symlinks", "use-argspec-type-path"),
)


def tool(program: str, *words: str, folder: Path, cwd: Path | None = None) -> str:
    """Run one of Ansible's tools, which must succeed, with *folder* as home and place of collections."""
    environment = {
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "HOME": str(folder),
        "ANSIBLE_HOME": str(folder / "home"),
        "ANSIBLE_COLLECTIONS_PATH": f"{folder}:{folder / 'collections'}",
        "LC_ALL": "C.UTF-8",
        "NO_COLOR": "1",
        "COLUMNS": "200",
    }
    command = [str(BIN / program), *words]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment, cwd=cwd or folder, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory, control: Control) -> Path:
    """The sources where Ansible's tools look for a collection."""
    place = tmp_path_factory.mktemp("tree") / "ansible_collections/natfix/natfix"
    return Path(shutil.copytree(SOURCE, place, ignore=shutil.ignore_patterns("__pycache__", ".ansible")))


def documented(control: Control, module: str) -> dict[str, Any]:
    """What ansible-doc tells of a module, as a value."""
    told = json.loads(tool("ansible-doc", "--type=module", "--json", f"natfix.natfix.{module}", folder=control.folder))
    found: dict[str, Any] = told[f"natfix.natfix.{module}"]
    return found


def members(archive: Path) -> dict[str, bytes | None]:
    """The files of an archive by name, and its folders."""
    with tarfile.open(archive) as opened:
        return {one.name: file.read() if (file := opened.extractfile(one)) else None for one in opened.getmembers()}


def test_two_builds_are_the_same_bytes(tmp_path: Path) -> None:
    other = Path(shutil.copytree(SOURCE, tmp_path / "deeper/ansible", symlinks=False))
    for path in other.rglob("*"):
        path.chmod(0o700)
        os.utime(path, (1, 1))
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one, two = build(tmp_path / "one", epoch=EPOCH), build(tmp_path / "two", epoch=EPOCH, source=other)
    assert one.read_bytes() == two.read_bytes()


def test_the_archive_is_what_ansible_galaxy_makes(tree: Path, tmp_path: Path) -> None:
    tool("ansible-galaxy", "collection", "build", "--output-path", str(tmp_path), folder=tmp_path, cwd=tree)
    (theirs,) = tmp_path.glob("*.tar.gz")
    (tmp_path / "ours").mkdir()
    ours = build(tmp_path / "ours", epoch=EPOCH)
    assert ours.name == theirs.name
    made, wanted = members(ours), members(theirs)
    assert sorted(made) == sorted(wanted)
    for name in ("MANIFEST.json", "FILES.json"):
        mine, other = (json.loads(each.pop(name) or b"") for each in (made, wanted))
        for listed in (mine, other):
            # Whose order is that of the file system, and whose sum follows from it.
            listed.get("files", []).sort(key=lambda one: one["name"])
            listed.get("file_manifest_file", {}).pop("chksum_sha256", None)
        assert mine == other
    assert made == wanted


def test_what_is_installed_is_what_was_built(control: Control, tmp_path: Path) -> None:
    # Where it has run, Python has left bytecode beside it.
    install_collection(tmp_path)
    words = ("collection", "verify", "--offline", "natfix.natfix")
    assert "Successfully verified" in tool("ansible-galaxy", *words, folder=tmp_path)


def test_it_names_the_version_that_its_changelog_begins_with() -> None:
    version = yaml.safe_load((SOURCE / "galaxy.yml").read_text(encoding="utf-8"))["version"]
    changelog = yaml.safe_load((SOURCE / "changelogs/changelog.yaml").read_text(encoding="utf-8"))["releases"]
    assert list(changelog)[-1] == version
    assert f"\nv{version}\n" in (SOURCE / "CHANGELOG.rst").read_text(encoding="utf-8")
    assert [one["name"] for one in changelog["1.0.0"]["modules"]] == MODULES
    assert f"natfix-natfix-{version}.tar.gz" in (SOURCE / "README.md").read_text(encoding="utf-8")


def test_ansible_lint_asks_for_nothing_in_its_production_profile(tree: Path) -> None:
    told = tool("ansible-lint", "--offline", "--profile=production", "--format=json", folder=tree.parents[2], cwd=tree)
    assert json.loads(told) == []


def test_ansible_tests_sanity_holds(tree: Path) -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    names = (word for name in OWN_SANITY for word in ("--test", name))
    tool("ansible-test", "sanity", "--python", version, *names, folder=tree.parents[2], cwd=tree)


def test_ansible_tests_validate_modules_misses_nothing_but_another_licence(tree: Path) -> None:
    """ansible-test would fetch what this program needs without asking for hashes, so it is called as ansible-test calls it."""
    root = tree.parents[2]
    found = tool("python", "-c", "import ansible_test; print(ansible_test.__path__[0])", folder=root).strip()
    modules = sorted(str(path.relative_to(tree)) for path in (tree / "plugins/modules").glob("*.py"))
    command = [
        str(BIN / "python"),
        f"{found}/_util/controller/sanity/validate-modules/validate.py",
        "--format=json",
        "--arg-spec",
    ]
    command += ["--collection", "ansible_collections/natfix/natfix", "--collection-version", "1.0.0", *modules]
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(root),
        "PYTHONPATH": str(root),
        "ANSIBLE_COLLECTIONS_PATH": str(root),
    }
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment, cwd=tree, timeout=120)
    assert done.stderr == ""
    told = json.loads(done.stdout)
    assert sorted(told) == modules
    assert {error["code"] for each in told.values() for error in each["errors"]} == {"missing-gplv3-license"}


@pytest.mark.parametrize("module", MODULES)
def test_ansible_doc_tells_every_option_and_every_value_that_is_returned(control: Control, module: str) -> None:
    told = documented(control, module)
    assert told["doc"]["short_description"]
    assert all(option["description"] and option["type"] for option in told["doc"]["options"].values())
    assert all(value["description"] and value["returned"] and value["type"] for value in told["return"].values())
    assert f"natfix.natfix.{module}:" in told["examples"]
    # Ansible refuses what a module does not take, and tells what it would.
    needed: dict[str, dict[str, object]] = {"apply": {"confirm": 0}, "undo": {"id": "none"}}
    refused = control.ask("localhost", f"natfix.natfix.{module}", no_such_option=1, **needed.get(module, {}))
    offered = refused.result["msg"].partition("Supported parameters include: ")[2].rstrip(".").split(", ")
    assert sorted(offered) == sorted(told["doc"]["options"])


def test_ansible_doc_tells_every_variable_of_the_role(control: Control) -> None:
    told = json.loads(tool("ansible-doc", "--type=role", "--json", "natfix.natfix.natfix", folder=control.folder))
    options = told["natfix.natfix.natfix"]["entry_points"]["main"]["options"]
    assert all(option["description"] for option in options.values())
    defaults = yaml.safe_load((ROLE / "defaults/main.yml").read_text(encoding="utf-8"))
    assert {name: option["default"] for name, option in options.items() if "default" in option} == defaults


def test_every_variable_that_the_role_reads_is_its_own_or_documented() -> None:
    known = set(
        yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]["main"]["options"]
    )
    known |= set(yaml.safe_load((ROLE / "vars/main.yml").read_text(encoding="utf-8")))
    texts = [path.read_text(encoding="utf-8") for folder in ("tasks", "templates") for path in (ROLE / folder).iterdir()]
    made = {name for text in texts for name in re.findall(r"(?:register|loop_var): (\w+)", text)}
    read = {name for text in texts for name in re.findall(r"\bnatfix_\w+", text)}
    assert read - known - made == set()


@pytest.mark.parametrize("playbook", sorted(path.stem for path in (SOURCE / "playbooks").glob("*.yml")))
def test_every_playbook_is_accepted(control: Control, playbook: str) -> None:
    assert control.play("--syntax-check", f"natfix.natfix.{playbook}").code == 0


def test_the_words_for_exit_codes_are_all_there() -> None:
    text = (SOURCE / "plugins/module_utils/natfix.py").read_text(encoding="utf-8")
    for error in (NatfixError, ConflictError, RolledBackError, UnsupportedError, BusyError):
        assert f"\n    {error.exit_code}: " in text
    assert f"\nSCHEMA = {SCHEMA}\n" in text
    assert f"\nBUSY = {BusyError.exit_code}\n" in (SOURCE / "plugins/action/apply.py").read_text(encoding="utf-8")


def test_what_runs_on_hosts_is_accepted_by_the_oldest_python_ansible_serves_there() -> None:
    for path in (SOURCE / "plugins").rglob("*.py"):
        ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 8))


def test_the_sources_stand_in_the_repository() -> None:
    assert ROOT / "ansible" == SOURCE

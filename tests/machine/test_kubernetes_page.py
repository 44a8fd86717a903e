"""docs/kubernetes.md: its kustomization is rendered, and kubectl knows its commands, as far as that shows without a cluster."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.machine.machines.container import Kubectl
from tests.machine.machines.manifests import KUBERNETES, OVERLAYS, OWN, one, render

pytestmark = [pytest.mark.machine("debootstrap"), pytest.mark.slow]

PAGE = (KUBERNETES.parent / "docs/kubernetes.md").read_text(encoding="utf-8")
# Nobody listens there: a command that kubectl understands ends there, and no other.
NOWHERE = "--server=http://127.0.0.1:1"
UNHEARD = re.compile(r"127\.0\.0\.1:1\b.* (was|connection) refused")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def commands() -> list[list[str]]:
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    lines += re.findall(r"`(kubectl [^`]+)`", PAGE)
    return [words for line in lines if (words := shlex.split(line, comments=True))]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with the folder beside it that the page has people write."""
    (tmp_path / "natfix").symlink_to(KUBERNETES.parent)
    (tmp_path / "my-cluster").mkdir()
    written = (*blocks("yaml"), *blocks("toml"))
    for text in written:
        name = re.match(r"# my-cluster/([\w.]+)", text)
        assert name is not None, text
        (tmp_path / "my-cluster" / name[1]).write_text(text, encoding="utf-8")
    assert len(written) == 2
    return tmp_path


def test_the_folder_of_ones_own_is_rendered(kubectl: Kubectl, checkout: Path) -> None:
    manifests = render(kubectl, checkout / "my-cluster")
    (container,) = one(manifests, "DaemonSet")["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.example/natfix:1"
    assert 'cluster-cidr = ["10.244.0.0/16"]' in one(manifests, "ConfigMap")["data"]["natfix.toml"]


def test_the_way_out_is_the_same_folder_with_another_overlay(kubectl: Kubectl, checkout: Path) -> None:
    file = checkout / "my-cluster/kustomization.yaml"
    file.write_text(file.read_text().replace("overlays/guard", "overlays/uninstall"))
    spec = one(render(kubectl, checkout / "my-cluster"), "DaemonSet")["spec"]["template"]["spec"]
    assert spec["initContainers"][0]["args"] == ["guard", "off", "--forget"]
    assert {each["image"] for each in (*spec["initContainers"], *spec["containers"])} == {"registry.example/natfix:1"}


def test_every_command_is_one_that_kubectl_knows(kubectl: Kubectl, checkout: Path) -> None:
    tried = 0
    for words in commands():
        assert words[0] == "kubectl", words
        asked = [word.replace("POD", "natfix-x1") for word in words[1:]]
        done = kubectl.run([str(kubectl.program), NOWHERE, *asked], cwd=checkout)
        heard = done.returncode == 0 if asked[0] == "kustomize" else UNHEARD.search(done.stderr) is not None
        assert heard, f"{shlex.join(words)}: {done.stdout[-500:]}{done.stderr}"
        tried += 1
    assert tried >= 12


def test_a_command_that_kubectl_does_not_know_is_told(kubectl: Kubectl) -> None:
    done: subprocess.CompletedProcess[str] = kubectl.run([str(kubectl.program), NOWHERE, "get", "--no-such-option"])
    assert UNHEARD.search(done.stderr) is None


def test_the_tests_own_kustomization_is_the_pages() -> None:
    (page,) = blocks("yaml")
    theirs, ours = yaml.safe_load(page), yaml.safe_load(OWN.format(overlay="x"))
    assert {**theirs, "resources": ["x"]} == ours


def test_every_overlay_is_told_of() -> None:
    table = PAGE.partition("### Which overlay")[2].partition("\n## ")[0]
    assert sorted(re.findall(r"^\| (\w+) \| (?!for)", table, re.MULTILINE)) == sorted(name for name in OVERLAYS)

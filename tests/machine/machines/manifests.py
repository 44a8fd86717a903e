"""kubernetes/ as kubectl renders it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.machine.machines.container import Kubectl
from tests.machine.machines.pair import DockerHost
from tests.machine.machines.podspec import PodSpec

KUBERNETES = Path(__file__).resolve().parents[3] / "kubernetes"
OVERLAYS = tuple(sorted(folder.name for folder in (KUBERNETES / "overlays").iterdir()))
# What docs/kubernetes.md tells people to write for their own cluster.
OWN = """\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
  - {overlay}
configMapGenerator:
  - name: natfix
    namespace: natfix
    behavior: replace
    files:
      - natfix.toml
images:
  - name: natfix
    newName: registry.example/natfix
    newTag: "1"
"""

Manifest = Mapping[str, Any]


def render(kubectl: Kubectl, folder: Path) -> list[Manifest]:
    """Render a kustomization."""
    return [each for each in yaml.safe_load_all(kubectl.kustomize(folder)) if each]


def own(kubectl: Kubectl, folder: Path, overlay: str, settings: str) -> list[Manifest]:
    """Render an *overlay* with somebody's own settings and image, as docs/kubernetes.md says."""
    place = folder / overlay
    place.mkdir()
    # kustomize wants paths from one folder to the other.
    path = Path("../" * len(place.resolve().parts[1:]), *(KUBERNETES / "overlays" / overlay).parts[1:])
    (place / "kustomization.yaml").write_text(OWN.format(overlay=path), encoding="utf-8")
    (place / "natfix.toml").write_text(settings, encoding="utf-8")
    return render(kubectl, place)


def one(manifests: Sequence[Manifest], kind: str) -> Manifest:
    """The only manifest of a *kind*."""
    (found,) = (each for each in manifests if each["kind"] == kind)
    return found


def pod(manifests: Sequence[Manifest], host: DockerHost) -> PodSpec:
    """The DaemonSet's pod on *host*."""
    configs = {each["metadata"]["name"]: each["data"] for each in manifests if each["kind"] == "ConfigMap"}
    return PodSpec(one(manifests, "DaemonSet")["spec"]["template"]["spec"], configs, host)

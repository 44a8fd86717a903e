"""kubernetes/: rendered by Debian's kubectl, held against the schemas of Kubernetes, and asking for no more than it says."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest

from tests.machine.machines.container import Kubectl
from tests.machine.machines.manifests import KUBERNETES, OVERLAYS, Manifest, one, own, render

pytestmark = [pytest.mark.machine("debootstrap"), pytest.mark.slow]

# Those that Kubernetes supported when this was written, and a few before them, which clusters still run.
VERSIONS = ("1.29", "1.31", "1.33", "1.34", "1.35", "1.36", "1.37")
# Kubernetes knows nothing of the Prometheus operator's resource, whose definition no package here carries: this is the part
# of its API (monitoring.coreos.com/v1) that is used, with nothing beside it allowed.
LABEL = {"type": "string"}
SERVICE_MONITOR: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "properties": {
        "apiVersion": {"const": "monitoring.coreos.com/v1"},
        "kind": {"const": "ServiceMonitor"},
        "metadata": {"type": "object", "required": ["name", "namespace"]},
        "spec": {
            "type": "object",
            "additionalProperties": False,
            "required": ["endpoints", "selector"],
            "properties": {
                "selector": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["matchLabels"],
                    "properties": {"matchLabels": {"type": "object", "additionalProperties": LABEL}},
                },
                "endpoints": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "additionalProperties": False,
                        "required": ["port"],
                        "properties": {
                            "port": {"type": "string"},
                            "interval": {"type": "string", "pattern": "^[0-9]+[smh]$"},
                            "relabelings": {
                                "type": "array",
                                "items": {
                                    "type": "object",
                                    "additionalProperties": False,
                                    "properties": {
                                        "sourceLabels": {"type": "array", "items": LABEL},
                                        "targetLabel": LABEL,
                                    },
                                },
                            },
                        },
                    },
                },
            },
        },
    },
}


@pytest.fixture(scope="module")
def rendered(kubectl: Kubectl) -> dict[str, list[Manifest]]:
    """Each overlay as kubectl renders it."""
    return {name: render(kubectl, KUBERNETES / "overlays" / name) for name in OVERLAYS}


def containers(manifests: list[Manifest]) -> Iterator[Manifest]:
    spec = one(manifests, "DaemonSet")["spec"]["template"]["spec"]
    yield from (*spec.get("initContainers", []), *spec["containers"])


def added(manifests: list[Manifest]) -> list[list[str]]:
    return [each["securityContext"]["capabilities"].get("add", []) for each in containers(manifests)]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_is_what_kubernetes_takes(rendered: dict[str, list[Manifest]], version: str) -> None:
    # Many are in several overlays, and each is asked about once.
    every = {json.dumps(each, sort_keys=True): each["kind"] for manifests in rendered.values() for each in manifests}
    kinds = [kind for kind in every.values() if kind != "ServiceMonitor"]
    assert sorted(kinds) == sorted(["ConfigMap", "Namespace", "Service", "ServiceAccount", *["DaemonSet"] * len(OVERLAYS)])
    for manifest in (json.loads(text) for text, kind in every.items() if kind != "ServiceMonitor"):
        kubernetes_validate.validate(manifest, version, strict=True)


def test_what_kubernetes_does_not_know_is_refused(rendered: dict[str, list[Manifest]]) -> None:
    wrong = json.loads(json.dumps(one(rendered["guard"], "DaemonSet")))
    wrong["spec"]["template"]["spec"]["containers"][0]["securityContext"]["capabilites"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="capabilites"):
        kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)


def test_the_service_monitor_finds_the_service_and_its_port(rendered: dict[str, list[Manifest]]) -> None:
    monitor, service = (one(rendered["prometheus"], kind) for kind in ("ServiceMonitor", "Service"))
    jsonschema.Draft202012Validator(SERVICE_MONITOR).validate(monitor)
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["metadata"]["namespace"] == service["metadata"]["namespace"] == "natfix"
    (port,) = service["spec"]["ports"]
    (endpoint,) = monitor["spec"]["endpoints"]
    (container,) = containers(rendered["prometheus"])
    assert endpoint["port"] == port["name"]
    assert port["targetPort"] == container["ports"][0]["name"]
    labels = one(rendered["prometheus"], "DaemonSet")["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()


def test_nothing_is_added_but_net_admin_and_for_legacy_net_raw(rendered: dict[str, list[Manifest]]) -> None:
    assert {name: added(manifests) for name, manifests in rendered.items()} == {
        "guard": [["NET_ADMIN"]],
        "legacy": [["NET_ADMIN", "NET_RAW"]],
        "prometheus": [["NET_ADMIN"]],
        "rhel": [["NET_ADMIN"]],
        "uninstall": [["NET_ADMIN"], []],
        "watch": [["NET_ADMIN"]],
    }
    for each in (each for manifests in rendered.values() for each in containers(manifests)):
        rights = each["securityContext"]
        assert rights["capabilities"]["drop"] == ["ALL"]
        assert (rights.get("privileged", False), rights["allowPrivilegeEscalation"]) == (False, False)
        assert rights["readOnlyRootFilesystem"]


def test_of_the_host_it_sees_its_network_and_the_named_files_alone(rendered: dict[str, list[Manifest]]) -> None:
    written = {}
    for name, manifests in rendered.items():
        spec = one(manifests, "DaemonSet")["spec"]["template"]["spec"]
        assert not {"hostPID", "hostIPC"} & set(spec)
        assert (spec["hostNetwork"], spec["automountServiceAccountToken"]) == (True, False)
        paths = {volume["name"]: volume["hostPath"]["path"] for volume in spec["volumes"] if "hostPath" in volume}
        mounts = [mount for each in containers(manifests) for mount in each.get("volumeMounts", [])]
        written[name] = sorted(paths[each["name"]] for each in mounts if each["name"] in paths and not each.get("readOnly"))
    usual = ["/etc/iptables", "/run/natfix.lock", "/run/xtables.lock", "/var/lib/natfix"]
    assert written == dict.fromkeys(OVERLAYS, usual) | {"rhel": ["/etc/sysconfig", *usual[1:]]}


def test_it_runs_on_every_node_and_an_update_replaces_few_at_a_time(rendered: dict[str, list[Manifest]]) -> None:
    for name, manifests in rendered.items():
        daemons = one(manifests, "DaemonSet")["spec"]
        spec = daemons["template"]["spec"]
        assert spec["tolerations"] == [{"operator": "Exists"}]
        assert spec["priorityClassName"] == "system-node-critical"
        few = daemons["updateStrategy"]["rollingUpdate"]["maxUnavailable"]
        assert few == ("100%" if name == "uninstall" else "10%")


def test_the_overlays_say_what_the_pods_do(rendered: dict[str, list[Manifest]]) -> None:
    assert {name: next(containers(manifests))["args"] for name, manifests in rendered.items()} == {
        "guard": ["watch", "--guard"],
        "legacy": ["watch", "--guard"],
        "prometheus": ["watch", "--guard", "--metrics-listen=$(NODE_ADDRESS):9735"],
        "rhel": ["watch", "--guard"],
        "uninstall": ["guard", "off", "--forget"],
        "watch": ["watch"],
    }


def test_a_change_of_the_settings_is_a_rolling_update(kubectl: Kubectl, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    some = own(kubectl, tmp_path, "guard", 'cluster-cidr = ["172.7.0.0/16"]\n')
    others = own(kubectl, tmp_path / "other", "guard", 'cluster-cidr = ["172.8.0.0/16"]\n')
    named = [one(each, "DaemonSet")["spec"]["template"]["spec"]["volumes"][0]["configMap"]["name"] for each in (some, others)]
    assert named[0] != named[1]
    assert named == [one(each, "ConfigMap")["metadata"]["name"] for each in (some, others)]
    (container,) = containers(some)
    assert container["image"] == "registry.example/natfix:1"


def test_kubectl_is_debians(kubectl: Kubectl) -> None:
    assert "Client Version: v1.32" in kubectl.version()

"""A pod's container as `docker run` takes it, read from a manifest: what kubelet would do on a node, as far as natfix uses it.

What is not known here is refused, so that a manifest cannot ask for more than the tests run.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.machine.machines.pair import DockerHost

Fields = Mapping[str, Any]
# Where kubelet keeps what it makes for a pod.
KUBELET = "/var/lib/kubelet/pods/natfix"
POD_FIELDS = {
    "automountServiceAccountToken", "containers", "dnsPolicy", "enableServiceLinks", "hostNetwork", "initContainers",
    "nodeSelector", "priorityClassName", "securityContext", "serviceAccountName", "terminationGracePeriodSeconds",
    "tolerations", "volumes",
}  # fmt: skip
CONTAINER_FIELDS = {
    "args", "command", "env", "image", "imagePullPolicy", "name", "ports", "readinessProbe", "resources", "securityContext",
    "volumeMounts",
}  # fmt: skip
RIGHTS = {
    "allowPrivilegeEscalation", "capabilities", "privileged", "readOnlyRootFilesystem", "runAsGroup", "runAsNonRoot",
    "runAsUser", "seLinuxOptions",
}  # fmt: skip
UNITS = {"Mi": "m", "Ki": "k", "Gi": "g"}


@dataclass(frozen=True)
class PodSpec:
    """The pod of a DaemonSet on one node.

    Attributes:
        spec: spec.template.spec of the DaemonSet.
        configs: the ConfigMaps it may name, each with its files.
        host: the node.
    """

    spec: Fields
    configs: Mapping[str, Mapping[str, str]]
    host: DockerHost

    def container(self, kind: str = "containers") -> Fields:
        """The only container of a *kind*."""
        (found,) = self.spec[kind]
        assert set(found) <= CONTAINER_FIELDS, f"not run by the tests: {set(found) - CONTAINER_FIELDS}"
        container: Fields = found
        return container

    def options(self, kind: str = "containers") -> list[str]:
        """What `docker run` is told: options, image, arguments. What is mounted is made on the node, as kubelet would."""
        assert set(self.spec) <= POD_FIELDS, f"not run by the tests: {set(self.spec) - POD_FIELDS}"
        container = self.container(kind)
        command = [self._expanded(word) for word in container.get("command", [])]
        arguments = [self._expanded(word) for word in container.get("args", [])]
        return [
            *(["--network=host"] if self.spec["hostNetwork"] else []),
            *self._rights(container["securityContext"]),
            *(f"--env={name}={value}" for name, value in self._variables(container).items()),
            *(option for mount in container.get("volumeMounts", []) for option in self._mount(mount)),
            *_resources(container["resources"]),
            f"--stop-timeout={self.spec['terminationGracePeriodSeconds']}",
            *([f"--entrypoint={command[0]}"] if command else []),
            container["image"],
            *command[1:],
            *arguments,
        ]

    def probe(self) -> list[str]:
        """The command whose exit code says whether the container is ready."""
        return list(self.container()["readinessProbe"]["exec"]["command"])

    def _rights(self, asked: Fields) -> Iterator[str]:
        assert set(asked) <= RIGHTS, f"not run by the tests: {set(asked) - RIGHTS}"
        assert not asked.get("privileged")
        for capability in asked["capabilities"]["drop"]:
            yield f"--cap-drop={capability}"
        for capability in asked["capabilities"].get("add", []):
            yield f"--cap-add={capability}"
        if asked["readOnlyRootFilesystem"]:
            yield "--read-only"
        if not asked["allowPrivilegeEscalation"]:
            yield "--security-opt=no-new-privileges"
        yield f"--user={asked['runAsUser']}:{asked.get('runAsGroup', asked['runAsUser'])}"
        # The runtime's own profile is what Docker takes when it is told nothing.
        assert self.spec["securityContext"] == {"seccompProfile": {"type": "RuntimeDefault"}}

    def _variables(self, container: Fields) -> dict[str, str]:
        found = {}
        for variable in container.get("env", []):
            known = {"status.hostIP": self.host.address}
            found[variable["name"]] = known[variable["valueFrom"]["fieldRef"]["fieldPath"]]
        return found

    def _expanded(self, word: str) -> str:
        variables = self._variables(self.container())
        return re.sub(r"\$\((\w+)\)", lambda match: variables[match[1]], word)

    def _mount(self, mount: Fields) -> Iterator[str]:
        (volume,) = (each for each in self.spec["volumes"] if each["name"] == mount["name"])
        target = mount["mountPath"]
        if "emptyDir" in volume:
            assert volume["emptyDir"]["medium"] == "Memory"
            yield f"--tmpfs={target}:size={_size(volume['emptyDir']['sizeLimit'])},mode=777"
            return
        source = self._config(volume) if "configMap" in volume else self._from_host(volume["hostPath"])
        yield f"--mount=type=bind,source={source},target={target}" + (",readonly" if mount.get("readOnly") else "")

    def _from_host(self, wanted: Fields) -> str:
        path = str(wanted["path"])
        make = {
            "DirectoryOrCreate": f"mkdir -p {path}",
            "FileOrCreate": f"[ -e {path} ] || (umask 133; : >{path})",
            "Directory": f"[ -d {path} ]",
        }
        self.host.output("sh", "-c", make[wanted["type"]])
        return path

    def _config(self, volume: Fields) -> str:
        """Lay a ConfigMap down as kubelet does: each file is a link into a folder that is exchanged as a whole."""
        place = f"{KUBELET}/volumes/kubernetes.io~configmap/{volume['name']}"
        for name, text in self.configs[volume["configMap"]["name"]].items():
            self.host.put(f"{place}/..2026_01_01_00_00_00.1/{name}", text)
            self.host.output("ln", "-sfn", "..2026_01_01_00_00_00.1", f"{place}/..data")
            self.host.output("ln", "-sfn", f"..data/{name}", f"{place}/{name}")
        return place


def _resources(asked: Fields) -> Iterator[str]:
    yield f"--memory={_size(asked['limits']['memory'])}"
    # As kubelet: 1024 shares for a processor.
    yield f"--cpu-shares={max(2, int(asked['requests']['cpu'].removesuffix('m')) * 1024 // 1000)}"


def _size(text: str) -> str:
    return text[:-2] + UNITS[text[-2:]]

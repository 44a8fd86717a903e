"""A container runtime of the node's own, beside docker.service: what kubelet has, and a restart of Docker does not touch.

It is a second real dockerd that writes no rules and makes no networks, in containerd's namespace of its own.
"""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.machine.machines.pair import DockerHost
from tests.machine.machines.patience import eventually
from tests.machine.machines.podspec import PodSpec

SOCKET = "unix:///run/pods/docker.sock"
# Below a folder that is no overlay, as the machine's own disk is one.
ROOT = "/var/lib/docker/pods"
UNIT = f"""\
[Unit]
Description=Containers of pods
After=containerd.service

[Service]
Type=notify
RuntimeDirectory=pods
ExecStart=/usr/sbin/dockerd --config-file=/etc/docker/pods.json --host={SOCKET} --containerd=/run/containerd/containerd.sock
Delegate=yes
KillMode=process
"""
CONFIG = {
    "data-root": ROOT, "exec-root": "/run/pods/exec", "pidfile": "/run/pods/pid", "bridge": "none", "iptables": False,
    "ip6tables": False, "ip-masq": False, "containerd-namespace": "pods", "containerd-plugins-namespace": "pods-plugins",
}  # fmt: skip
IMAGE_FOLDER = "/root/image"


class Runtime:
    """The runtime of a node.

    Args:
        host: the node.
    """

    def __init__(self, host: DockerHost) -> None:
        self.host = host

    def start(self, folder: Path, image: str) -> str:
        """Start it and build *image* from what lies in *folder* of this machine; return what the build printed."""
        self.host.put("/etc/docker/pods.json", json.dumps(CONFIG))
        self.host.put("/etc/systemd/system/pods.service", UNIT)
        self.host.output("systemctl", "start", "pods.service")
        # Told to have no bridge, a dockerd takes docker0 away at its start, and docker.service's brings it back at its own.
        self.host.restart_docker()
        return self.build(folder, image)

    def build(self, folder: Path, image: str) -> str:
        """Build *image* from what lies in *folder* of this machine; return what the build printed."""
        self.host.output("mkdir", "-p", IMAGE_FOLDER)
        packed = subprocess.run(["tar", "-C", str(folder), "-c", "."], check=True, capture_output=True).stdout
        subprocess.run(self.host.inside("tar", "-C", IMAGE_FOLDER, "-x"), check=True, input=packed, capture_output=True)
        # The builder that is part of every dockerd; the other one is a program of its own, which is fetched.
        build = ("env", "DOCKER_BUILDKIT=0", "docker", f"--host={SOCKET}", "build", f"--file={IMAGE_FOLDER}/Containerfile")
        told = self.host.output(*build, f"--tag={image}", IMAGE_FOLDER, seconds=120)
        self.host.output("rm", "-r", IMAGE_FOLDER)
        return told

    def docker(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run docker for this runtime."""
        return self.host.run("docker", f"--host={SOCKET}", *words)

    def output(self, *words: str) -> str:
        """Run docker for this runtime, which has to succeed."""
        return self.host.output("docker", f"--host={SOCKET}", *words)

    @contextmanager
    def pod(self, spec: PodSpec, name: str = "natfix") -> Iterator["RunningPod"]:
        """Run the init containers of a pod, and then its container until the end of the context, as kubelet would."""
        if "initContainers" in spec.spec:
            done = self.docker("run", "--rm", *spec.options("initContainers"))
            assert done.returncode == 0, done.stdout + done.stderr
        try:
            self.output("run", "--detach", f"--name={name}", "--restart=always", *spec.options())
            yield RunningPod(self, spec, name)
        finally:
            with suppress(AssertionError):
                self.output("stop", name)
            self.docker("rm", "--force", name)


class RunningPod:
    """A pod that runs.

    Args:
        runtime: where.
        spec: what.
        name: its container's.
    """

    def __init__(self, runtime: Runtime, spec: PodSpec, name: str) -> None:
        self._runtime = runtime
        self._spec = spec
        self._name = name

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a program in it, as kubectl exec does."""
        return self._runtime.docker("exec", self._name, *words)

    def probe(self) -> subprocess.CompletedProcess[str]:
        """Ask it whether it is ready, once."""
        return self.run(*self._spec.probe())

    def wait_until_ready(self) -> None:
        """Wait for that.

        Raises:
            AssertionError: it is not in time.
        """
        ready = eventually(lambda: self.probe().returncode == 0)
        assert ready, f"{self.probe().stdout}{self.logs()}"

    def logs(self) -> str:
        """What it printed."""
        done = self._runtime.docker("logs", self._name)
        return done.stdout + done.stderr

    def started(self) -> str:
        """When it was started, and how often it was started again."""
        return self._runtime.output("inspect", "--format={{.State.StartedAt}} {{.RestartCount}}", self._name).strip()

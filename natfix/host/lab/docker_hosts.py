"""The two hosts with a real dockerd on each, whose one container serves HTTP."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

from natfix.app.lab import CASES, DOCKER_CASES, HOST_A, OUTSIDE, POD_A, POD_B, PUBLISHED_PORT, Hosts
from natfix.app.ports import Variant
from natfix.errors import HostError
from natfix.host.lab.dockerd import IMAGE, Dockerd, link_iptables, write_image
from natfix.host.lab.network import OUTSIDE_NAMESPACE, SIDE_A, SIDE_B, SIDES, Side, make_wire
from natfix.host.lab.traffic import NO_ANSWER, SERVER_PATH, ask_from, run_natfix_in, seen_by, start_server, wait_until
from natfix.report.lab import Case

_NAMESPACES: Final = {OUTSIDE: OUTSIDE_NAMESPACE, HOST_A: SIDE_A.namespace}
_PODS: Final = {POD_A: SIDE_A, POD_B: SIDE_B}
_CONTAINER = "pod"
_SERVER = "exec /bin/busybox httpd -f -vv -p 80 -h /www 2>&1"


class DockerHosts(Hosts):
    """Two hosts with a dockerd each.

    Args:
        backend: which iptables dockerd calls.
        folder: where everything of both goes.
        cgroup: the parent of their containers' control groups.
    """

    def __init__(self, backend: Variant, folder: Path, cgroup: str) -> None:
        if os.geteuid() != 0 or not _is_root_outside():
            raise HostError("a real dockerd needs root", hint="Without --docker the lab needs none.")
        self.backend = backend
        self.docker = ""
        self.cases = CASES + DOCKER_CASES
        self._folder = folder
        link_iptables(folder / "bin", backend)
        self._dockerd = {side: Dockerd(side, folder / side.letter, cgroup, folder / "bin") for side in SIDES}

    def start_docker(self) -> None:
        """Make the hosts, start both dockerds, and one container on each; that of host A publishes its port.

        Raises:
            HostError: a program is missing or failed; its own words are in the message.
        """
        make_wire()
        start_server(OUTSIDE_NAMESPACE)
        image = self._folder / "image.tar"
        write_image(image)
        for side, published in ((SIDE_A, (f"--publish={PUBLISHED_PORT}:80",)), (SIDE_B, ())):
            self._dockerd[side].start()
            self._dockerd[side].docker("import", str(image), IMAGE)
            self._run_pod(side, *published)
        self.docker = self._dockerd[SIDE_A].docker("version", "--format={{.Server.Version}}").strip()

    def restart_docker(self) -> None:
        """Restart dockerd on host A, which starts its container again.

        Raises:
            HostError: it does not stop, or not start.
        """
        self._dockerd[SIDE_A].restart()
        self._wait_for_pod(SIDE_A)

    def run_natfix(self, words: Sequence[str]) -> tuple[int, str]:
        """Run a natfix command on host A, and return its exit code and what it printed."""
        return run_natfix_in(SIDE_A.namespace, words)

    def source_seen(self, case: Case, label: str) -> str:
        """Open a new TCP connection, and return the source address that the far end reports, or ``no answer``."""
        if case.sender not in _PODS:
            return ask_from(_NAMESPACES[case.sender], case.receiver.address, case.port, label)
        url = f"http://{case.receiver.address}:{case.port}{SERVER_PATH}{label}"
        # Without -T: the wget of Debian's busybox-static 1.35 crashes on it.
        wget = ("exec", _CONTAINER, "/bin/busybox", "wget", "-q", "-O", "-", url)
        return seen_by(self._dockerd[_PODS[case.sender]].client(*wget))

    def server_log(self) -> Sequence[str]:
        """Return what the server in pod B said about each request of a case."""
        lines = self._dockerd[SIDE_B].docker("logs", _CONTAINER).splitlines()
        return [line for line in lines if f"url:{SERVER_PATH}" in line and not line.endswith(SERVER_PATH)]

    def _run_pod(self, side: Side, *options: str) -> None:
        # Its first process heeds no SIGTERM, and a restart of dockerd would wait for it.
        options = ("--detach", f"--name={_CONTAINER}", "--restart=always", "--stop-signal=KILL", *options)
        self._dockerd[side].docker("run", *options, IMAGE, "/bin/busybox", "sh", "-c", _SERVER)
        self._wait_for_pod(side)

    def _wait_for_pod(self, side: Side) -> None:
        wait_until(partial(self._pod_answers, side), what=f"an answer of {side.pod.name}")

    def _pod_answers(self, side: Side) -> bool:
        return ask_from(side.namespace, side.pod.address, 80, "") != NO_ANSWER


def _is_root_outside() -> bool:
    """Tell whether root here is root of the machine, and not of a user namespace."""
    return Path("/proc/self/uid_map").read_text().split() == ["0", "0", "4294967295"]

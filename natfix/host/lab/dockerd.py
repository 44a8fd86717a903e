"""A dockerd of the lab's own in the network namespace of one host, and the image of its one container."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path
from typing import Final

from natfix.app.ports import Variant
from natfix.errors import HostError
from natfix.host.lab.commands import run, within
from natfix.host.lab.network import Side
from natfix.host.lab.traffic import wait_until
from natfix.host.programs import find, missing

IMAGE: Final = "natfix-lab:1"

_START_TRIES = 600
_STOP_SECONDS = 60.0
_LAST_LINES = 20
# What the container's server answers: the address it was reached from.
_SCRIPT = b'#!/bin/busybox sh\necho Content-Type: text/plain\necho\necho "$REMOTE_ADDR"\n'


class Dockerd:
    """One dockerd with all its state in a folder of its own.

    Args:
        side: its host.
        folder: where everything it writes goes; short, as it holds Unix sockets.
        cgroup: the parent of its containers' control groups.
        programs: a folder in which it finds its iptables.
    """

    def __init__(self, side: Side, folder: Path, cgroup: str, programs: Path) -> None:
        folder.mkdir()
        (folder / "daemon.json").write_text("{}\n")
        self._side = side
        self._folder = folder
        self._cgroup = cgroup
        self._environment = dict(os.environ) | {"PATH": f"{programs}:{os.environ['PATH']}"}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers.

        Raises:
            HostError: it ended, or did not answer in time; the message holds the end of its log.
        """
        try:
            with (self._folder / "log").open("ab") as log:
                command = within(self._side.namespace, *self._command())
                self._process = subprocess.Popen(command, stdout=log, stderr=log, env=self._environment)
            wait_until(self._answers, what=f"the start of dockerd on host {self._side.letter.upper()}", tries=_START_TRIES)
        except HostError as error:
            raise HostError(f"{error.message}; its last words:\n{self._last_words()}") from error

    def restart(self) -> None:
        """Stop it as systemd would, and start it again.

        Raises:
            HostError: it does not stop, or not start.
        """
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired as error:
                raise HostError(f"dockerd on host {self._side.letter.upper()} did not stop") from error
        self.start()

    def docker(self, *words: str) -> str:
        """Run the docker client with *words*, and return what it printed.

        Raises:
            HostError: it failed.
        """
        return run(self.client(*words))

    def client(self, *words: str) -> list[str]:
        """Make the command of the docker client with *words*."""
        return ["docker", "--config", str(self._folder), "-H", self._socket, *words]

    @property
    def _socket(self) -> str:
        return f"unix://{self._folder}/sock"

    def _command(self) -> list[str]:
        return [
            "dockerd",
            f"--config-file={self._folder}/daemon.json",
            f"--data-root={self._folder}/data",
            f"--exec-root={self._folder}/exec",
            f"--pidfile={self._folder}/pid",
            f"--host={self._socket}",
            f"--bip={self._side.bridge}",
            f"--cgroup-parent=/{self._cgroup}",
            "--exec-opt=native.cgroupdriver=cgroupfs",
            "--storage-driver=vfs",
        ]

    def _answers(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            raise HostError(f"dockerd on host {self._side.letter.upper()} ended with {self._process.returncode}")
        return subprocess.run(self.client("version"), capture_output=True, check=False).returncode == 0

    def _last_words(self) -> str:
        lines = (self._folder / "log").read_text(errors="replace").splitlines()
        return "\n".join(f"    {line}" for line in lines[-_LAST_LINES:])


def link_iptables(folder: Path, backend: Variant) -> None:
    """Fill *folder* with the names that dockerd calls iptables by, each leading to the program of *backend*.

    Raises:
        HostError: there is no such program.
    """
    folder.mkdir()
    for name in ("iptables", "ip6tables"):
        program = find(f"{name}-{backend}")
        if program is None:
            raise missing(f"{name}-{backend}")
        # These are one program with many names, which looks at the name it was called by.
        (folder / name).symlink_to(Path(program).resolve())


def write_image(path: Path) -> None:
    """Write the files of the image as a tar archive: one static busybox, and the script that its server runs.

    Raises:
        HostError: there is no busybox.
    """
    busybox = find("busybox")
    if busybox is None:
        raise missing("busybox")
    files = {"bin/busybox": Path(busybox).read_bytes(), "www/cgi-bin/source": _SCRIPT}
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o755
            archive.addfile(entry, io.BytesIO(data))

"""Machines on one wire that a control host manages: Ansible, over ssh, from a network namespace on that wire."""

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.ansible.control import Control, install_collection, need_ansible
from tests.machine.machines.pair import DockerHost
from tests.machine.machines.wire import Wire
from tests.netns import command, namespace

ADDRESS = "10.4.7.2"
# Ansible's own defaults, and of ssh's settings nobody's own.
SSH = (
    "-F /dev/null -o ControlMaster=auto -o ControlPersist=60s -o StrictHostKeyChecking=accept-new"
    " -o UserKnownHostsFile={folder}/known -o IdentitiesOnly=yes -o BatchMode=yes"
)


@contextmanager
def control_host(cable: Wire) -> Iterator[Control]:
    """Plug a control host into a wire, with the collection installed."""
    need_ansible()
    with ExitStack() as stack:
        # Sockets of ssh lie in it, whose paths may not be long.
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="natfix-control-")))
        network = stack.enter_context(namespace("control"))
        stack.callback(_end_sessions, network)
        cable.plug(network, ADDRESS)
        command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "key"))
        install_collection(folder)
        environment = {
            "ANSIBLE_SSH_ARGS": SSH.format(folder=folder),
            "ANSIBLE_PRIVATE_KEY_FILE": str(folder / "key"),
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(folder / "cp"),
            "ANSIBLE_TIMEOUT": "30",
            # Half as many sessions for each task.
            "ANSIBLE_PIPELINING": "true",
        }
        yield Control(folder, ["nsenter", f"--net=/run/netns/{network}", "--"], environment)


def manage(control: Control, hosts: Sequence[DockerHost], more: dict[str, str] | None = None) -> None:
    """Let the control host log in to *hosts* from their next start of sshd on, and know them and *more* by name and address."""
    key = (control.folder / "key.pub").read_text(encoding="ascii")
    for host in hosts:
        host.put("/etc/ssh/sshd_config.d/control.conf", "AuthorizedKeysFile /etc/ssh/control.pub\n")
        host.put("/etc/ssh/control.pub", key)
    known = {host.name: host.address for host in hosts} | (more or {})
    control.inventory({name: f"ansible_host={address} ansible_user=root" for name, address in known.items()})


def ssh(control: Control, host: DockerHost, *words: str, options: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """Run a command on a host as somebody who logs in from the control host."""
    settings = SSH.format(folder=control.folder).split()
    program = [*control.within, "ssh", *settings, "-i", str(control.folder / "key"), *options]
    return subprocess.run(
        [*program, f"root@{host.address}", *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
    )


def _end_sessions(network: str) -> None:
    """End the ssh that stays in the background for the next task: all processes in the control host's namespace are its own."""
    for pid in command("ip", "netns", "pids", network).split():
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)

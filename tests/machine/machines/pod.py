"""A pod: something with an address behind docker0, and a network namespace in its machine."""

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.machine.machines.machine import Machine
from tests.machine.machines.patience import SECONDS

NO_ANSWER = "no answer"
# What a server of the lab's image answers with the address it was reached from.
URL = "http://{}/cgi-bin/source"


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod.

    Attributes:
        name: for messages.
        machine: where it runs.
        address: its IPv4 address.
        namespace: finds its network namespace, as a path in the machine: that of a container changes with each start.
    """

    name: str
    machine: Machine
    address: str
    namespace: Callable[[], str]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run one of the machine's programs in the pod's network namespace."""
        return self.machine.run("nsenter", f"--net={self.namespace()}", "--", *words, seconds=30)

    def popen(self, *words: str, stdout: int) -> subprocess.Popen[bytes]:
        """Start one of the machine's programs in the pod's network namespace, which ends with its standard input."""
        return self.machine.popen("nsenter", f"--net={self.namespace()}", "--", *words, stdout=stdout)

    def seen_by(self, target: "Pod") -> str:
        """Open a connection to a pod that serves, and return the source address that it saw, or ``no answer``."""
        return seen(self.run("timeout", "10", "busybox", "wget", "-q", "-O", "-", URL.format(target.address)))

    def wait(self, seconds: float = SECONDS) -> None:
        """Wait until it serves its own machine.

        Raises:
            AssertionError: it did not in time.
        """
        end = time.monotonic() + seconds
        ask = ("timeout", "10", "busybox", "wget", "-q", "-O", "-", URL.format(self.address))
        while (source := seen(self.machine.run(*ask))) == NO_ANSWER:
            assert time.monotonic() < end, f"{self.name} does not serve its own machine: {source}"
            time.sleep(0.1)


def seen(done: subprocess.CompletedProcess[str]) -> str:
    """Read the address in the answer of a pod's server."""
    # A server that listens on IPv6 as well shows an IPv4 address as [::ffff:10.4.7.21].
    return done.stdout.strip().strip("[]").removeprefix("::ffff:") if done.returncode == 0 else NO_ANSWER

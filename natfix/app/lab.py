"""The lab: two hosts, Docker's rule, natfix, a restart of Docker, and what the far end of a connection sees each time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, NoReturn, Protocol

from natfix.app.ports import Variant
from natfix.errors import EXIT_FOUND, EXIT_OK
from natfix.report.lab import Case, Command, LabResult, Moment, Place, Row

CLUSTER: Final = "172.7.0.0/16"

OUTSIDE: Final = Place("outside", "10.4.7.100")
HOST_A: Final = Place("host A", "10.4.7.21")
HOST_B: Final = Place("host B", "10.4.7.22")
POD_A: Final = Place("pod A", "172.7.21.2")
POD_B: Final = Place("pod B", "172.7.22.2")
PLACES: Final = (HOST_A, POD_A, HOST_B, POD_B, OUTSIDE)

# The first three are what anybody would guess of hosts that route to each other's pods; the third is false with Docker.
CASES: Final = (
    Case("outside to pod B", OUTSIDE, POD_B, expected=OUTSIDE.address),
    Case("host A to pod B", HOST_A, POD_B, expected=HOST_A.address),
    Case("pod A to pod B", POD_A, POD_B, expected=POD_A.address, spoilt=HOST_A.address),
    Case("pod A to outside", POD_A, OUTSIDE, expected=HOST_A.address),
)

PUBLISHED_PORT: Final = 8080

# What a published port of pod A adds: only a real dockerd publishes one. Host A lies outside the cluster's CIDR, so pod B
# reaches it as host B, before and after.
DOCKER_CASES: Final = (
    Case("outside to published port", OUTSIDE, HOST_A, expected=OUTSIDE.address, port=PUBLISHED_PORT),
    Case("pod B to published port", POD_B, HOST_A, expected=HOST_B.address, port=PUBLISHED_PORT),
)

_CHECK = ("check", "--cluster-cidr", CLUSTER)
_APPLY = ("apply", "--cluster-cidr", CLUSTER, "--no-persist")


class Hosts(Protocol):
    """The two hosts, and the machine outside.

    Attributes:
        backend: which iptables holds Docker's rule.
        docker: the version of dockerd once it was started, or empty when its rule is put in by hand.
        cases: the connections to look at.
    """

    backend: Variant
    docker: str
    cases: Sequence[Case]

    def start_docker(self) -> None:
        """Start Docker on both hosts, which puts its rule in.

        Raises:
            HostError: a program is missing or failed; its own words are in the message.
        """
        ...

    def restart_docker(self) -> None:
        """Restart Docker on host A, which puts its rule on top again.

        Raises:
            HostError: a program failed; its own words are in the message.
        """
        ...

    def run_natfix(self, words: Sequence[str]) -> tuple[int, str]:
        """Run a natfix command on host A.

        Returns:
            Its exit code, and what it printed on both streams.
        """
        ...

    def source_seen(self, case: Case, label: str) -> str:
        """Open a new TCP connection.

        Args:
            case: from where to where.
            label: one word for the server's log.

        Returns:
            The source address that the far end reports, or ``no answer``.
        """
        ...

    def server_log(self) -> Sequence[str]:
        """The log of the server in pod B; empty when it keeps none."""
        ...


class Sandbox(Protocol):
    """Namespaces around the lab, so that it touches nothing and nothing of it outlives it."""

    @property
    def inside(self) -> bool:
        """Tell whether this process is already in them."""
        ...

    def enter(self, words: Sequence[str]) -> int:
        """Run ``natfix`` with *words* inside, wait for it, and return its exit code.

        Raises:
            HostError: the kernel or a missing program forbids it.
        """
        ...

    def open_hosts(self, backend: Variant, *, docker: bool) -> AbstractContextManager[Hosts]:
        """Make the hosts, inside; when the context ends every process in the sandbox is gone.

        Raises:
            HostError: a program is missing or failed, or a real dockerd was asked for without being root.
        """
        ...

    def entrances(self) -> dict[str, str]:
        """For each network namespace of the lab the command that opens a shell in it, from another terminal."""
        ...

    def stay(self) -> NoReturn:
        """Keep everything as it is until the process outside ends."""
        ...


@dataclass(frozen=True, slots=True)
class _Step:
    """What leads to a moment: something happens to Docker, then commands are run, each with the exit code it ought to have."""

    moment: Moment
    tale: str
    happens: Callable[[Hosts], None] | None
    commands: tuple[tuple[tuple[str, ...], int], ...]


_FOUND = ((_CHECK, EXIT_FOUND),)
_REPAIRED = ((_APPLY, EXIT_OK), (_CHECK, EXIT_OK))

_STORY: Final = (
    _Step(Moment.BEFORE, "Docker starts on both hosts; natfix check", lambda hosts: hosts.start_docker(), _FOUND),
    _Step(Moment.AFTER, "natfix apply and check", None, _REPAIRED),
    _Step(Moment.RESTARTED, "Docker restarts on host A; natfix check", lambda hosts: hosts.restart_docker(), _FOUND),
    _Step(Moment.AGAIN, "natfix apply and check, again", None, _REPAIRED),
)


def run_lab(hosts: Hosts, tell: Callable[[str], None]) -> LabResult:
    """Go through the whole story on *hosts*.

    Args:
        hosts: the two hosts, made and not yet started.
        tell: takes a line about what happens now.

    Raises:
        HostError: a host could not be made to do its part. What natfix does wrong is no error but part of the result.
    """
    commands: list[Command] = []
    seen: dict[Moment, dict[Case, str]] = {}
    for step in _STORY:
        tell(step.tale)
        if step.happens is not None:
            step.happens(hosts)
        commands += [_run(hosts, step.moment, words, wanted) for words, wanted in step.commands]
        seen[step.moment] = {case: hosts.source_seen(case, _label(case, step.moment)) for case in hosts.cases}
    rows = tuple(Row(case, {moment: seen[moment][case] for moment in Moment}) for case in hosts.cases)
    return LabResult(hosts.backend, hosts.docker, PLACES, rows, tuple(commands), tuple(hosts.server_log()))


def _run(hosts: Hosts, moment: Moment, words: tuple[str, ...], wanted: int) -> Command:
    exit_code, output = hosts.run_natfix(words)
    return Command(moment, ("natfix", *words), wanted, exit_code, output)


def _label(case: Case, moment: Moment) -> str:
    return f"{case.name} {moment.value}".replace(" ", "-")

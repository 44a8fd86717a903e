"""natfix killed at every step of a change: kernel and file are old or new, and the next natfix goes on from there."""

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import NamedTuple

import pytest

from natfix.app.ports import Backend
from natfix.ruleset import Family
from tests.kernel.hosts import NATFIX, Host, backends, broad, corrected, debian, docker_host, options, own_host, wrap

pytestmark = [pytest.mark.kernel("strace"), pytest.mark.slow]

FILE = "/etc/iptables/rules.v4"
KILLED = -9
AT_A_TIME = 2

# What changes something, or starts a process that does; names differ between architectures, and strace takes them all.
STEPS = (
    *("write", "pwrite64", "ftruncate", "fsync", "fchmod", "fchown", "flock", "mkdir", "mkdirat", "unlink", "unlinkat"),
    *("rename", "renameat", "renameat2", "fork", "vfork", "clone", "clone3", "setsockopt"),
)
# What the program does that gives the change to the kernel.
COMMIT_STEPS = ("sendto", "sendmsg", "setsockopt", "exit_group")


class Step(NamedTuple):
    """A system call: its name, and the how-manieth of that name it is."""

    name: str
    nth: int

    def __str__(self) -> str:
        return f"{self.name} {self.nth}"


def text(rule: str) -> str:
    return f"# by hand\n*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -o eth9 -j MASQUERADE\n-A POSTROUTING {rule}\nCOMMIT\n"


def prepare(host: Host, backend: Backend) -> None:
    debian(host)
    docker_host(host, backend)
    host.write(FILE, text(broad(backend)).encode())


def strace(*words: str) -> list[str]:
    return ["strace", "-qq", "-o", "/run/strace", *words, *NATFIX, "apply"]


def steps_of(backend: Backend) -> list[Step]:
    """Every step of a change, in order, from the moment natfix holds the turnstile; of programs started in a row the last.

    python-iptables looks for its library with a compiler and a dozen other programs.
    """
    with own_host() as host:
        prepare(host, backend)
        host.run(*strace("-e", f"trace={','.join(f'?{name}' for name in STEPS)}"), *options(backend))
        log = host.path("/run/strace").read_text().splitlines()
    return [one for one, after in pairwise([*_steps(log), Step("", 0)]) if not one.name == after.name == "vfork"]


def _steps(log: list[str]) -> Iterator[Step]:
    count: Counter[str] = Counter()
    inside = False
    for line in log:
        name, parenthesis, _ = line.partition("(")
        if parenthesis and name.isidentifier():
            count[name] += 1
            inside = inside or name == "ftruncate"
            if inside:
                yield Step(name, count[name])


def in_kernel(host: Host, backend: Backend) -> str:
    """What POSTROUTING holds when every program that natfix left behind has ended: old or new, never between."""
    # A dead program that nobody waited for has a name still, and no command line.
    while "-restore" in host.run("sh", "-c", "cat /proc/[0-9]*/cmdline 2>/dev/null || true"):
        time.sleep(0.02)
    (rule,) = host.rules(backend)
    return {f"-A POSTROUTING {broad(backend)}": "old", f"-A POSTROUTING {corrected(backend)}": "new"}[rule]


def in_file(host: Host, backend: Backend) -> str:
    """What the saved file holds: old or new, never between."""
    return {text(broad(backend)): "old", text(corrected(backend)): "new"}[host.path(FILE).read_text()]


def litter(host: Host) -> list[str]:
    return [name for name in host.files("/etc/iptables", "/var/lib/natfix") if "natfix-" in name]


def goes_on(host: Host, backend: Backend, *, back: bool) -> None:
    """Show that the next natfix finishes the change, or takes it back, and clears up."""
    if back:
        host.natfix("undo")
        # What was killed before its record was written did nothing, and leaves a part of that record until the next one.
        assert (in_kernel(host, backend), in_file(host, backend)) == ("old", "old")
        assert [name for name in litter(host) if name.startswith("etc")] == []
    host.natfix("apply", *options(backend))
    assert (in_kernel(host, backend), in_file(host, backend)) == ("new", "new")
    assert litter(host) == []
    host.natfix("status", *options(backend))


def kill_natfix_at(step: Step, backend: Backend, *, back: bool) -> tuple[str, str]:
    """Kill natfix as it begins *step*; say what kernel and file hold then."""
    with own_host() as host:
        prepare(host, backend)
        done = host.ask(*strace("-e", f"inject={step.name}:signal=SIGKILL:when={step.nth}"), *options(backend))
        assert done.code == KILLED, (step, done)
        found = in_kernel(host, backend), in_file(host, backend)
        goes_on(host, backend, back=back)
    return found


@pytest.mark.parametrize("backend", backends(Family.IPV4), ids=str)
def test_natfix_killed_at_any_step(backend: Backend) -> None:
    steps = steps_of(backend)
    names = {step.name for step in steps}
    assert {"write", "fsync", "fchmod", "flock"} <= names
    assert names & {"fork", "vfork", "clone", "clone3"}
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        tried = [pool.submit(kill_natfix_at, step, backend, back=bool(number % 2)) for number, step in enumerate(steps)]
        found = {step: each.result() for step, each in zip(steps, tried, strict=True)}
    # The file is written first, then the kernel; a step on the way meets each state, and no other.
    assert set(found.values()) == {("old", "old"), ("old", "new"), ("new", "new")}, found


def kill_restore_at(step: Step, backend: Backend) -> bool:
    """Kill the program that changes the kernel as it begins *step*; tell whether it came so far."""
    with own_host() as host:
        prepare(host, backend)
        inject = f"strace -qq -o /run/strace -e inject={step.name}:signal=SIGKILL:when={step.nth}"
        # Once: what takes the change back is let live.
        first = '[ "$1" = --noflush ] && is_live && mkdir /run/killed 2>/dev/null'
        wrap(host, f"{backend}-restore", through=f"$({first} && echo {inject})")
        several = ("--cluster-cidr", "10.88.0.0/13")  # Makes a chain, which python-iptables leaves to the program.
        done = host.ask(*NATFIX, "apply", *options(backend), *several)
        if done.code == 0:
            return False
        assert (done.code, host.rules(backend)) == (2, [f"-A POSTROUTING {broad(backend)}"]), (step, done)
        assert in_file(host, backend) == "old"
        assert host.natfix_json("history")["changes"][-1]["state"] == "rolled back"
        assert litter(host) == []
    return True


@pytest.mark.parametrize("backend", backends(Family.IPV4), ids=str)
def test_the_program_that_changes_the_kernel_killed_at_any_step(backend: Backend) -> None:
    reached = 0
    for name in COMMIT_STEPS:
        nth = 1
        while kill_restore_at(Step(name, nth), backend):
            nth += 1
        reached += nth - 1
    assert reached

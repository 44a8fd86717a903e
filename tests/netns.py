"""Network namespaces for tests: fresh, named, entered by this thread, gone afterwards.

A test says ``from tests.netns import netns`` in the conftest.py of its folder and takes the fixture ``netns``: it then runs
inside a namespace of its own, as do the programs it starts. Others are made with ``namespace()`` and entered with ``enter()``.
"""

import ctypes
import itertools
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

CLONE_NEWNET = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)
_numbers = itertools.count(1)


@contextmanager
def namespace(label: str = "test") -> Iterator[str]:
    """Make a named network namespace with its loopback up; remove it, and what is in it, afterwards."""
    name = f"natfix-{label}-{os.getpid()}-{next(_numbers)}"
    command("ip", "netns", "add", name)
    try:
        command("ip", "-n", name, "link", "set", "lo", "up")
        yield name
    finally:
        command("ip", "netns", "delete", name)


@contextmanager
def enter(name: str) -> Iterator[None]:
    """Let this thread, and the programs it starts, be in a named namespace; come back also after a failure."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        there = os.open(f"/run/netns/{name}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _set(there)
        finally:
            os.close(there)
        try:
            yield
        finally:
            _set(home)
    finally:
        os.close(home)


@pytest.fixture
def netns() -> Iterator[str]:
    """A namespace of its own for one test, which runs inside it; gives its name."""
    with namespace() as name, enter(name):
        yield name


def command(*words: str, data: str = "") -> str:
    """Run a program in this thread's namespace; its output, or an AssertionError with its complaint."""
    done = subprocess.run(words, check=False, capture_output=True, text=True, input=data, timeout=60)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
    return done.stdout


def names() -> list[str]:
    """The namespaces that tests of this process have left behind."""
    return sorted(path.name for path in Path("/run/netns").glob(f"natfix-*-{os.getpid()}-*"))


def _set(handle: int) -> None:
    if _libc.setns(handle, CLONE_NEWNET) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))

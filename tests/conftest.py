"""What every test may count on: nothing is skipped in CI, and elsewhere a skipped test says what it needs."""

import functools
import os
import shutil
import signal
import subprocess
from collections.abc import Generator, Iterable
from typing import TypeVar

import hypothesis
import pytest

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)

IN_CI = os.environ.get("CI") == "true"

# The programs that a marked test uses; a marker may name more: ``@pytest.mark.machine("strace")``.
NETWORK = ("ip", "iptables-nft", "iptables-legacy", "nft", "unshare", "nsenter")
TOOLS = {"kernel": NETWORK, "machine": (*NETWORK, "dockerd", "docker", "busybox")}

# Wheels are fetched in several tests, and a registry that is away for a moment is no failure either.
os.environ.setdefault("PIP_RETRIES", "10")
os.environ.setdefault("PIP_DEFAULT_TIMEOUT", "60")

# A slow machine is no failure. In CI the same examples run each time; elsewhere new ones are tried.
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.register_profile("default", deadline=None)
hypothesis.settings.load_profile("ci" if IN_CI else "default")

# A signal that whoever started the tests ignores (nohup, a background job) is ignored by every program they start, and tests of
# Ctrl-C and hang-ups prove nothing then. One that is caught is not: exec gives it its default back.
for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else lambda *_: None)


def missing_for(tools: Iterable[str]) -> str:
    """Say what this machine lacks for a test on a real kernel with *tools*; empty when nothing."""
    if os.geteuid() != 0:
        return "root"
    absent = sorted(tool for tool in tools if shutil.which(tool) is None)
    if absent:
        return ", ".join(absent)
    return "" if _namespaces_work() else "the right to make network namespaces"


@functools.cache
def _namespaces_work() -> bool:
    """Tell whether this root may make a network namespace, which many containers forbid."""
    return subprocess.run(["unshare", "--net", "true"], check=False, capture_output=True).returncode == 0


def pytest_runtest_setup(item: pytest.Item) -> None:
    for name, tools in TOOLS.items():
        for marker in item.iter_markers(name):
            if missing := missing_for([*tools, *marker.args]):
                pytest.skip(f"{name} test needs {missing}; see tools/debian-packages.txt")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    # An expected failure is reported as skipped too, but it did run.
    return report if hasattr(report, "wasxfail") else _refuse_skip(report)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _refuse_skip((yield))


def _refuse_skip(report: Report) -> Report:
    if IN_CI and report.outcome == "skipped":
        report.outcome = "failed"
        report.longrepr = f"skipped, and in CI nothing may be: {report.longrepr}"
    return report

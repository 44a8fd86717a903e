"""Whole machines for tests: images, natfix as a layer of their disks, and pairs of Docker hosts.

A module that boots machines takes ``pair``, and gets it three times, once for each release of Debian; or it makes its own
with ``docker_pairs``. When a test fails, the journals of the machines that are switched on are part of its report.
"""

import functools
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import Protocol

import pytest

from tests.machine.machines import container, machine
from tests.machine.machines.images import RELEASES, image
from tests.machine.machines.installed import write_layer
from tests.machine.machines.pair import Pair, Settings, docker_pair
from tests.machine.machines.sweep import sweep

Images = Callable[[str], Path]


class DockerPairs(Protocol):
    """Boots a pair of Docker hosts with natfix installed; see ``docker_pair``."""

    def __call__(self, release: str, *, settings: Settings | None = None, backend: str = "nft") -> AbstractContextManager[Pair]:
        """Boot it for the time of the context."""
        ...


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        report.sections += [(f"account of {one.name}", one.account()) for one in machine.running]
    return report


@pytest.fixture(scope="session")
def images(request: pytest.FixtureRequest) -> Iterator[Images]:
    """The root folder of a release, made when it is asked for; nobody writes to it."""
    sweep()
    reporter = request.config.pluginmanager.getplugin("terminalreporter")
    with ExitStack() as stack:
        found: dict[str, Path] = {}

        def give(release: str) -> Path:
            if release not in found:
                found[release] = stack.enter_context(image(release, partial(_say, reporter)))
            return found[release]

        yield give


@pytest.fixture(scope="session")
def archives(request: pytest.FixtureRequest) -> Iterator[Images]:
    """The Debian packages of natfix's container image, of a release."""
    say = partial(_say, request.config.pluginmanager.getplugin("terminalreporter"))
    with ExitStack() as stack:
        yield functools.cache(lambda release: stack.enter_context(container.archive(release, say)))


@pytest.fixture(scope="session")
def kubectl(archives: Images, tmp_path_factory: pytest.TempPathFactory) -> container.Kubectl:
    """Debian's kubectl."""
    return container.kubectl(archives(container.KUBECTL[0]), tmp_path_factory.mktemp("kubectl"))


@pytest.fixture(scope="session")
def image_folders(archives: Images, tmp_path_factory: pytest.TempPathFactory) -> Images:
    """What natfix's container image of a release is built from: its root and its definition."""
    folder = tmp_path_factory.mktemp("container")
    package = functools.cache(lambda: container.package(folder))
    return functools.cache(lambda release: container.build(archives(release), package(), folder / release))


@pytest.fixture(scope="session")
def natfix_layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """natfix of the working tree, as a layer of a machine's disk."""
    return write_layer(tmp_path_factory.mktemp("natfix"))


@pytest.fixture(scope="session")
def docker_pairs(images: Images, natfix_layer: Path) -> DockerPairs:
    """Make pairs of Docker hosts with natfix installed."""

    def boot(release: str, *, settings: Settings | None = None, backend: str = "nft") -> AbstractContextManager[Pair]:
        return docker_pair(release, [natfix_layer, images(release)], settings, backend)

    return boot


@pytest.fixture(scope="module", params=RELEASES)
def pair(request: pytest.FixtureRequest, docker_pairs: DockerPairs) -> Iterator[Pair]:
    """Two Docker hosts of one release, for all tests of a module."""
    with docker_pairs(request.param) as pair:
        yield pair


def _say(reporter: object, text: str) -> None:
    if isinstance(reporter, pytest.TerminalReporter):
        reporter.ensure_newline()
        reporter.write_line(text)

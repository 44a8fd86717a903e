"""One monitored host for all tests here, as it takes seconds to make."""

from collections.abc import Iterator

import pytest

from tests.monitoring.site import Site, monitored


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A host with a watcher, an agent, node_exporter and Prometheus; tests leave it right."""
    with monitored(tmp_path_factory.mktemp("monitored")) as made:
        yield made

"""What the agent tells over HTTP."""

import http.client
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from natfix.app.node.health import Health
from natfix.app.node.metrics import NODE_METRICS, PEERS
from natfix.errors import HostError
from natfix.host.health import HealthServer
from natfix.host.metrics.meter import PrometheusMeter


class Told:
    """A server, and what it is to say."""

    def __init__(self, address: str, *, measured: bool = True) -> None:
        self.health = Health()
        self.meter = PrometheusMeter(NODE_METRICS, "node")
        self.address = address
        self.server = HealthServer(address, 0, lambda: self.health, self.meter if measured else None)

    def ask(self, path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection(self.address, self.server.port, timeout=30)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()


@pytest.fixture(params=["127.0.0.1", "::1"])
def told(request: pytest.FixtureRequest) -> Iterator[Told]:
    made = Told(request.param)
    yield made
    made.server.close()


def test_flannels_paths_say_alive_and_ready(told: Told) -> None:
    assert told.ask("/healthz") == (200, "natfix is running\n")
    assert told.ask("/readyz?verbose") == (200, "natfix is ready\n")
    told.health = Health(alive=False, missing="no lease yet")
    assert told.ask("/healthz") == (503, "natfix does not get on\n")
    assert told.ask("/readyz") == (503, "not ready: no lease yet\n")


def test_numbers_are_told_and_who_asks_is_told_its_address(told: Told) -> None:
    told.meter.put(PEERS, 3)
    status, page = told.ask("/metrics")
    assert status == 200
    assert "\nnatfix_node_peers 3.0\n" in page
    assert told.ask("/seen") == (200, f"{told.address}\n")
    assert told.ask("/")[0] == 404


def test_a_port_that_is_taken_is_refused(told: Told) -> None:
    with pytest.raises(HostError, match=f"health cannot be told on {told.address} port {told.server.port}"):
        HealthServer(told.address, told.server.port, lambda: told.health)


def test_an_agent_without_prometheus_client_says_what_is_missing() -> None:
    told = Told("127.0.0.1", measured=False)
    try:
        status, page = told.ask("/metrics")
        assert status == 501
        assert "pip install 'natfix[metrics]'" in page
        assert told.ask("/healthz")[0] == 200
    finally:
        told.server.close()


def test_a_crowd_that_says_nothing_takes_no_more_than_a_few_threads_and_goes_by(told: Told) -> None:
    before = threading.active_count()
    crowd = [socket.create_connection((told.address, told.server.port)) for _ in range(20)]
    try:
        time.sleep(0.5)
        assert threading.active_count() - before <= 16
    finally:
        for one in crowd:
            one.close()
    assert told.ask("/healthz")[0] == 200


def test_nobody_answers_after_the_end(told: Told) -> None:
    told.server.close()
    with pytest.raises(OSError, match="refused"):
        told.ask("/healthz")

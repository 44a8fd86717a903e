"""LeaseStore when things go wrong: its twin, and real etcds that are stopped, compacted and wiped."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from natfix.app.node.ports import LeaseStore
from natfix.errors import ConflictError, HostError, NatfixError
from natfix.host.memory.leases import MemoryLeaseStore
from tests.contract.lease_worlds import KINDS, World, world
from tests.contract.listening import Listener
from tests.contract.test_lease_store import HOST, OTHER, SUBNET


@pytest.fixture(params=KINDS)
def network(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with world(request.param, tmp_path) as made:
        yield made


@pytest.fixture
def store(network: World) -> LeaseStore:
    return network.open()


def test_while_nobody_answers_every_request_says_so_and_afterwards_all_is_there(store: LeaseStore, network: World) -> None:
    store.configure("one", expected=None)
    held = store.create(SUBNET, HOST, seconds=600)
    network.go_away()
    for request in (
        store.config,
        store.snapshot,
        lambda: store.configure("two", expected="one"),
        lambda: store.create(OTHER, HOST, seconds=600),
        lambda: store.renew(held, HOST, seconds=600),
        lambda: store.reserve(OTHER),
        lambda: store.release(held),
        lambda: list(store.watch(1)),
    ):
        with pytest.raises(HostError, match=r"answers|does not answer|broke"):
            request()
    network.come_back()
    assert store.config() == "one"
    assert store.snapshot().leases == (replace(held, expires=None),)


def test_a_watch_ends_with_an_error_when_the_store_goes_away_and_a_new_one_misses_nothing(
    store: LeaseStore, network: World
) -> None:
    revision = store.snapshot().revision
    with Listener(store, revision) as listener:
        listener.established()
        network.go_away()
        assert isinstance(listener.end(), HostError)
    network.come_back()
    held = store.create(SUBNET, HOST, seconds=600)
    with Listener(store, revision) as listener:
        assert listener.changes(1)[0].lease == replace(held, expires=None)


def test_a_watch_of_what_the_store_has_forgotten_is_refused(store: LeaseStore, network: World) -> None:
    revision = store.snapshot().revision
    store.release(store.create(SUBNET, HOST, seconds=600))
    held = store.create(OTHER, HOST, seconds=600)
    network.forget()
    with Listener(store, revision) as listener:
        error = listener.end()
    assert isinstance(error, ConflictError)
    assert "forgotten" in error.message
    found = store.snapshot()
    assert found.leases == (replace(held, expires=None),)
    with Listener(store, found.revision) as listener:
        store.release(held)
        assert [change.kind for change in listener.changes(1)] == ["gone"]


def test_a_watch_that_has_heard_all_goes_on_when_the_store_forgets(store: LeaseStore, network: World) -> None:
    with Listener(store, store.snapshot().revision) as listener:
        held = store.create(SUBNET, HOST, seconds=600)
        listener.changes(1)
        network.forget()
        store.release(held)
        assert [change.kind for change in listener.changes(1)] == ["gone"]


def test_after_the_loss_of_all_data_an_old_revision_is_refused(store: LeaseStore, network: World) -> None:
    store.configure("one", expected=None)
    for _ in range(3):
        store.release(store.create(SUBNET, HOST, seconds=600))
    revision = store.snapshot().revision
    with Listener(store, revision) as listener:
        listener.established()
        network.lose_data()
        assert isinstance(listener.end(), NatfixError)
    assert store.config() is None
    assert store.snapshot().leases == ()
    with Listener(store, revision) as listener:
        error = listener.end()
    assert isinstance(error, ConflictError)
    assert "its data was replaced" in error.message


def test_the_twin_can_write_and_not_answer() -> None:
    store = MemoryLeaseStore()
    store.swallowed = 1
    with pytest.raises(HostError, match="broke before it answered"):
        store.create(SUBNET, HOST, seconds=60)
    (written,) = store.snapshot(expiry=True).leases
    assert store.renew(written, HOST, seconds=60).subnet == SUBNET

"""Listening in threads: everything is handed over, nothing spins, and it ends when it is told to."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv4Network

from natfix.app.node.follow import Pauses, PlaneFollower, StoreFollower
from natfix.app.node.news import Answered, Away, Changed, Disturbed, Inbox, News, Stop
from natfix.app.node.ports import Disturbance
from natfix.errors import HostError
from natfix.host.memory.leases import MemoryLeaseStore
from natfix.routing.lease import Attributes
from natfix.routing.subnet import Subnet

PATIENCE = 30.0


def half() -> float:
    return 0.5


@contextmanager
def following(store: MemoryLeaseStore) -> Iterator[Inbox]:
    inbox = Inbox()
    follower = StoreFollower(store, inbox.put, half)
    thread = threading.Thread(target=follower.run)
    thread.start()
    try:
        yield inbox
    finally:
        follower.close()
        thread.join(PATIENCE)
        assert not thread.is_alive()


def next_of(inbox: Inbox, kind: type[News]) -> News:
    for _ in range(100):
        for news in inbox.take(PATIENCE):
            if isinstance(news, kind):
                return news
    raise AssertionError(kind)


def subnet(number: int) -> Subnet:
    return Subnet(IPv4Network(f"172.7.{number}.0/24"))


def test_the_whole_is_told_first_and_then_each_change() -> None:
    store = MemoryLeaseStore("{}")
    first = store.create(subnet(1), Attributes(IPv4Address("10.4.7.1")), seconds=60)
    with following(store) as inbox:
        answered = next_of(inbox, Answered)
        assert isinstance(answered, Answered)
        assert [lease.subnet for lease in answered.snapshot.leases] == [first.subnet]
        assert answered.config == "{}"
        store.create(subnet(2), Attributes(IPv4Address("10.4.7.2")), seconds=60)
        changed = next_of(inbox, Changed)
        assert isinstance(changed, Changed)
        assert [(one.kind, one.lease.subnet) for one in changed.changes] == [("put", subnet(2))]


def test_an_outage_is_told_and_the_whole_again_when_it_is_over() -> None:
    store = MemoryLeaseStore()
    with following(store) as inbox:
        next_of(inbox, Answered)
        store.go_away("gone for lunch")
        away = next_of(inbox, Away)
        assert isinstance(away, Away)
        assert "gone for lunch" in away.why.message
        store.come_back()
        next_of(inbox, Answered)


def test_a_store_that_forgot_what_came_in_between_is_read_whole() -> None:
    store = MemoryLeaseStore()
    with following(store) as inbox:
        next_of(inbox, Answered)
        with store.changed:
            store.create(subnet(3), Attributes(), seconds=60)
            store.compact()
        answered = next_of(inbox, Answered)
        assert isinstance(answered, Answered)
        assert [lease.subnet for lease in answered.snapshot.leases] == [subnet(3)]


def test_pauses_grow_to_a_limit_and_begin_anew() -> None:
    pauses = Pauses(half, longest=1.0)
    assert [pauses.next() for _ in range(6)] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    pauses.reset()
    assert pauses.next() == 0.1
    assert Pauses(lambda: 0.0).next() == 0.05


class Kernel:
    """Tells one disturbance in each watch, and fails to be heard the second time."""

    def __init__(self) -> None:
        self.opened = 0
        self.closed = threading.Event()

    def watch(self) -> "Kernel":
        self.opened += 1
        if self.opened == 2:
            raise HostError("not now")
        return self

    def __iter__(self) -> Iterator[Sequence[Disturbance]]:
        yield (Disturbance("link", link=f"eth{self.opened}"),)
        if self.opened == 3:
            self.closed.wait(PATIENCE)

    def close(self) -> None:
        if self.opened == 3:
            self.closed.set()


def test_a_kernel_that_was_not_heard_for_a_while_is_looked_at_whole() -> None:
    inbox, kernel = Inbox(), Kernel()
    follower = PlaneFollower(kernel, inbox.put, half)  # type: ignore[arg-type]  # Only its watch is asked for.
    thread = threading.Thread(target=follower.run)
    thread.start()
    told: list[str] = []
    while len(told) < 3:
        told += [one.kind for news in inbox.take(PATIENCE) if isinstance(news, Disturbed) for one in news.disturbances]
    assert told == ["link", "lost", "link"]
    follower.close()
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_the_inbox_gives_all_there_is_in_its_order() -> None:
    inbox = Inbox()
    assert inbox.take(0) == ()
    assert inbox.take(-1) == ()
    news = (Stop(), Disturbed(()), Stop())
    for one in news:
        inbox.put(one)
    assert inbox.take(PATIENCE) == news

"""LeaseStore as far as people write leases down: its twin, and a real file."""

import gc
import json
import threading
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from pathlib import Path

import pytest

from natfix.app.node.ports import LeaseStore
from natfix.cli.node_wiring import lease_store
from natfix.cli.store_options import StoreOrders
from natfix.errors import ConflictError, HostError, UnsupportedError
from natfix.host.memory.leases import MemoryLeaseStore
from natfix.routing.lease import Attributes, Change, Lease
from natfix.routing.subnet import Subnet
from tests.contract.listening import Listener

SUBNET = Subnet(IPv4Network("172.7.21.0/24"))
DUAL = Subnet(IPv4Network("172.7.22.0/24"), IPv6Network("fd00:7:22::/64"))
HOST = Attributes(IPv4Address("10.4.7.21"))
CONFIG = '{"Network": "172.7.0.0/16", "Backend": {"Type": "host-gw"}}'
VXLAN = Attributes(IPv4Address("10.4.7.22"), None, "vxlan", {"VNI": 1, "VtepMAC": "c6:d2:32:6f:8f:44"})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "leases.json"


@pytest.fixture(params=["twin", "file"])
def store(request: pytest.FixtureRequest, path: Path) -> LeaseStore:
    return MemoryLeaseStore() if request.param == "twin" else at(path)


def at(path: Path) -> LeaseStore:
    return lease_store(StoreOrders(lease_file=str(path)))


def test_a_configuration_is_written_in_place_of_the_one_that_was_read(store: LeaseStore) -> None:
    assert store.config() is None
    store.configure(CONFIG, expected=None)
    assert store.config() == CONFIG
    store.reserve(SUBNET)
    store.configure('{"Network": "ä"}', expected=CONFIG)
    assert store.config() == '{"Network": "ä"}'
    for expected in (None, CONFIG):
        with pytest.raises(ConflictError, match="another configuration"):
            store.configure(CONFIG, expected=expected)
    assert [lease.subnet for lease in store.snapshot().leases] == [SUBNET]


@pytest.mark.parametrize("attributes", [Attributes(), HOST, VXLAN], ids=["nobody", "a host", "vxlan"])
@pytest.mark.parametrize("subnet", [SUBNET, DUAL], ids=str)
def test_a_subnet_is_kept_for_good(store: LeaseStore, subnet: Subnet, attributes: Attributes) -> None:
    made = store.reserve(subnet, attributes)
    assert made == Lease(subnet, attributes, made.revision, reserved=True)
    assert made.revision > 0
    assert store.snapshot(expiry=True).leases == (made,)
    with pytest.raises(ConflictError, match="somebody holds"):
        store.reserve(subnet)


def test_a_host_that_tells_more_of_itself_is_written_down(store: LeaseStore) -> None:
    kept = store.reserve(SUBNET, HOST)
    told = store.renew(kept, VXLAN, seconds=1)
    assert told == Lease(SUBNET, VXLAN, told.revision, reserved=True)
    assert told.revision != kept.revision
    assert store.snapshot().leases == (told,)
    with pytest.raises(ConflictError, match="gone or another's"):
        store.renew(kept, HOST, seconds=1)


def test_a_subnet_is_let_go(store: LeaseStore) -> None:
    kept = store.reserve(SUBNET)
    store.release(kept)
    assert store.snapshot().leases == ()
    for use in (lambda: store.release(kept), lambda: store.renew(kept, HOST, seconds=1)):
        with pytest.raises(ConflictError, match="gone or another's"):
            use()


def test_leases_come_sorted_by_address(store: LeaseStore) -> None:
    for number in (100, 9, 21):
        store.reserve(Subnet(IPv4Network(f"172.7.{number}.0/24")))
    assert [str(lease.subnet) for lease in store.snapshot().leases] == ["172.7.9.0/24", "172.7.21.0/24", "172.7.100.0/24"]


def test_a_watch_tells_what_changes_and_ends_when_it_is_closed(store: LeaseStore) -> None:
    store.configure(CONFIG, expected=None)
    with Listener(store, store.snapshot().revision) as listener:
        listener.established()
        kept = store.reserve(SUBNET, replace(HOST, backend_type="host-gw"))
        assert listener.changes(1) == (Change("put", kept),)
        told = store.renew(kept, VXLAN, seconds=1)
        assert listener.changes(1) == (Change("put", told),)
        store.release(told)
        (gone,) = listener.changes(1)
        assert (gone.kind, gone.lease.subnet) == ("gone", SUBNET)
        listener.watch.close()
        assert listener.end() is None
        listener.watch.close()


def test_a_watch_of_what_is_no_more_is_refused(store: LeaseStore) -> None:
    before = store.snapshot().revision
    store.reserve(SUBNET)
    if isinstance(store, MemoryLeaseStore):
        store.compact()
    with Listener(store, before) as listener:
        assert isinstance(listener.end(), ConflictError)


def test_no_host_takes_a_subnet_by_itself(path: Path) -> None:
    with pytest.raises(UnsupportedError, match=r"has no subnet for 10\.4\.7\.21") as caught:
        at(path).create(SUBNET, HOST, seconds=600)
    assert "natfix lease reserve 172.7.21.0/24 --for 10.4.7.21" in str(caught.value)
    assert not path.exists()
    assert at(path).assigned() is None


def test_what_people_write_is_enough_and_stays_readable(path: Path) -> None:
    path.write_text(json.dumps({"config": json.loads(CONFIG), "subnets": {"172.7.21.0-24": {"PublicIP": "10.4.7.21"}}}))
    (lease,) = at(path).snapshot().leases
    assert lease.attributes == replace(HOST, backend_type="host-gw")
    before = path.read_bytes()
    assert at(path).renew(lease, lease.attributes, seconds=1) == lease
    assert path.read_bytes() == before
    at(path).reserve(Subnet(IPv4Network("172.7.9.0/24")))
    assert path.read_text() == (
        "{\n"
        '  "config": {\n'
        '    "Network": "172.7.0.0/16",\n'
        '    "Backend": {\n'
        '      "Type": "host-gw"\n'
        "    }\n"
        "  },\n"
        '  "subnets": {\n'
        '    "172.7.21.0-24": {\n'
        '      "PublicIP": "10.4.7.21"\n'
        "    },\n"
        '    "172.7.9.0-24": {}\n'
        "  }\n"
        "}\n"
    )


@pytest.mark.parametrize("backend", [{"Type": "vxlan"}, {}, None])
def test_how_a_host_is_reached_is_filled_in_only_where_its_address_is_all(path: Path, backend: object) -> None:
    told = {"config": {"Backend": backend}, "subnets": {"172.7.21.0-24": {"PublicIP": "10.4.7.21"}}}
    path.write_text(json.dumps(told))
    (lease,) = at(path).snapshot().leases
    assert lease.attributes.backend_type == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is no file of leases: "),
        ("[" * 100_000, "is no file of leases: "),
        ("[]", "is no file of leases"),
        ('{"subnets": []}', "is no file of leases"),
        ('{"subnet": {}}', "'subnet' is neither config nor subnets"),
        ('{"subnets": {"172.7.21.0-24": {}, "172.7.21.0-24": {}}}', "'172.7.21.0-24' is there twice"),
    ],
)
def test_what_is_no_file_of_leases_is_refused_and_stays(path: Path, text: str, words: str) -> None:
    path.write_text(text)
    for use in (at(path).config, at(path).snapshot, lambda: at(path).reserve(SUBNET), lambda: list(at(path).watch(1))):
        with pytest.raises(HostError, match=words):
            use()
    assert path.read_text() == text


def test_entries_that_are_no_leases_are_told(path: Path) -> None:
    path.write_text('{"subnets": {"notes": {}, "172.7.21.0-24": {"PublicIP": 7}}}')
    found = at(path).snapshot()
    assert [str(lease.subnet) for lease in found.leases] == ["172.7.21.0/24"]
    assert len(found.unreadable) == 2


def test_versions_rise_and_stay_with_what_stays(path: Path) -> None:
    store = at(path)
    kept = store.reserve(SUBNET, HOST)
    other = store.reserve(DUAL)
    assert other.revision > kept.revision
    changed = store.renew(other, VXLAN, seconds=1)
    assert changed.revision > other.revision
    at(path).reserve(Subnet(IPv4Network("172.7.9.0/24")))
    _, first, second = store.snapshot().leases
    assert (first, second) == (kept, changed)
    store.configure(CONFIG, expected=None)
    assert min(lease.revision for lease in store.snapshot().leases) > changed.revision


def test_a_watch_tells_first_what_has_changed_since_the_snapshot(path: Path) -> None:
    store = at(path)
    before = store.snapshot().revision
    at(path).reserve(SUBNET)
    with Listener(store, before) as listener:
        (put,) = listener.changes(1)
    assert (put.kind, put.lease.subnet) == ("put", SUBNET)


def test_a_watch_hears_of_a_file_that_is_replaced_linked_or_removed_by_hand(path: Path) -> None:
    store = at(path)
    other = path.with_name("other.json")
    other.write_text('{"subnets": {"172.7.21.0-24": {}}}')
    with Listener(store, store.snapshot().revision) as listener:
        listener.established()
        path.symlink_to(other)
        assert [change.kind for change in listener.changes(1)] == ["put"]
        path.unlink()
        assert [change.kind for change in listener.changes(1)] == ["gone"]
        other.rename(path)
        assert [change.kind for change in listener.changes(1)] == ["put"]
        path.write_text("broken")
        assert isinstance(listener.end(), HostError)


def test_several_who_write_at_once_lose_nothing(path: Path) -> None:
    subnets = [Subnet(IPv4Network(f"172.7.{number}.0/24")) for number in range(16)]
    threads = [threading.Thread(target=at(path).reserve, args=[subnet]) for subnet in subnets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [lease.subnet for lease in at(path).snapshot().leases] == subnets


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    store = at(tmp_path / "nowhere" / "leases.json")
    assert store.snapshot().leases == ()
    with pytest.raises(HostError, match="nowhere"):
        store.reserve(SUBNET)
    with pytest.raises(HostError, match="cannot be watched"):
        list(store.watch(store.snapshot().revision))


def test_a_watch_leaves_no_handles_open(path: Path) -> None:
    gc.collect()
    before = handles()
    for _ in range(3):
        watch = at(path).watch(at(path).snapshot().revision)
        watch.close()
        assert [changes for changes in watch if changes] == []
        del watch
    assert handles() <= before


def handles() -> int:
    """How many files this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))

"""etcd as it is met in the field: several endpoints, certificates, passwords, both of its stores, flannel's own entries."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from natfix.app.node.ports import LeaseStore
from natfix.cli.node_wiring import lease_store
from natfix.cli.store_options import EtcdApi, StoreOrders
from natfix.errors import ConfigError, ConflictError, HostError, UnsupportedError
from natfix.host.stores.endpoints import Endpoints, Reply, Request, Service
from natfix.host.stores.etcd_v2 import EtcdV2Store
from natfix.host.stores.etcd_v2_client import EtcdV2Client
from natfix.host.stores.etcd_v3 import EtcdV3Store
from natfix.host.stores.etcd_v3_client import EtcdV3Client, b64
from natfix.host.stores.layout import Layout
from natfix.routing.subnet import Subnet
from tests.contract.lease_worlds import orders
from tests.contract.listening import Listener, until
from tests.contract.test_lease_store import HOST, OTHER, SUBNET, VXLAN
from tests.etcd import PREFIX, Certificates, Etcd, cluster, etcd, make_certificates
from tests.netns import command

pytestmark = pytest.mark.kernel("etcd", "openssl")

# Where nobody listens: tcpmux is not for use on any host of today.
NOBODY = "http://127.0.0.1:1"
PASSWORD = "correct horse"  # noqa: S105  (of an etcd that this test makes)
APIS = [EtcdApi.V2, EtcdApi.V3]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Etcd]:
    with etcd(tmp_path / "etcd") as running:
        yield running


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def secure(tls: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Etcd]:
    with etcd(tmp_path_factory.mktemp("secure"), tls=tls) as running:
        yield running


@pytest.mark.parametrize("api", APIS)
def test_when_an_endpoint_is_dead_or_silent_the_next_one_is_asked(tmp_path: Path, api: EtcdApi) -> None:
    with cluster(tmp_path) as servers:
        urls = ",".join([NOBODY, *(each.url for each in servers)])
        store = lease_store(orders(servers[0], etcd_endpoints=urls, etcd_api=api, etcd_timeout=2.0))
        store.configure("one", expected=None)
        servers[0].pause()
        until(lambda: answers(store))  # It may have been the leader.
        assert store.config() == "one"
        servers[0].resume()
        servers[1].stop()
        until(lambda: answers(store))  # It may have been the leader.
        held = store.create(SUBNET, HOST, seconds=600)
        assert store.snapshot().leases == (replace(held, expires=None),)


@contextmanager
def deaf() -> Iterator[str]:
    """An address that neither takes nor refuses a connection, as that of a machine that is off."""
    with ExitStack() as stack:
        listener, *callers = (stack.enter_context(socket.socket()) for _ in range(4))
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for caller in callers:
            caller.settimeout(0)
            caller.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_a_machine_that_is_off_costs_a_second_and_not_all_the_time_that_one_may_take(server: Etcd) -> None:
    begun = time.monotonic()
    with deaf() as off:
        store = lease_store(orders(server, etcd_endpoints=f"{off},{server.url}", etcd_timeout=300.0))
        assert store.snapshot().leases == ()
    assert time.monotonic() - begun < 150


def test_when_all_are_silent_each_has_its_full_time() -> None:
    with deaf() as one, deaf() as two:
        endpoints = Endpoints(Service("etcd", (one, two, NOBODY), timeout=1.5))
        with pytest.raises(HostError, match=r"1\.5 seconds\n.*1\.5 seconds\n.*refused"):
            endpoints.ask(Request("GET", "/version", repeatable=False))


@pytest.mark.parametrize("api", APIS)
def test_when_a_cluster_has_lost_its_leader_a_watch_ends_and_requests_fail(tmp_path: Path, api: EtcdApi) -> None:
    with cluster(tmp_path) as servers:
        endpoints = Endpoints(Service("etcd", (servers[0].url,), timeout=2.0))
        store = _impatient(endpoints, api)
        with Listener(store, store.snapshot().revision) as listener:
            listener.established()
            servers[1].stop()
            servers[2].stop()
            assert isinstance(listener.end(), HostError)
        with pytest.raises(HostError):
            store.snapshot()


@pytest.mark.parametrize("api", APIS)
def test_a_watch_in_silence_asks_anew_and_misses_nothing(server: Etcd, api: EtcdApi) -> None:
    store = _impatient(Endpoints(Service("etcd", (server.url,))), api)
    with Listener(store, store.snapshot().revision) as listener:
        for _ in range(4):  # It says so each time.
            listener.established()
        held = store.create(SUBNET, HOST, seconds=600)
        assert listener.changes(1)[0].lease == replace(held, expires=None)


@pytest.mark.parametrize("api", APIS)
def test_a_watch_on_a_server_that_hangs_ends_with_an_error(server: Etcd, api: EtcdApi) -> None:
    store = _impatient(Endpoints(Service("etcd", (server.url,), timeout=1.0)), api)
    with Listener(store, store.snapshot().revision) as listener:
        listener.established()
        server.pause()
        error = listener.end()
        server.resume()
    assert isinstance(error, HostError)
    assert "no answer within 1 seconds" in error.message


def answers(store: LeaseStore) -> bool:
    """Whether a request succeeds."""
    try:
        store.config()
    except HostError:
        return False
    return True


def _impatient(endpoints: Endpoints, api: EtcdApi) -> LeaseStore:
    """Give a store whose watches look for etcd after half a second of silence."""
    layout = Layout(PREFIX)
    if api is EtcdApi.V2:
        return EtcdV2Store(EtcdV2Client(endpoints), layout, idle=0.5)
    return EtcdV3Store(EtcdV3Client(endpoints), layout, idle=0.5)


@pytest.mark.parametrize("api", APIS)
def test_what_is_wrong_with_an_encrypted_connection_is_said(
    server: Etcd, secure: Etcd, tls: Certificates, tmp_path: Path, api: EtcdApi
) -> None:
    others = make_certificates(tmp_path / "others")
    nobody = {"etcd_certfile": "", "etcd_keyfile": ""}
    # Whether the server's alert, or its answer in plain text, or its hanging up is seen first is chance.
    hung_up = "connection reset|broken pipe"
    failed = "the encrypted connection failed"
    plain = server.url.replace("http:", "https:")
    for wrong, words in (
        (orders(secure, **nobody), f"{failed}|{hung_up}|certificate required"),
        (orders(secure, etcd_cafile=str(others.ca)), "its certificate is not believed: .*"),
        (orders(secure, etcd_certfile=str(others.certificate), etcd_keyfile=str(others.key)), f"{failed}|{hung_up}"),
        (orders(secure, etcd_cafile="/nowhere/ca.pem"), "cannot read the certificates of the authority, /nowhere/ca.pem: No"),
        (orders(secure, etcd_certfile=str(tls.key)), "cannot read the certificate and key"),
        (orders(secure, etcd_endpoints=plain), f"{failed}: it speaks no TLS|{hung_up}"),
        (orders(server, etcd_endpoints=secure.url.replace("https:", "http:")), f"wants https:// and hears http://|{hung_up}"),
    ):
        with pytest.raises(HostError, match=f"(?is){words}"):
            lease_store(replace(wrong, etcd_api=api)).config()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"etcd_keyfile": ""}, "there is a certificate to show to the server, .*client.pem, but no key"),
        ({"etcd_certfile": ""}, "there is a key to show to the server, .*client-key.pem, but no certificate"),
        ({"etcd_endpoints": "http://127.0.0.1:2379"}, "http://127.0.0.1:2379 would be spoken to in plain text"),
        ({"etcd_endpoints": "127.0.0.1:2379"}, "'127.0.0.1:2379' is no address of etcd"),
        ({"etcd_endpoints": "https://"}, "'https://' is no address of etcd"),
        ({"etcd_endpoints": " , "}, "there is no address of etcd"),
        ({"etcd_prefix": "network"}, "'network' is no prefix of keys in etcd"),
        ({"etcd_prefix": "//"}, "'//' is no prefix of keys in etcd"),
    ],
)
def test_orders_that_cannot_be_meant_are_refused(secure: Etcd, wrong: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        lease_store(orders(secure, **wrong))


def test_a_certificate_that_is_renewed_on_the_disk_is_shown_from_then_on(
    secure: Etcd, tls: Certificates, tmp_path: Path
) -> None:
    shown = make_certificates(tmp_path / "renewed")  # By another authority, which this etcd does not believe.
    store = lease_store(orders(secure, etcd_certfile=str(shown.certificate), etcd_keyfile=str(shown.key)))
    with pytest.raises(HostError):
        store.config()
    for old, new in ((shown.certificate, tls.certificate), (shown.key, tls.key)):
        new_text = new.read_bytes()
        old.write_bytes(new_text)
    store.configure("one", expected=None)
    assert store.config() == "one"


def test_a_key_that_is_locked_is_refused_and_nobody_is_asked_for_its_password(
    secure: Etcd, tls: Certificates, tmp_path: Path
) -> None:
    locked = tmp_path / "locked.pem"
    command("openssl", "ec", "-in", str(tls.key), "-out", str(locked), "-aes256", "-passout", "pass:secret")
    with pytest.raises(HostError, match="the key is locked by a password"):
        lease_store(orders(secure, etcd_keyfile=str(locked))).config()


def test_the_v3_store_asks_for_a_password_and_a_login_that_it_has_forgotten_is_made_anew(server: Etcd) -> None:
    server.ctl("user", "add", f"root:{PASSWORD}")
    server.ctl("user", "grant-role", "root", "root")
    server.ctl("auth", "enable")
    wrong = orders(server, etcd_username="root", etcd_password=PASSWORD[1:], etcd_api=EtcdApi.V3)
    with pytest.raises(HostError, match="authentication failed, invalid user ID or password"):
        lease_store(wrong).config()
    with pytest.raises(HostError, match="user name is empty") as caught:
        lease_store(orders(server, etcd_api=EtcdApi.V3)).config()
    assert "--etcd-username" in str(caught.value)
    store = lease_store(replace(wrong, etcd_password=PASSWORD))
    assert PASSWORD not in repr(store)
    held = store.create(SUBNET, HOST, seconds=600)
    server.stop()
    server.start()
    held = store.renew(held, HOST, seconds=600)
    server.stop()
    server.start()
    with Listener(store, held.revision) as listener:
        store.release(held)
        assert listener.changes(1)[0].kind == "gone"


def test_the_v2_store_asks_for_a_password(server: Etcd) -> None:
    server.ctl_v2("user", "add", f"root:{PASSWORD}")
    server.ctl_v2("auth", "enable")
    server.ctl_v2("--username", f"root:{PASSWORD}", "role", "revoke", "guest", "--path", "/*", "--readwrite")
    store = lease_store(orders(server, etcd_username="root", etcd_password=PASSWORD, etcd_api=EtcdApi.V2))
    store.configure("one", expected=None)
    assert store.config() == "one"
    with pytest.raises(HostError, match="Insufficient credentials") as caught:
        lease_store(orders(server, etcd_api=EtcdApi.V2)).config()
    assert "--etcd-username" in str(caught.value)


def test_the_store_that_holds_the_network_is_found(server: Etcd) -> None:
    server.ctl_v2("set", f"{PREFIX}/config", "older")
    older = lease_store(orders(server))
    assert older.config() == "older"
    server.ctl("put", f"{PREFIX}/config", "newer")
    assert older.config() == "older"
    with pytest.raises(ConfigError, match="in its v2 store and another in its v3 store"):
        lease_store(orders(server)).config()
    for api, text in ((EtcdApi.V2, "older"), (EtcdApi.V3, "newer")):
        assert lease_store(orders(server, etcd_api=api)).config() == text
    server.ctl_v2("rm", f"{PREFIX}/config")
    assert lease_store(orders(server)).config() == "newer"


def test_a_network_that_nobody_has_configured_may_yet_come_in_either_store(server: Etcd) -> None:
    waiting = lease_store(orders(server))
    assert waiting.config() is None
    assert waiting.snapshot().leases == ()
    server.ctl_v2("set", f"{PREFIX}/config", "older")
    assert waiting.config() == "older"
    held = waiting.create(SUBNET, HOST, seconds=600)
    assert json.loads(server.ctl_v2("get", f"{PREFIX}/subnets/{held.subnet.key}"))["PublicIP"] == "10.4.7.21"


def test_a_new_network_is_made_in_the_newer_store(server: Etcd) -> None:
    store = lease_store(orders(server))
    store.configure("one", expected=None)
    assert server.ctl("get", "--print-value-only", f"{PREFIX}/config") == "one\n"


def test_an_etcd_without_the_v2_store_is_recognised(tmp_path: Path) -> None:
    with etcd(tmp_path / "etcd", words=["--enable-v2=false"]) as server:
        with pytest.raises(UnsupportedError, match="has no v2 store") as caught:
            lease_store(orders(server, etcd_api=EtcdApi.V2)).config()
        assert "--enable-v2" in str(caught.value)
        store = lease_store(orders(server))
        store.configure("one", expected=None)
        assert store.config() == "one"


def test_the_folder_of_all_leases_deleted_as_a_whole_calls_for_a_new_look(server: Etcd) -> None:
    store = lease_store(orders(server, etcd_api=EtcdApi.V2))
    store.create(SUBNET, HOST, seconds=600)
    with Listener(store, store.snapshot().revision) as listener:
        listener.established()
        server.ctl_v2("rm", "--recursive", f"{PREFIX}/subnets")
        assert isinstance(listener.end(), ConflictError)
    assert store.snapshot().leases == ()


def test_what_flannel_wrote_is_read_and_what_natfix_writes_is_the_same(server: Etcd) -> None:
    old = '{"PublicIP":"10.4.7.21","BackendType":"host-gw"}'
    server.ctl_v2("set", "--ttl", "600", f"{PREFIX}/subnets/172.7.21.0-24", old)
    (lease,) = lease_store(orders(server, etcd_api=EtcdApi.V2)).snapshot().leases
    assert (lease.subnet, lease.attributes, lease.reserved) == (SUBNET, HOST, False)
    store = lease_store(orders(server, etcd_api=EtcdApi.V3))
    store.create(SUBNET, HOST, seconds=600)
    store.create(OTHER, VXLAN, seconds=600)
    value = server.ctl("get", "--print-value-only", f"{PREFIX}/subnets/172.7.21.0-24")
    assert value == '{"PublicIP":"10.4.7.21","PublicIPv6":null,"BackendType":"host-gw"}\n'
    value = server.ctl("get", "--print-value-only", f"{PREFIX}/subnets/172.7.9.0-24")
    assert value == (
        '{"PublicIP":"10.4.7.22","PublicIPv6":"fd00:4:7::22","BackendType":"vxlan",'
        '"BackendData":{"VNI":1,"VtepMAC":"c6:d2:32:6f:8f:44"},"BackendV6Data":{"VNI":1,"VtepMAC":"c6:d2:32:6f:8f:45"}}\n'
    )


def test_a_reservation_as_flannel_knows_it_has_no_lease_of_etcd(server: Etcd) -> None:
    store = lease_store(orders(server, etcd_api=EtcdApi.V3))
    store.reserve(SUBNET)
    (kv,) = json.loads(server.ctl("get", "--write-out", "json", f"{PREFIX}/subnets/172.7.21.0-24"))["kvs"]
    assert "lease" not in kv
    assert server.ctl("lease", "list") == "found 0 leases\n"


def test_what_was_granted_for_a_subnet_that_another_got_is_given_back(server: Etcd) -> None:
    store = lease_store(orders(server, etcd_api=EtcdApi.V3))
    store.create(SUBNET, HOST, seconds=600)
    with pytest.raises(ConflictError):
        store.create(SUBNET, VXLAN, seconds=600)
    assert server.ctl("lease", "list").startswith("found 1 leases\n")


@pytest.mark.parametrize("api", APIS)
def test_a_snapshot_is_one_request_however_many_leases_there_are(server: Etcd, api: EtcdApi) -> None:
    endpoints = Counting(Service("etcd", (server.url,)))
    store = _impatient(endpoints, api)
    for number in range(20):
        store.create(Subnet(IPv4Network(f"172.7.{number}.0/24")), HOST, seconds=600)
    endpoints.asked = 0
    assert len(store.snapshot().leases) == 20
    assert endpoints.asked == 1


class Counting(Endpoints):
    """Endpoints that count the requests."""

    asked = 0

    def ask(self, request: Request) -> Reply:
        self.asked += 1
        return super().ask(request)


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("body", [b"hello", b"{}", b'{"header": {}, "node": {}}', b'{"result": {}}', b"[]"])
def test_a_server_that_is_no_etcd_is_recognised(api: EtcdApi, body: bytes) -> None:
    with answering(body) as url:
        store = lease_store(StoreOrders(etcd_endpoints=url, etcd_api=api))
        for use in (store.config, store.snapshot, lambda: list(store.watch(1))):
            with pytest.raises(HostError, match=r"does not answer as|refuses: (status )?200"):
                use()


def test_a_gateway_that_spells_zeros_out_says_the_same() -> None:
    key, value = (b64(text) for text in (f"{PREFIX}/subnets/172.7.21.0-24", '{"PublicIP":"10.4.7.21"}'))
    kv = {"key": key, "value": value, "create_revision": "7", "mod_revision": "7", "version": "1", "lease": "0"}
    told = {"header": {"cluster_id": "1", "revision": "9"}, "kvs": [kv], "more": False, "count": "1"}
    with answering(json.dumps(told).encode()) as url:
        (lease,) = lease_store(StoreOrders(etcd_endpoints=url, etcd_api=EtcdApi.V3)).snapshot(expiry=True).leases
    assert (lease.subnet, lease.reserved, lease.expires, lease.revision) == (SUBNET, True, None, 7)


@contextmanager
def answering(body: bytes) -> Iterator[str]:
    """Serve the same answer to every request; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815  (the library calls it so)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the library calls it so)
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=[0.02])
        thread.start()
        try:
            yield f"http://127.0.0.1:{running.server_address[1]}"
        finally:
            running.shutdown()
            thread.join(60)

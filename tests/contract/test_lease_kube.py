"""LeaseStore on Kubernetes' nodes, beside an API that behaves as it is documented; no real one can be had here."""

import re
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import Any

import pytest
import yaml

from natfix.app.node.ports import LeaseStore
from natfix.cli.node_wiring import lease_store
from natfix.cli.store_options import StoreOrders
from natfix.errors import ConfigError, ConflictError, HostError, UnsupportedError, UsageError
from natfix.host.files import HostFiles
from natfix.host.memory.leases import MemoryLeaseStore
from natfix.host.stores.endpoints import Endpoints, Service
from natfix.host.stores.kube import KubeLeaseStore
from natfix.host.stores.kube_access import from_pod
from natfix.host.stores.kube_client import KubeClient
from natfix.routing.lease import Attributes, Change, Lease
from natfix.routing.subnet import Subnet
from tests.contract.kube_api import KubeApi, kube_api
from tests.contract.listening import Listener
from tests.etcd import Certificates, make_certificates

SUBNET = Subnet(IPv4Network("172.7.21.0/24"))
DUAL = Subnet(IPv4Network("172.7.22.0/24"), IPv6Network("fd00:7:22::/64"))
HOST = Attributes(IPv4Address("10.4.7.21"), backend_type="host-gw")
VXLAN = Attributes(
    IPv4Address("10.4.7.22"),
    IPv6Address("fd00:4:7::22"),
    "vxlan",
    {"VNI": 1, "VtepMAC": "c6:d2:32:6f:8f:44"},
    {"VNI": 1, "VtepMAC": "c6:d2:32:6f:8f:45"},
)
# As flannel writes it.
OF_FLANNEL = {
    "flannel.alpha.coreos.com/kube-subnet-manager": "true",
    "flannel.alpha.coreos.com/backend-type": "host-gw",
    "flannel.alpha.coreos.com/backend-data": "null",
    "flannel.alpha.coreos.com/public-ip": "10.4.7.21",
}


@pytest.fixture
def api() -> Iterator[KubeApi]:
    with kube_api() as running:
        yield running


@pytest.fixture
def tls(tmp_path: Path) -> Certificates:
    return make_certificates(tmp_path / "tls")


def at(api: KubeApi, node: str = "hdss7-21", **more: Any) -> LeaseStore:  # noqa: ANN401  (whatever the orders hold)
    return lease_store(StoreOrders(**{"kube_subnet_mgr": True, "kube_api_url": api.url, "node_name": node, **more}))


@pytest.fixture(params=["twin", "kubernetes"])
def store(request: pytest.FixtureRequest, api: KubeApi) -> LeaseStore:
    """A host that Kubernetes has given a subnet."""
    if request.param == "twin":
        twin = MemoryLeaseStore()
        twin.subnet_of_host = SUBNET
        return twin
    api.put("hdss7-21", "172.7.21.0/24")
    return at(api)


def test_a_host_is_told_its_subnet_takes_it_and_says_how_it_is_reached(store: LeaseStore) -> None:
    assigned = store.assigned()
    assert assigned == SUBNET
    made = store.create(assigned, HOST, seconds=600)
    assert replace(made, expires=None) == Lease(SUBNET, HOST, made.revision)
    assert store.snapshot().leases == (replace(made, expires=None),)
    told = store.renew(made, VXLAN, seconds=600)
    assert told.revision > made.revision
    assert store.snapshot().leases == (replace(told, expires=None),)
    again = store.renew(told, HOST, seconds=600)
    assert again.attributes == HOST


def test_a_watch_tells_what_a_host_says(store: LeaseStore) -> None:
    with Listener(store, store.snapshot().revision) as listener:
        listener.established()
        made = store.create(SUBNET, HOST, seconds=600)
        assert listener.changes(1) == (Change("put", replace(made, expires=None)),)
        told = store.renew(made, VXLAN, seconds=600)
        assert listener.changes(1) == (Change("put", replace(told, expires=None)),)
        listener.watch.close()
        assert listener.end() is None


def test_what_flannel_wrote_is_read_and_what_natfix_writes_is_the_same(api: KubeApi) -> None:
    api.put("hdss7-21", "172.7.21.0/24", annotations=OF_FLANNEL)
    (lease,) = at(api).snapshot().leases
    assert (lease.subnet, lease.attributes, lease.reserved) == (SUBNET, HOST, False)
    api.put("hdss7-22", *map(str, DUAL.networks))
    at(api, "hdss7-22").create(DUAL, VXLAN, seconds=600)
    assert api.node("hdss7-22")["metadata"]["annotations"] == {
        "flannel.alpha.coreos.com/kube-subnet-manager": "true",
        "flannel.alpha.coreos.com/backend-type": "vxlan",
        "flannel.alpha.coreos.com/backend-data": '{"VNI":1,"VtepMAC":"c6:d2:32:6f:8f:44"}',
        "flannel.alpha.coreos.com/backend-v6-data": '{"VNI":1,"VtepMAC":"c6:d2:32:6f:8f:45"}',
        "flannel.alpha.coreos.com/public-ip": "10.4.7.22",
        "flannel.alpha.coreos.com/public-ipv6": "fd00:4:7::22",
    }
    (condition,) = api.node("hdss7-22")["status"]["conditions"]
    assert (condition["type"], condition["status"]) == ("NetworkUnavailable", "False")
    api.put("hdss7-21", "172.7.21.0/24")
    at(api).create(SUBNET, HOST, seconds=600)
    assert api.node("hdss7-21")["metadata"]["annotations"] == OF_FLANNEL


def test_a_host_that_says_so_already_writes_nothing(api: KubeApi) -> None:
    api.put("hdss7-21", "172.7.21.0/24", annotations=OF_FLANNEL)
    (lease,) = at(api).snapshot().leases
    assert at(api).renew(lease, HOST, seconds=600) == lease
    assert "PATCH" not in {method for method, _ in api.requests}


def test_a_subnet_that_is_another_by_now_is_a_conflict(api: KubeApi) -> None:
    api.put("hdss7-21", "172.7.99.0/24")
    with pytest.raises(ConflictError, match=r"the node hdss7-21 172\.7\.99\.0/24 and not 172\.7\.21\.0/24"):
        at(api).create(SUBNET, HOST, seconds=600)


def test_a_node_whose_agent_has_said_nothing_keeps_its_subnet_from_others(api: KubeApi) -> None:
    api.put("hdss7-21", "172.7.21.0/24")
    api.put("waiting")
    (lease,) = at(api).snapshot().leases
    assert (lease.subnet, lease.reserved, lease.attributes) == (SUBNET, True, Attributes())


def test_a_node_that_kubernetes_has_given_no_subnet_waits(api: KubeApi) -> None:
    api.put("hdss7-21")
    with pytest.raises(HostError, match="has given the node hdss7-21 no podCIDR yet"):
        at(api).assigned()


def test_nodes_that_say_something_impossible_are_told(api: KubeApi) -> None:
    api.put("one", "172.7.1.0/24", "172.7.2.0/24")
    api.put("two", "172.7.3.0/24", annotations={**OF_FLANNEL, "flannel.alpha.coreos.com/public-ip": "ten"})
    api.put("three", "172.7.4.0/24", annotations={**OF_FLANNEL, "flannel.alpha.coreos.com/backend-data": "[]"})
    api.put("hdss7-21", "172.7.21.0/24", annotations=OF_FLANNEL)
    found = at(api).snapshot()
    assert [lease.subnet for lease in found.leases] == [SUBNET]
    assert [text.split(":")[0] for text in found.unreadable] == ["node one", "node two", "node three"]


def test_a_snapshot_is_one_request(api: KubeApi) -> None:
    for number in range(20):
        api.put(f"node-{number}", f"172.7.{number}.0/24", annotations=OF_FLANNEL)
    assert len(at(api).snapshot().leases) == 20
    assert len(api.requests) == 1


def test_a_watch_passes_over_the_many_changes_that_are_none(api: KubeApi) -> None:
    api.put("hdss7-21", "172.7.21.0/24", annotations=OF_FLANNEL)
    store = at(api)
    with Listener(store, store.snapshot().revision) as listener:
        listener.established()
        for _ in range(5):
            api.touch("hdss7-21")
        api.bookmark()
        api.put("hdss7-22", "172.7.22.0/24")
        (put,) = listener.changes(1)
    assert (put.kind, str(put.lease.subnet)) == ("put", "172.7.22.0/24")


def test_a_watch_hears_of_nodes_that_go_or_get_another_subnet(api: KubeApi) -> None:
    api.put("hdss7-21", "172.7.21.0/24", annotations=OF_FLANNEL)
    store = at(api)
    with Listener(store, store.snapshot().revision) as listener:
        api.put("hdss7-21", "172.7.99.0/24", annotations=OF_FLANNEL)
        api.remove("hdss7-21")
        told = [(change.kind, str(change.lease.subnet)) for change in listener.changes(3)]
    assert told == [("gone", "172.7.21.0/24"), ("put", "172.7.99.0/24"), ("gone", "172.7.99.0/24")]


def test_a_watch_that_the_server_ends_goes_on_and_misses_nothing(api: KubeApi) -> None:
    store = at(api)
    with Listener(store, store.snapshot().revision) as listener:
        listener.established()
        api.put("hdss7-21", "172.7.21.0/24")
        listener.changes(1)
        api.hang_up()
        listener.established()
        api.put("hdss7-22", "172.7.22.0/24")
        assert len(listener.changes(1)) == 1


def test_a_watch_in_silence_looks_whether_anybody_is_there(api: KubeApi) -> None:
    client = KubeClient(Endpoints(Service("Kubernetes", (api.url,))), dict)
    store = KubeLeaseStore(client, "hdss7-21", "/nowhere", HostFiles(), idle=0.3)
    with Listener(store, store.snapshot().revision) as listener:
        for _ in range(3):
            listener.established()
        api.put("hdss7-21", "172.7.21.0/24")
        assert len(listener.changes(1)) == 1


def test_what_the_server_has_forgotten_calls_for_a_new_look(api: KubeApi) -> None:
    store = at(api)
    before = store.snapshot().revision
    api.put("hdss7-21", "172.7.21.0/24")
    api.compact()
    with Listener(store, before) as listener:
        assert isinstance(listener.end(), ConflictError)
    assert len(store.snapshot().leases) == 1


def test_nothing_is_reserved_or_released_and_the_configuration_is_not_written(api: KubeApi) -> None:
    store = at(api)
    for use in (
        lambda: store.reserve(SUBNET),
        lambda: store.release(Lease(SUBNET)),
        lambda: store.configure("x", expected=None),
    ):
        with pytest.raises(UnsupportedError):
            use()
    assert api.requests == []


def test_the_configuration_is_the_file_that_a_configmap_is_mounted_as(api: KubeApi, tmp_path: Path) -> None:
    path = tmp_path / "net-conf.json"
    store = at(api, net_config_path=str(path))
    assert store.config() is None
    path.write_text('{"Network": "172.7.0.0/16"}')
    assert store.config() == '{"Network": "172.7.0.0/16"}'


def test_refusals_are_told_with_what_to_do(api: KubeApi) -> None:
    api.put("hdss7-21", "172.7.21.0/24")
    with pytest.raises(HostError, match='nodes "other" not found') as caught:
        at(api, "other").assigned()
    assert "--node-name" in str(caught.value)
    api.forbidden = {"PATCH"}
    with pytest.raises(HostError, match="nodes is forbidden") as caught:
        at(api).create(SUBNET, HOST, seconds=600)
    assert "ClusterRole" in str(caught.value)
    api.token = "anything"  # noqa: S105
    for use in (at(api).snapshot, lambda: list(at(api).watch(1))):
        with pytest.raises(HostError, match="Unauthorized"):
            use()


def test_an_api_that_is_not_there_is_told(api: KubeApi) -> None:
    with pytest.raises(HostError, match=r"Kubernetes does not answer: http://127\.0\.0\.1:1: Connection refused") as caught:
        at(api, kube_api_url="http://127.0.0.1:1").snapshot()
    assert "--kubeconfig-file" in str(caught.value)


def kubeconfig(path: Path, url: str, cluster: dict[str, Any], user: dict[str, Any]) -> str:
    told = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [
            {"name": "elsewhere", "context": {}},
            {"name": "here", "context": {"cluster": "lab", "user": "natfix"}},
        ],
        "clusters": [{"name": "lab", "cluster": {"server": url, **cluster}}],
        "users": [{"name": "natfix", "user": user}],
    }
    path.write_text(yaml.safe_dump(told))
    return str(path)


def encoded(path: Path) -> str:
    return b64encode(path.read_bytes()).decode()


@pytest.mark.kernel("openssl")
@pytest.mark.parametrize("where", ["inside", "paths"])
def test_kubeconfig_tells_certificates(tls: Certificates, where: str) -> None:
    with kube_api(tls) as api:
        if where == "inside":
            cluster = {"certificate-authority-data": encoded(tls.ca)}
            user = {"client-certificate-data": encoded(tls.certificate), "client-key-data": encoded(tls.key)}
        else:
            cluster = {"certificate-authority": "ca.pem"}  # Beside kubeconfig.
            user = {"client-certificate": str(tls.certificate), "client-key": str(tls.key)}
        path = kubeconfig(tls.folder / "config", api.url, cluster, user)
        assert at(api, kubeconfig_file=path, kube_api_url="").snapshot().leases == ()
        path = kubeconfig(tls.folder / "config", api.url, cluster, {})
        with pytest.raises(HostError, match="does not answer"):
            at(api, kubeconfig_file=path, kube_api_url="").snapshot()


def test_a_token_is_read_anew_for_each_request(api: KubeApi, tmp_path: Path) -> None:
    token = tmp_path / "token"
    path = kubeconfig(tmp_path / "config", "http://127.0.0.1:1", {}, {"tokenFile": "token"})
    store = at(api, kubeconfig_file=path)
    for words in ("first", "second"):
        api.token = words
        token.write_text(f"{words}\n")
        assert store.snapshot().leases == ()
    path = kubeconfig(tmp_path / "config", api.url, {}, {"token": "second"})
    assert at(api, kubeconfig_file=path, kube_api_url="").snapshot().leases == ()


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("a: [", ConfigError, "is no YAML"),
        ("- a", ConfigError, "is no kubeconfig"),
        ("current-context: x", ConfigError, "there is no 'x' among contexts"),
        (None, HostError, "cannot read"),
    ],
)
def test_a_kubeconfig_that_says_nothing_is_refused(
    api: KubeApi, tmp_path: Path, text: str | None, error: type[Exception], words: str
) -> None:
    path = tmp_path / "config"
    if text is not None:
        path.write_text(text)
    with pytest.raises(error, match=words):
        at(api, kubeconfig_file=str(path))


def test_a_kubeconfig_that_wants_a_program_run_is_refused(api: KubeApi, tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "config", api.url, {}, {"exec": {"command": "aws"}})
    with pytest.raises(UnsupportedError, match="wants a program to be run"):
        at(api, kubeconfig_file=path)
    path = kubeconfig(tmp_path / "config", api.url, {"certificate-authority-data": "?"}, {})
    with pytest.raises(ConfigError, match="certificate-authority-data is no base64"):
        at(api, kubeconfig_file=path)


def test_a_pod_finds_the_api_and_its_token_by_itself(api: KubeApi, tmp_path: Path) -> None:
    access = from_pod(api.url, 5, {}, str(tmp_path))
    assert access.headers() == {}
    (tmp_path / "token").write_text("secret\n")
    assert access.headers() == {"Authorization": "Bearer secret"}
    environment = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "6443"}
    assert from_pod("", 5, environment, str(tmp_path)).service.urls == ("https://[fd00::1]:6443",)


def test_elsewhere_than_in_a_pod_somebody_must_say_where_kubernetes_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(HostError, match="this is no pod") as caught:
        lease_store(StoreOrders(kube_subnet_mgr=True))
    assert "--kubeconfig-file" in str(caught.value)


def test_leases_live_in_one_place() -> None:
    with pytest.raises(UsageError, match="not in both"):
        lease_store(StoreOrders(kube_subnet_mgr=True, lease_file="/etc/leases.json"))


@pytest.mark.parametrize(
    ("kind", "told", "words"),
    [
        ("ADDED", "nonsense", "does not answer as it should: .*nonsense"),
        ("ADDED", {}, "does not answer as it should"),
        ("ERROR", {"code": 500, "message": "etcd is away"}, "ended the watch on nodes: etcd is away"),
        ("ERROR", {"code": 410, "message": "too old resource version"}, "has forgotten what came after"),
    ],
)
def test_a_watch_that_the_server_ends_with_an_error_says_which(api: KubeApi, kind: str, told: object, words: str) -> None:
    store = at(api)
    with Listener(store, store.snapshot().revision) as listener:
        listener.established()
        api.tell(kind, told)
        error = listener.end()
    assert error is not None
    assert re.search(words, error.message)
    assert isinstance(error, ConflictError if "forgotten" in words else HostError)

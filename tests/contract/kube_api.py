"""Kubernetes' API as far as it is documented for nodes: list, get, watch with bookmarks, 410 Gone, strategic merge of a status.

No real kube-apiserver can be had where these tests run; what this one does is what "Kubernetes API concepts" says.
"""

import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.etcd import Certificates

NODES = "/api/v1/nodes"


class KubeApi:
    """The objects, and what became of them.

    Attributes:
        url: where it is.
        token: what must be shown; empty for nothing.
        forbidden: methods that nobody may use.
        requests: method and path of each.
    """

    def __init__(self, tls: Certificates | None = None, host: str = "127.0.0.1") -> None:
        self.token = ""
        self.forbidden: set[str] = set()
        self.requests: list[tuple[str, str]] = []
        self.changed = threading.Condition()
        self._nodes: dict[str, dict[str, Any]] = {}
        self._log: list[tuple[int, dict[str, Any]]] = []
        self._revision = 100
        self._forgotten = 0
        self._connections = 0
        self._server = _Server(self, host)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls.server, tls.server_key)
            context.load_verify_locations(tls.ca)
            context.verify_mode = ssl.CERT_REQUIRED
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"http{'s' if tls else ''}://{host}:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.02])
        self._thread.start()

    def end(self) -> None:
        """Hang up on everybody."""
        self.hang_up()
        self._server.shutdown()
        self._thread.join(60)
        self._server.server_close()

    def put(self, name: str, *cidrs: str, annotations: Mapping[str, str] | None = None) -> None:
        """Make a node, or give it these podCIDRs and annotations."""
        spec = {"podCIDR": cidrs[0], "podCIDRs": list(cidrs)} if cidrs else {}
        self._store("MODIFIED" if name in self._nodes else "ADDED", name, spec, dict(annotations or {}), [])

    def touch(self, name: str) -> None:
        """Change what has nothing to do with leases, as a kubelet does all the time."""
        node = self._nodes[name]
        condition = {"type": "Ready", "status": "True", "lastHeartbeatTime": str(self._revision)}
        self._store("MODIFIED", name, node["spec"], node["metadata"]["annotations"], [condition])

    def remove(self, name: str) -> None:
        """Delete a node."""
        with self.changed:
            self._revision += 1
            node = self._nodes.pop(name)
            node = {**node, "metadata": {**node["metadata"], "resourceVersion": str(self._revision)}}
            self._tell("DELETED", node)

    def node(self, name: str) -> dict[str, Any]:
        """A node as it is."""
        return self._nodes[name]

    def compact(self) -> None:
        """Forget what led to the present state."""
        with self.changed:
            self._forgotten = self._revision
            self._log.clear()

    def bookmark(self) -> None:
        """Tell all watches how far they are."""
        with self.changed:
            self._revision += 1  # Other objects change too.
            self._tell("BOOKMARK", {"kind": "Node", "metadata": {"resourceVersion": str(self._revision)}})

    def tell(self, kind: str, told: object) -> None:
        """Tell all watches anything."""
        with self.changed:
            self._revision += 1
            self._tell(kind, told)

    def hang_up(self) -> None:
        """End all watches, as a server does after a while."""
        with self.changed:
            self._connections += 1
            self.changed.notify_all()

    def answer(self, method: str, path: str, body: bytes, content_type: str) -> tuple[int, dict[str, Any]]:
        """What a request that is no watch leads to."""
        name = path.removeprefix(NODES).strip("/").removesuffix("/status")
        with self.changed:
            if not name:
                items = list(self._nodes.values())
                return 200, {"kind": "NodeList", "metadata": {"resourceVersion": str(self._revision)}, "items": items}
            if name not in self._nodes:
                return 404, {"kind": "Status", "code": 404, "message": f'nodes "{name}" not found'}
            if method == "PATCH":
                if content_type != "application/strategic-merge-patch+json" or not path.endswith("/status"):
                    return 415, {"kind": "Status", "code": 415, "message": "the body of the request was in an unknown format"}
                self._merge(name, json.loads(body))
            return 200, self._nodes[name]

    def watch(self, revision: int) -> Iterator[dict[str, Any]]:
        """What comes after *revision*, until somebody hangs up."""
        connection, position = self._connections, revision
        while True:
            with self.changed:
                while connection == self._connections and not any(number > position for number, _ in self._log):
                    self.changed.wait()
                if connection != self._connections:
                    return
                found = [(number, event) for number, event in self._log if number > position]
            for number, event in found:
                position = max(position, number)
                yield event

    def is_forgotten(self, revision: int) -> bool:
        """Whether a watch from there would miss something."""
        return revision < self._forgotten

    def _merge(self, name: str, patch: dict[str, Any]) -> None:
        node = self._nodes[name]
        annotations = {**node["metadata"]["annotations"], **patch.get("metadata", {}).get("annotations", {})}
        kept = {key: value for key, value in annotations.items() if value is not None}
        self._store("MODIFIED", name, node["spec"], kept, patch.get("status", {}).get("conditions", []))

    def _store(
        self, kind: str, name: str, spec: dict[str, Any], annotations: dict[str, str], conditions: list[dict[str, str]]
    ) -> None:
        with self.changed:
            self._revision += 1
            before = self._nodes.get(name, {}).get("status", {}).get("conditions", [])
            merged = {one["type"]: one for one in [*before, *conditions]}
            self._nodes[name] = {
                "kind": "Node",
                "metadata": {"name": name, "resourceVersion": str(self._revision), "annotations": annotations},
                "spec": spec,
                "status": {"conditions": list(merged.values())},
            }
            self._tell(kind, self._nodes[name])

    def _tell(self, kind: str, node: object) -> None:
        self._log.append((self._revision, {"type": kind, "object": node}))
        self.changed.notify_all()


class _Server(ThreadingHTTPServer):
    """Knows what it serves."""

    daemon_threads = True

    def __init__(self, api: KubeApi, host: str) -> None:
        super().__init__((host, 0), _Handler)
        self.api = api


class _Handler(BaseHTTPRequestHandler):
    """Reads requests and writes answers."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the library calls it so)
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer."""
        self._serve()

    def do_PATCH(self) -> None:
        """Answer."""
        self._serve()

    def _serve(self) -> None:
        api = self.server.api
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        api.requests.append((self.command, self.path))
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        if api.token and self.headers.get("Authorization") != f"Bearer {api.token}":
            self._say(401, {"kind": "Status", "code": 401, "message": "Unauthorized"})
        elif self.command in api.forbidden:
            self._say(403, {"kind": "Status", "code": 403, "message": "nodes is forbidden: User cannot do this"})
        elif "watch" in query:
            self._watch(int(query["resourceVersion"][0]))
        else:
            self._say(*api.answer(self.command, path, body, self.headers.get("Content-Type", "")))

    def _say(self, status: int, told: dict[str, Any]) -> None:
        data = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _watch(self, revision: int) -> None:
        api = self.server.api
        if api.is_forgotten(revision):
            self._say(410, {"kind": "Status", "code": 410, "message": "too old resource version"})
            return
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for event in api.watch(revision):
                data = json.dumps(event).encode() + b"\n"
                self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            self.wfile.write(b"0\r\n\r\n")
        except OSError:  # Whoever watched has gone.
            self.close_connection = True


@contextmanager
def kube_api(tls: Certificates | None = None, host: str = "127.0.0.1") -> Iterator[KubeApi]:
    """Serve the API on a free port of this thread's namespace; with *tls* to those alone who show the client's certificate."""
    api = KubeApi(tls, host)
    try:
        yield api
    finally:
        api.end()

"""Kubernetes' API as far as nodes go: list, watch, patch.

Source: Kubernetes, "API concepts": resource versions, watches, bookmarks, 410 Gone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode

from natfix.errors import ConflictError, HostError
from natfix.host.stores.endpoints import Endpoints, Reply, Request
from natfix.host.stores.kube_access import Headers
from natfix.host.stores.stream import Stream

NODES: Final = "/api/v1/nodes"
GONE: Final = 410

_OK: Final = (200, 201)
_HINTS: Final = {
    401: "Who asks is not known there: is the token or the certificate of another cluster, or too old?",
    403: "natfix needs what flannel's ClusterRole grants: get, list and watch nodes, patch nodes/status.",
    404: "--node-name says which node this host is.",
}


@dataclass(frozen=True, slots=True)
class KubeClient:
    """Requests about nodes.

    Attributes:
        endpoints: where the API is.
        headers: gives what each request carries beside.
    """

    endpoints: Endpoints
    headers: Headers

    def get(self, path: str = NODES) -> dict[str, Any]:
        """Read a node, or all of them.

        Raises:
            HostError: the API does not answer, or refuses.
        """
        return self._answer(self.endpoints.ask(Request("GET", path, headers=self._headers())))

    def patch_status(self, node: str, patch: Mapping[str, Any]) -> dict[str, Any]:
        """Change a node's annotations and conditions; give it as it is then.

        Raises:
            HostError: the API does not answer, or refuses.
        """
        headers = self._headers() | {"Content-Type": "application/strategic-merge-patch+json"}
        request = Request("PATCH", f"{path_of(node)}/status", json.dumps(patch).encode(), headers)
        return self._answer(self.endpoints.ask(request))

    def watch(self, revision: int, idle: float) -> Stream:
        """Hear of every change of a node after *revision*.

        Raises:
            ConflictError: it is too long ago.
            HostError: the API does not answer, or refuses.
        """
        query = urlencode({"watch": "1", "allowWatchBookmarks": "true", "resourceVersion": str(revision)})
        stream = self.endpoints.listen(Request("GET", f"{NODES}?{query}", headers=self._headers()), idle)
        if stream.status == GONE:
            stream.drop()
            raise forgotten(revision)
        if stream.status not in _OK:
            self._answer(Reply(stream.status, stream.headers, b"\n".join(stream.lines()), stream.url))
        return stream

    def _headers(self) -> dict[str, str]:
        return {"Accept": "application/json", **self.headers()}

    def _answer(self, reply: Reply) -> dict[str, Any]:
        told = reply.json()
        if reply.status not in _OK:
            words = told.get("message") if isinstance(told, dict) else None
            raise HostError(f"Kubernetes refuses: {words or reply.status}", hint=_HINTS.get(reply.status))
        return dict(told)


def path_of(node: str) -> str:
    """Where a node is."""
    return f"{NODES}/{quote(node, safe='')}"


def forgotten(revision: int) -> ConflictError:
    """Say that there was too much since *revision*."""
    return ConflictError(f"Kubernetes has forgotten what came after revision {revision}")

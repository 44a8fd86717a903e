"""monitoring/natfix-dashboard.json: as its tool writes it, tied to no data source, and each expression answers with data."""

import json
import math
import re
from collections.abc import Iterator
from typing import Any

import pytest

from natfix.app.metrics import CHECK_METRICS, WATCH_METRICS
from natfix.app.node.metrics import NODE_METRICS
from tests.kernel.hosts import broad
from tests.kernel.watching import put_back
from tests.monitoring.site import MONITORING, NFT, UNSURE, Site
from tools.dashboard import DASHBOARD, dashboard

SHIPPED: dict[str, Any] = json.loads((MONITORING / "natfix-dashboard.json").read_text())
PANELS: list[dict[str, Any]] = SHIPPED["panels"]
PICTURES = [panel for panel in PANELS if panel["type"] != "row"]
EXPRESSIONS = sorted({target["expr"] for panel in PICTURES for target in panel["targets"]})
NAMES = {metric.name for metric in (*WATCH_METRICS, *NODE_METRICS, *CHECK_METRICS)}


def played(expression: str) -> str:
    """An expression with Grafana's variables as they are when all hosts are chosen."""
    return expression.replace("$instance", ".*").replace("$__rate_interval", "1m")


def sources(part: object) -> Iterator[Any]:
    """Every data source that is named somewhere."""
    if isinstance(part, dict):
        for name, value in part.items():
            if name == "datasource":
                yield value
            yield from sources(value)
    elif isinstance(part, list):
        for each in part:
            yield from sources(each)


def test_it_is_as_the_tool_writes_it() -> None:
    assert DASHBOARD.read_text() == json.dumps(dashboard(), indent=2) + "\n"


def test_the_data_source_is_chosen_by_who_looks() -> None:
    assert {json.dumps(each) for each in sources(SHIPPED)} == {'{"type": "prometheus", "uid": "${datasource}"}'}
    first, second = SHIPPED["templating"]["list"]
    assert (first["name"], first["type"], first["query"]) == ("datasource", "datasource", "prometheus")
    assert (second["name"], second["type"]) == ("instance", "query")


def test_every_panel_has_what_grafana_asks_for() -> None:
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    assert {panel["type"] for panel in PICTURES} <= {"timeseries", "stat", "table"}
    for panel in PICTURES:
        assert panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
        assert all("$instance" in target["expr"] or "ALERTS" in target["expr"] for target in panel["targets"])
    assert SHIPPED["schemaVersion"] >= 36


def test_no_two_panels_lie_on_each_other_or_beside_the_page() -> None:
    taken: set[tuple[int, int]] = set()
    for place in (panel["gridPos"] for panel in PANELS):
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & taken
        assert place["x"] + place["w"] <= 24
        taken |= cells


@pytest.mark.parametrize("text", [*EXPRESSIONS, (MONITORING / "natfix.rules.yml").read_text()])
def test_dashboard_and_alerts_ask_for_metrics_that_there_are(text: str) -> None:
    asked = {re.sub(r"_(bucket|count|sum)$", "", name) for name in re.findall(r"\bnatfix_[a-z_]+", text)}
    assert asked - NAMES == set()


@pytest.mark.kernel("prometheus", "prometheus-node-exporter", "etcd", "etcdctl", "setpriv")
def test_each_expression_answers_with_data_of_a_running_host(site: Site) -> None:
    silent = set(EXPRESSIONS)

    def heard() -> bool:
        silent.difference_update([each for each in silent if answers(site, each)])
        return not silent

    with site.leased(23):
        # A correction, a repair, and a finding, so that there is something of everything.
        put_back(site.host, NFT, broad(NFT))
        site.node.ip("route", "delete", "172.7.23.0/24")
        put_back(site.host, NFT, UNSURE)
        site.check()
        try:
            site.until(heard, f"{silent}")
        finally:
            site.host.run("iptables-nft", "-t", "nat", "-D", "POSTROUTING", *UNSURE.split())
            site.check()


def answers(site: Site, expression: str) -> bool:
    """Whether Prometheus answers with a number, and not only with what 0/0 is."""
    return any(math.isfinite(value) for _, value in site.prometheus.query(played(expression)))

"""Write monitoring/natfix-dashboard.json, for Grafana 9 and later, from the panels that stand here.

A dashboard is edited here and not in Grafana, so that it stays small enough to be read::

    .venv/bin/python tools/dashboard.py
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

DASHBOARD: Final = Path(__file__).resolve().parents[1] / "monitoring" / "natfix-dashboard.json"
_HERE: Final = 'instance=~"$instance"'
_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
_WIDTH, _HEIGHT = 24, 8


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture.

    Attributes:
        title: above it.
        lines: for each expression its legend; HERE in it stands for the chosen hosts.
        unit: as Grafana names it.
        kind: of Grafana's panels: ``timeseries``, ``stat``, ``table``.
        red: from which value on a ``stat`` is red; None for never.
        width: of 24.
        text: what a reader may ask; shown behind an i.
    """

    title: str
    lines: tuple[tuple[str, str], ...]
    unit: str = "short"
    kind: str = "timeseries"
    red: float | None = None
    width: int = 8
    text: str = ""


def _quantiles(metric: str) -> tuple[tuple[str, str], ...]:
    rate = f"sum by (le) (rate({metric}_bucket{{HERE}}[$__rate_interval]))"
    return tuple((f"histogram_quantile({share}, {rate})", name) for share, name in ((0.5, "half"), (0.99, "99 of 100")))


ROWS: Final[dict[str, tuple[Panel, ...]]] = {
    "All hosts": (
        Panel("Hosts with hidden addresses", (
            ("count(sum by (instance) (natfix_findings{HERE}) > 0) or vector(0)", "watched"),
            ('count(sum by (instance) (natfix_check_findings{HERE, severity="high"}) > 0) or vector(0)', "checked"),
        ), kind="stat", red=1, width=6),
        Panel("Guards wanted and not standing", (
            ("sum(natfix_guard_wanted{HERE} - natfix_guard_standing{HERE})", ""),
        ), kind="stat", red=1, width=4),
        Panel("Alerts", (
            ('count(ALERTS{alertname=~"Natfix.*", alertstate="firing"}) or vector(0)', ""),
        ), kind="stat", red=1, width=4),
        Panel("Versions", (
            ("count by (version, part) (natfix_build_info{HERE})", "{{part}} {{version}}"),
        ), kind="stat", width=10),
    ),
    "Watcher": (
        Panel("Findings", (("sum by (instance) (natfix_findings{HERE})", "{{instance}}"),),
              text="What is wrong now. What is corrected is seen here only if a scrape falls into the milliseconds before."),
        Panel("Corrections a minute", (
            ("60 * sum by (instance) (rate(natfix_corrections_total{HERE}[$__rate_interval]))", "{{instance}}"),
        )),
        Panel("From a change to its correction", _quantiles("natfix_correction_seconds"), unit="s"),
        Panel("What a person should see to", (
            ("natfix_fights{HERE}", "{{instance}}: fights"),
            ("natfix_left_alone{HERE}", "{{instance}}: left alone"),
            ("natfix_corrections_unsaved{HERE}", "{{instance}}: unsaved"),
            ("natfix_corrections_unrecorded{HERE}", "{{instance}}: unrecorded"),
            ("1 - natfix_last_look_successful{HERE}", "{{instance}}: look failed"),
            ("1 - natfix_settings_last_reload_successful{HERE}", "{{instance}}: settings refused"),
        )),
        Panel("Since the last look", (("time() - natfix_last_look_timestamp_seconds{HERE}", "{{instance}}"),), unit="s"),
        Panel("Errors, overruns and guards put back in an hour", (
            ("sum by (instance, kind) (increase(natfix_errors_total{HERE}[1h]))", "{{instance}} {{kind}}"),
            ("increase(natfix_event_overruns_total{HERE}[1h])", "{{instance}} overruns"),
            ("increase(natfix_guard_restorations_total{HERE}[1h])", "{{instance}} guard put back"),
        )),
    ),
    "Node agent": (
        Panel("Peers", (
            ("natfix_node_peers{HERE}", "{{instance}}: peers"),
            ("natfix_node_unreachable_peers{HERE}", "{{instance}}: unreachable"),
            ("natfix_node_doubtful_peers{HERE}", "{{instance}}: doubtful"),
        )),
        Panel("Entries that are missing", (
            ("natfix_node_entries_wanted{HERE} - natfix_node_entries_present{HERE}", "{{instance}}: missing"),
            ("natfix_node_refused_entries{HERE}", "{{instance}}: refused by the kernel"),
            ("natfix_node_obstructed_routes{HERE}", "{{instance}}: somebody else's in the place"),
        ), text="Routes, and with vxlan neighbours, forwarding entries and the tunnel's device."),
        Panel("Entries wanted", (("natfix_node_entries_wanted{HERE}", "{{instance}}"),)),
        Panel("Repairs a minute", (("60 * rate(natfix_node_repairs_total{HERE}[$__rate_interval])", "{{instance}}"),)),
        Panel("Time of a repair", _quantiles("natfix_node_repair_seconds"), unit="s"),
        Panel("Store", (
            ("natfix_node_store_up{HERE}", "{{instance}}: up"),
            ("increase(natfix_node_store_outages_total{HERE}[1h])", "{{instance}}: outages in an hour"),
        )),
        Panel("Since the store told something", (
            ("time() - natfix_node_store_last_contact_timestamp_seconds{HERE}", "{{instance}}"),
        ), unit="s"),
        Panel("Until the lease ends", (
            ("natfix_node_lease_expiry_timestamp_seconds{HERE} - time()", "{{instance}}"),
        ), unit="s"),
        Panel("Ready, and its iptables rules in place", (
            ("natfix_node_ready{HERE}", "{{instance}}: ready"),
            ("natfix_node_rules_successful{HERE}", "{{instance}}: rules"),
            ("increase(natfix_node_rule_repairs_total{HERE}[1h])", "{{instance}}: rules put right in an hour"),
        )),
        Panel("Leases", (("natfix_node_lease_info{HERE}", ""),), kind="table", width=24),
    ),
    "Hosts that are checked": (
        Panel("Findings", (
            ("sum by (instance, id, severity) (natfix_check_findings{HERE})", "{{instance}} {{id}} {{severity}}"),
        ), width=12),
        Panel("Exit code", (("natfix_check_exit_code{HERE}", "{{instance}}"),), width=6),
        Panel("Since the last check", (("time() - natfix_check_timestamp_seconds{HERE}", "{{instance}}"),), unit="s", width=6),
    ),
    "natfix itself": (
        Panel("Memory", (('process_resident_memory_bytes{HERE, job=~"natfix.*"}', "{{instance}}"),), unit="bytes", width=12),
        Panel("Processor", (
            ('rate(process_cpu_seconds_total{HERE, job=~"natfix.*"}[$__rate_interval])', "{{instance}}"),
        ), unit="percentunit", width=12),
    ),
}  # fmt: skip


def dashboard() -> dict[str, Any]:
    """The dashboard as Grafana reads it."""
    return {
        "title": "natfix",
        "uid": "natfix",
        "description": "Who hides container addresses, and what natfix does about it. See docs/metrics.md.",
        "tags": ["natfix", "network"],
        "schemaVersion": 37,
        "editable": True,
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "1m",
        "templating": {"list": list(_variables())},
        "annotations": {"list": []},
        "panels": list(_panels(ROWS)),
    }


def _variables() -> Iterator[dict[str, Any]]:
    yield {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
    query = "label_values(natfix_build_info, instance)"
    yield {
        "name": "instance",
        "label": "Host",
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": query, "refId": "instance"},
        "definition": query,
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def _panels(rows: dict[str, tuple[Panel, ...]]) -> Iterator[dict[str, Any]]:
    number, top = itertools.count(1), 0
    for title, panels in rows.items():
        head = {"type": "row", "title": title, "collapsed": False, "panels": []}
        yield {"id": next(number), **head, "gridPos": _place(0, top, _WIDTH, 1)}
        top, left = top + 1, 0
        for panel in panels:
            if left + panel.width > _WIDTH:
                top, left = top + _HEIGHT, 0
            yield {"id": next(number), **_panel(panel), "gridPos": _place(left, top, panel.width, _HEIGHT)}
            left += panel.width
        top += _HEIGHT


def _place(left: int, top: int, width: int, height: int) -> dict[str, int]:
    return {"x": left, "y": top, "w": width, "h": height}


def _panel(panel: Panel) -> dict[str, Any]:
    steps: Sequence[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.red is not None:
        steps = [*steps, {"color": "red", "value": panel.red}]
    return {
        "type": panel.kind,
        "title": panel.title,
        **({"description": panel.text} if panel.text else {}),
        "datasource": _SOURCE,
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "min": 0, "thresholds": {"mode": "absolute", "steps": steps}},
            "overrides": [],
        },
        "targets": [_target(chr(ord("A") + place), panel.kind, *line) for place, line in enumerate(panel.lines)],
    }


def _target(name: str, kind: str, expression: str, legend: str) -> dict[str, Any]:
    shape = {"instant": True, "format": "table"} if kind == "table" else {"range": True}
    here = expression.replace("HERE", _HERE)
    return {"refId": name, "datasource": _SOURCE, "expr": here, "legendFormat": legend or "__auto", **shape}


def main() -> None:
    """Write it."""
    DASHBOARD.write_text(json.dumps(dashboard(), indent=2) + "\n")
    print(f"wrote {DASHBOARD}")


if __name__ == "__main__":
    main()

"""docs/metrics.md: every metric there is, in the words it is told in, and no other."""

import re
from pathlib import Path

from natfix.app.metrics import BUILD, CHECK_METRICS, ERRORS, GUARD_METRICS, WATCH_METRICS, Metric
from natfix.app.node.metrics import NODE_METRICS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "metrics.md").read_text()
TABLES = {
    "All parts": (BUILD,),
    "Watcher and agent": (ERRORS,),
    "Watcher and check": GUARD_METRICS,
    "Watcher": tuple(one for one in WATCH_METRICS if one not in {BUILD, ERRORS, *GUARD_METRICS}),
    "Check": tuple(one for one in CHECK_METRICS if one not in {BUILD, *GUARD_METRICS}),
    "Node agent": tuple(one for one in NODE_METRICS if one not in {BUILD, ERRORS}),
}


def row(metric: Metric) -> str:
    cells = (f"`{metric.name}`", metric.kind, ", ".join(f"`{label}`" for label in metric.labels), metric.text.rstrip("."))
    return f"| {' | '.join(cells)} |".replace("|  |", "| |")


def test_each_table_holds_the_metrics_of_its_parts_and_no_others() -> None:
    found = dict(re.findall(r"^([A-Z][\w ]+):\n\n\| metric .*\n\|[-|]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE))
    assert {part: rows.splitlines() for part, rows in found.items()} == {
        part: [row(metric) for metric in metrics] for part, metrics in TABLES.items()
    }


def test_the_tables_leave_no_metric_out() -> None:
    tabled = {metric for metrics in TABLES.values() for metric in metrics}
    assert tabled == {*WATCH_METRICS, *NODE_METRICS, *CHECK_METRICS}


def test_a_name_means_one_thing() -> None:
    every = {*WATCH_METRICS, *NODE_METRICS, *CHECK_METRICS}
    assert len({metric.name for metric in every}) == len(every)


def test_nothing_that_the_page_names_is_unknown() -> None:
    known = {metric.name for metrics in TABLES.values() for metric in metrics}
    assert set(re.findall(r"\bnatfix_[a-z_]+", PAGE)) - known == set()

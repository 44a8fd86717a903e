"""Where numbers are told: the twin remembers what Prometheus' library tells whoever asks."""

import shutil
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from natfix._version import __version__
from natfix.app.metrics import CHECK_METRICS, ERROR_KINDS, WATCH_METRICS, Meter, Metric
from natfix.app.node.metrics import NODE_METRICS
from natfix.errors import HostError, UsageError
from natfix.host.memory.metrics import MemoryMeter
from natfix.host.metrics.meter import NoMeter, PrometheusMeter
from natfix.host.metrics.serving import parse_address, serve

GAUGE = Metric("natfix_gauge", "gauge", "A gauge.")
CROWD = Metric("natfix_crowd", "gauge", "Several gauges.", ("who", "where"))
TOTAL = Metric("natfix_steps_total", "counter", "A counter.")
KNOWN = Metric("natfix_kinds_total", "counter", "Counters known beforehand.", ("kind",), (("one",), ("two",)))
SECONDS = Metric("natfix_step_seconds", "histogram", "A histogram.", ("where",))
ALL = (GAUGE, CROWD, TOTAL, KNOWN, SECONDS)
PARTS = {"watch": WATCH_METRICS, "node": NODE_METRICS, "check": CHECK_METRICS}


class Told:
    """A meter, and what it shows."""

    def __init__(self, kind: str) -> None:
        self.meter: Meter = MemoryMeter() if kind == "memory" else PrometheusMeter(ALL, "test")

    def shows(self, metric: Metric, *labels: str) -> float | None:
        if isinstance(self.meter, MemoryMeter):
            return self.meter.value(metric, *labels)
        return samples(self.meter).get(f"{metric.name}{_braces(metric, labels)}")

    def durations(self, metric: Metric, *labels: str) -> tuple[float, float]:
        """How many there were, and their sum."""
        if isinstance(self.meter, MemoryMeter):
            found = [seconds for which, seconds in self.meter.durations[metric] if which == labels]
            return len(found), sum(found)
        known = samples(self.meter)
        return known[f"{metric.name}_count{_braces(metric, labels)}"], known[f"{metric.name}_sum{_braces(metric, labels)}"]


def _braces(metric: Metric, labels: tuple[str, ...]) -> str:
    pairs = sorted(zip(metric.labels, labels, strict=True))
    return "{" + ",".join(f'{name}="{value}"' for name, value in pairs) + "}" if pairs else ""


def samples(meter: Meter) -> Mapping[str, float]:
    assert isinstance(meter, PrometheusMeter)
    lines = [line for line in meter.page().decode().splitlines() if not line.startswith("#")]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


@pytest.fixture(params=["memory", "prometheus"])
def told(request: pytest.FixtureRequest) -> Told:
    return Told(request.param)


def test_a_gauge_is_there_once_somebody_has_said_what_it_is(told: Told) -> None:
    assert told.shows(GAUGE) is None
    told.meter.put(GAUGE, 3)
    told.meter.put(GAUGE, 2)
    assert told.shows(GAUGE) == 2


def test_a_gauge_forgets_what_is_no_longer_so(told: Told) -> None:
    told.meter.put(CROWD, 7, "a", "here")
    told.meter.put_only(CROWD, {("b", "there"): 1, ("c", "there"): 2})
    assert told.shows(CROWD, "a", "here") is None
    assert (told.shows(CROWD, "b", "there"), told.shows(CROWD, "c", "there")) == (1, 2)
    told.meter.put_only(CROWD, {})
    assert told.shows(CROWD, "b", "there") is None


def test_a_counter_begins_with_nothing_where_its_labels_are_known(told: Told) -> None:
    assert (told.shows(TOTAL), told.shows(KNOWN, "one"), told.shows(KNOWN, "three")) == (0, 0, None)
    told.meter.add(TOTAL)
    told.meter.add(TOTAL, number=4)
    told.meter.add(KNOWN, "three", number=0)
    assert (told.shows(TOTAL), told.shows(KNOWN, "one"), told.shows(KNOWN, "three")) == (5, 0, 0)


def test_a_histogram_counts_and_sums(told: Told) -> None:
    told.meter.observe(SECONDS, 0.25, "here")
    told.meter.observe(SECONDS, 0.5, "here")
    told.meter.observe(SECONDS, 8, "there")
    assert told.durations(SECONDS, "here") == (2, 0.75)
    assert told.durations(SECONDS, "there") == (1, 8)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda meter: meter.put(CROWD, 1, "a"),
        lambda meter: meter.add(KNOWN, "a", "b"),
        lambda meter: meter.put_only(CROWD, {("a",): 1}),
        lambda meter: meter.observe(SECONDS, 1, "a", "b"),
    ],
)
def test_labels_that_do_not_fit_are_a_defect(told: Told, wrong: Callable[[Meter], None]) -> None:
    with pytest.raises(ValueError, match="label"):
        wrong(told.meter)


def test_the_time_of_day_is_noted() -> None:
    meter = PrometheusMeter(ALL, "test")
    before = samples(meter)["process_start_time_seconds"]
    meter.stamp(GAUGE)
    assert samples(meter)["natfix_gauge"] >= before
    twin = MemoryMeter()
    twin.stamp(GAUGE)
    assert twin.stamped[GAUGE] == 1


def test_what_was_not_declared_is_a_defect() -> None:
    with pytest.raises(LookupError, match="natfix_gauge is not among the metrics"):
        PrometheusMeter((TOTAL,), "test").put(GAUGE, 1)


def test_nobody_measures_at_no_cost() -> None:
    meter = NoMeter()
    meter.put(GAUGE, 1)
    meter.put_only(CROWD, {})
    meter.stamp(GAUGE)
    meter.add(TOTAL)
    meter.observe(SECONDS, 1, "here")
    meter.publish()


@contextmanager
def served(meter: PrometheusMeter, address: str) -> Iterator[Callable[[str], tuple[str, str]]]:
    """Asks for a path; gives the media type and the page."""
    server = serve(meter, address)

    def ask(path: str) -> tuple[str, str]:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=5) as answer:
            return answer.headers["Content-Type"], answer.read().decode()

    try:
        yield ask
    finally:
        server.close()


@pytest.mark.parametrize("address", ["127.0.0.1:49735", "[::1]:49735"])
def test_numbers_are_on_the_address(address: str) -> None:
    meter = PrometheusMeter(ALL, "test")
    meter.put(CROWD, 1, "a", "here")
    with served(meter, address) as ask:
        kind, page = ask("/metrics")
        assert kind == "text/plain; version=0.0.4; charset=utf-8"
        assert '\nnatfix_crowd{where="here",who="a"} 1.0\n' in page
        assert f'natfix_build_info{{part="test",version="{__version__}"}} 1.0' in page
        with pytest.raises(urllib.error.HTTPError, match="404"):
            ask("/")


def test_the_file_is_whole_readable_for_the_collector_and_alone(tmp_path: Path) -> None:
    path = tmp_path / "natfix.prom"
    meter = PrometheusMeter(ALL, "test", str(path), process=False)
    meter.add(TOTAL)
    assert not path.exists()
    meter.publish()
    meter.add(TOTAL)
    meter.publish()
    assert path.read_bytes() == meter.page()
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [path]
    assert "process_" not in path.read_text()


def test_a_link_at_the_files_place_is_replaced_and_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    path = tmp_path / "natfix.prom"
    path.symlink_to(victim)
    PrometheusMeter(ALL, "test", str(path)).publish()
    assert victim.read_text() == "precious"
    assert not path.is_symlink()


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="cannot be written"):
        PrometheusMeter(ALL, "test", str(tmp_path / "none" / "natfix.prom")).publish()


@pytest.mark.parametrize("text", ["9735", ":9735", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:0", "127.0.0.1:70000"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no address"):
        parse_address(text)


def test_an_address_that_is_taken_is_told() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(HostError, match="cannot be served on 127"):
            serve(PrometheusMeter(ALL, "test"), f"127.0.0.1:{other.getsockname()[1]}")


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed; see tools/debian-packages.txt")
@pytest.mark.parametrize("part", PARTS)
def test_promtool_finds_nothing_to_complain_about(part: str) -> None:
    meter = PrometheusMeter(PARTS[part], part)
    for metric in PARTS[part]:
        values = ("x",) * len(metric.labels)
        if metric.kind == "gauge":
            meter.put(metric, 1, *values)
        elif metric.kind == "counter":
            meter.add(metric, *values)
        else:
            meter.observe(metric, 0.1, *values)
    checked = subprocess.run(["promtool", "check", "metrics"], input=meter.page(), capture_output=True, check=False)
    assert (checked.returncode, checked.stdout.decode(), checked.stderr.decode()) == (0, "", "")


def test_every_kind_of_error_is_counted_from_the_beginning() -> None:
    known = samples(PrometheusMeter(WATCH_METRICS, "watch"))
    assert {f'natfix_errors_total{{kind="{kind}"}}' for kind in ERROR_KINDS} <= known.keys()

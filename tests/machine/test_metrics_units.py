"""The drop-ins and the timer of monitoring/systemd on a whole machine: confined, and yet read by whoever is not root."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine.conftest import Images
from tests.machine.machines.pair import CLUSTER, DockerHost
from tests.machine.machines.patience import eventually
from tests.machine.machines.wire import wire

pytestmark = [pytest.mark.machine("systemd-nspawn", "debootstrap", "setpriv"), pytest.mark.slow]

SHIPPED = Path(__file__).resolve().parents[2] / "monitoring" / "systemd"
FOLDER = "/var/lib/prometheus/node-exporter"
ASK = "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:9735/metrics', timeout=9).read().decode())"


# The oldest prometheus-client is that of bookworm.
@pytest.fixture(scope="module")
def host(images: Images, natfix_layer: Path) -> Iterator[DockerHost]:
    with wire() as cable, DockerHost("hM", 21, [natfix_layer, images("bookworm")], cable) as made:
        made.prepare({}, "nft")
        made.put("/etc/natfix/natfix.toml", f'cluster-cidr = ["{CLUSTER}"]\n')
        made.boot()
        made.output("mkdir", "-p", FOLDER)
        yield made


def as_nobody(host: DockerHost, name: str) -> str:
    """What somebody without rights reads of a file; empty while there is none."""
    return host.run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "cat", f"{FOLDER}/{name}").stdout


def watch_with(host: DockerHost, drop_in: str) -> None:
    host.put("/etc/systemd/system/natfix-watch.service.d/metrics.conf", (SHIPPED / drop_in).read_text())
    host.output("natfix", "install", "--watch")
    host.output("systemctl", "daemon-reload")
    host.output("systemctl", "restart", "natfix-watch.service")


@pytest.fixture(autouse=True)
def _clean(host: DockerHost) -> Iterator[None]:
    yield
    host.run("natfix", "uninstall")
    host.run("sh", "-c", f"rm -rf {FOLDER}/* /etc/systemd/system/natfix-watch.service.d /etc/systemd/system/natfix-check.*")
    host.run("systemctl", "daemon-reload")


def test_the_confined_watcher_writes_a_file_that_anybody_may_read(host: DockerHost) -> None:
    watch_with(host, "watch-textfile.conf")
    assert eventually(lambda: 'natfix_build_info{part="watch"' in as_nobody(host, "natfix.prom")), host.journal()
    host.output("iptables", "-t", "nat", "-I", *host.broad.split()[1:])
    assert eventually(lambda: 'natfix_corrections_total{backend="iptables-nft"} 0.0' not in as_nobody(host, "natfix.prom"))
    # A file that is being written has another name for a moment.
    assert eventually(lambda: host.output("ls", "-A", FOLDER) == "natfix.prom\n")


def test_the_confined_watcher_answers_on_loopback(host: DockerHost) -> None:
    watch_with(host, "watch-scrape.conf")
    assert 'natfix_findings{backend="iptables-nft"} 0.0' in host.output("python3", "-c", ASK)


def test_the_timer_checks_and_its_unit_writes_what_was_found(host: DockerHost) -> None:
    for name in ("natfix-check.service", "natfix-check.timer"):
        host.put(f"/etc/systemd/system/{name}", (SHIPPED / name).read_text())
    host.output("systemctl", "daemon-reload")
    verified = host.run("systemd-analyze", "verify", "/etc/systemd/system/natfix-check.timer")
    assert [line for line in (verified.stdout + verified.stderr).splitlines() if "natfix" in line] == []
    host.output("systemctl", "start", "natfix-check.timer")
    # It would start the unit by itself two minutes after the boot, and a check that runs already is none of what follows.
    host.output("systemctl", "stop", "natfix-check.timer", "natfix-check.service")
    host.output("iptables", "-t", "nat", "-F", "POSTROUTING")
    host.restart_docker()
    host.output("systemctl", "start", "natfix-check.service")
    told = [line for line in as_nobody(host, "natfix.prom").splitlines() if not line.startswith("#")]
    assert 'natfix_check_findings{id="NAT001",severity="high",source="iptables-nft"} 1.0' in told
    assert "natfix_check_exit_code 1.0" in told
    assert "natfix_guard_wanted 0.0" in told

"""A host that is monitored: a watcher, an agent with its etcd, a node_exporter and a Prometheus that asks them all.

All is in one network namespace that has no way out, so Prometheus can reach nothing else. It asks every
second: what answers later than before the next question is told as absent, with all its numbers.
"""

import json
import os
import pwd
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import yaml

from natfix.ruleset import Family
from tests.etcd import PREFIX, Etcd, etcd
from tests.kernel.hosts import Host, backends, docker_host, options
from tests.kernel.nodes import HOST_GW, Node
from tests.kernel.watching import NATFIX, PATIENCE, Watching, open_host, watching
from tests.netns import command, enter

MONITORING = Path(__file__).resolve().parents[2] / "monitoring"
NFT, _ = backends(Family.IPV4)
# A rule that natfix finds and does not correct, as nobody knows whose packets it meets.
UNSURE = "-m owner --uid-owner 1000 -s 172.7.21.0/24 ! -o docker0 -j MASQUERADE"
_PROMETHEUS, _EXPORTER = "127.0.0.1:9090", "127.0.0.1:9100"
_OFTEN = "1s"
_TEXTFILES = "/run/textfiles"
_ASKED = 3


@dataclass
class Prometheus:
    """A Prometheus that runs in a network namespace.

    Attributes:
        namespace: its name.
    """

    namespace: str

    def ask(self, path: str, **fields: str) -> Any:  # noqa: ANN401  (JSON)
        """What its API answers.

        Raises:
            AssertionError: an error; with what it says of it.
        """
        query = f"?{urllib.parse.urlencode(fields)}" if fields else ""
        with enter(self.namespace):
            try:
                with urllib.request.urlopen(f"http://{_PROMETHEUS}/api/v1/{path}{query}", timeout=PATIENCE) as answer:
                    document = json.load(answer)
            except urllib.error.HTTPError as error:
                if error.code == HTTPStatus.SERVICE_UNAVAILABLE:  # It has just been started.
                    raise
                raise AssertionError(f"{fields}: {error.read().decode()}") from error
        assert document["status"] == "success"
        return document["data"]

    def query(self, expression: str) -> list[tuple[Mapping[str, str], float]]:
        """The labels and the value of each series."""
        found = self.ask("query", query=expression)["result"]
        return [(each["metric"], float(each["value"][1])) for each in found]

    def value(self, expression: str) -> float | None:
        """The value of what is one series; None when there is none.

        Raises:
            AssertionError: there are several.
        """
        found = self.query(expression)
        assert len(found) <= 1, found
        return found[0][1] if found else None

    def alerts(self, name: str) -> list[str]:
        """The states of an alert that is not inactive."""
        return [each["state"] for each in self.ask("alerts")["alerts"] if each["labels"]["alertname"] == name]

    def is_ready(self) -> bool:
        """Whether it answers, and has reached all whom it asks."""
        try:
            return len(self.query("up == 1")) == _ASKED
        except OSError:
            return False


@dataclass
class Site:
    """All of it.

    Attributes:
        host: the host.
        watcher: what corrects its rules.
        node: it as the agent sees it.
        server: where leases live.
        prometheus: who asks.
    """

    host: Host
    watcher: Watching
    node: Node
    server: Etcd
    prometheus: Prometheus

    @contextmanager
    def leased(self, number: int) -> Iterator[None]:
        """Let a host that is not there hold a subnet, for a while."""
        key = f"{PREFIX}/subnets/172.7.{number}.0-24"
        value = {"PublicIP": f"10.4.7.{number}", "PublicIPv6": None, "BackendType": "host-gw"}
        self.server.ctl("put", key, json.dumps(value))
        self.until(lambda: self.prometheus.value("natfix_node_peers") == 1)
        yield
        self.server.ctl("del", key)
        self.until(lambda: self.prometheus.value("natfix_node_peers") == 0)

    def check(self) -> int:
        """Let natfix check leave its file, as cron does, whatever it finds; its exit code."""
        words = " ".join([*NATFIX, "check", "--metrics-textfile", f"{_TEXTFILES}/natfix.prom", *options(NFT)])
        script = f"umask 077; exec {words}"
        done = self.host.ask("sh", "-c", script)
        assert done.code in {0, 1}, done
        return done.code

    def until(self, holds: Callable[[], object], complaint: str = "") -> None:
        """Wait until Prometheus knows something."""
        end = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < end, complaint or "Prometheus does not see it"
            time.sleep(0.05)


@contextmanager
def monitored(folder: Path) -> Iterator[Site]:
    """Make the host and all that runs on it; all is gone afterwards."""
    with ExitStack() as stack:
        host = stack.enter_context(open_host())
        name = f"natfix-monitored-{os.getpid()}"
        command("ip", "netns", "attach", name, str(host.pid))
        stack.callback(command, "ip", "netns", "delete", name)
        docker_host(host, NFT)
        _plug(host)
        server = stack.enter_context(etcd(folder / "etcd", namespace=name, host="127.0.0.1", port=2379))
        server.ctl("put", f"{PREFIX}/config", HOST_GW)
        node = Node(21, name, folder / "21", server, "10.4.7.21")
        node.start("--healthz-ip", "127.0.0.1", "--healthz-port", "2401", "--iptables-forward-rules")
        stack.callback(node.stop, subprocess.Popen.kill)
        listen = ("--metrics-listen", "127.0.0.1:9735")
        watcher = stack.enter_context(watching(host, *options(NFT), "--no-persist", "--interval", "1", *listen))
        stack.enter_context(_exporter(host, folder))
        prometheus = Prometheus(name)
        site = Site(host, watcher, node, server, prometheus)
        site.check()
        log = stack.enter_context(_asking(host, folder / "prometheus"))
        site.until(prometheus.is_ready, f"see {log}")
        yield site


def _plug(host: Host) -> None:
    """Give the host a device that leads nowhere, on which its peers would be."""
    host.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "nowhere")
    host.run("ip", "address", "add", "10.4.7.21/24", "dev", "eth0")
    host.run("ip", "link", "set", "nowhere", "up")
    host.run("ip", "link", "set", "eth0", "up")


def _words(host: Host, *words: str) -> list[str]:
    # Without a new process for the program: who ends it by its pid ends it itself.
    return ["nsenter", "-t", str(host.pid), "-n", "-m", "--wd=/", "--", *words]


@contextmanager
def _running(words: Sequence[str], log: Path) -> Iterator[None]:
    with log.open("wb") as stream, subprocess.Popen(words, stdout=stream, stderr=stream) as process:
        try:
            yield
        finally:
            process.kill()


@contextmanager
def _exporter(host: Host, folder: Path) -> Iterator[None]:
    """Run node_exporter as what it is on Debian: somebody without rights."""
    host.run("mkdir", _TEXTFILES)
    nobody = pwd.getpwnam("nobody")
    who = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
    which = ["--collector.disable-defaults", "--collector.textfile", f"--collector.textfile.directory={_TEXTFILES}"]
    words = _words(host, *who, "prometheus-node-exporter", f"--web.listen-address={_EXPORTER}", *which)
    with _running(words, folder / "exporter.log"):
        yield


@contextmanager
def _asking(host: Host, folder: Path) -> Iterator[Path]:
    """Run Prometheus on the shipped configuration, but more often; gives its log."""
    folder.mkdir()
    config = yaml.safe_load((MONITORING / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": _OFTEN, "scrape_timeout": _OFTEN, "evaluation_interval": _OFTEN}
    config["rule_files"] = [str(MONITORING / name) for name in config["rule_files"]]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    where = [f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    with _running(_words(host, "prometheus", *where, f"--web.listen-address={_PROMETHEUS}"), folder / "log"):
        yield folder / "log"

"""`natfix watch` as a process, on real kernels: each change is corrected, nothing of others is lost, nobody is fought."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from natfix.app.ports import Backend
from natfix.ruleset import Family
from tests.kernel.hosts import CLUSTER, Host, backends, bridge, broad, corrected, debian, docker_host, options
from tests.kernel.watching import NATFIX, PATIENCE, Watching, open_host, put_back, until, watching

pytestmark = pytest.mark.kernel

DUMPS = Path(__file__).resolve().parents[2] / "bench" / "dumps.py"
NFT, LEGACY = backends(Family.IPV4)
FOREIGN = "-s 10.9.0.0/16 -o eth7 -j MASQUERADE"
STORM = 100_000
WRITERS = 8
# Short here; NATFIX_WRITERS_SECONDS=60 for the whole of it.
SECONDS = float(os.environ.get("NATFIX_WRITERS_SECONDS", "10"))
BOUNDED = 600
CHURNING = "rules of {} changed 40 times while they were read"


def is_right(on: Host, backend: Backend) -> bool:
    rules = on.rules(backend)
    return f"-A POSTROUTING {corrected(backend)}" in rules and f"-A POSTROUTING {broad(backend)}" not in rules


def has_told(watcher: Watching, corrections: int) -> bool:
    return len(watcher.told("corrected")) == corrections


def status_of(on: Host, backend: Backend) -> str:
    """What `natfix status` prints, right or not."""
    return on.ask(*NATFIX, "status", *options(backend)).output


def settled(watcher: Watching) -> bool:
    """Whether the watcher sleeps: nothing wakes it for half a second."""
    before = watcher.switches()
    time.sleep(0.5)
    return watcher.switches() == before


@pytest.mark.parametrize("backend", backends(), ids=str)
def test_dockers_rule_is_corrected_when_it_comes_and_each_time_it_comes_back(host: Host, backend: Backend) -> None:
    docker_host(host, backend)
    host.load(
        backend, f"[7:700] -A POSTROUTING {FOREIGN}" if backend.family is Family.IPV4 else "-A POSTROUTING -o eth7 -j RETURN"
    )
    others = host.rules(backend)[1:]
    with watching(host, *options(backend), "--no-persist") as watcher:
        assert is_right(host, backend)
        for number in range(4):
            put_back(host, backend, broad(backend))
            until(lambda: is_right(host, backend))
            until(partial(has_told, watcher, number + 2))
        assert host.rules(backend) == [f"-A POSTROUTING {corrected(backend)}", *others]
        entries = watcher.told("corrected")[1:]
        assert {(entry["before"], entry["after"]) for entry in entries} == {
            (f"-A POSTROUTING {broad(backend)}", f"-A POSTROUTING {corrected(backend)}")
        }
        sys.stdout.write(f"{backend}: corrected after {[entry['microseconds'] for entry in entries]} us\n")
    assert [change["verb"] for change in host.natfix_json("history")["changes"]] == ["watch"]


@pytest.mark.parametrize("backend", [NFT, LEGACY], ids=str)
def test_its_own_writes_and_looks_wake_nobody(host: Host, backend: Backend) -> None:
    docker_host(host, backend)
    # A slow look in between, on a machine that is slow itself, would be no write of its own.
    with watching(host, *options(backend), "--no-persist", "--interval", "3600") as watcher:
        until(lambda: settled(watcher))
        put_back(host, backend, broad(backend))
        until(lambda: is_right(host, backend))
        # A watcher that its own writes wake never sleeps so long.
        until(lambda: all(settled(watcher) for _ in range(5)))


def test_both_variants_are_watched_and_one_that_holds_rules_later(host: Host) -> None:
    bridge(host, "docker0", "172.7.21.1/24")
    with watching(host, *options(NFT), "--no-persist"):
        for backend in (LEGACY, NFT, LEGACY):
            put_back(host, backend, broad(backend))
            until(partial(is_right, host, backend))
        assert is_right(host, NFT)
        assert is_right(host, LEGACY)


def test_the_lock_may_be_removed_and_made_anew(host: Host) -> None:
    docker_host(host, LEGACY)
    with watching(host, *options(LEGACY), "--no-persist"):
        host.path("/run/xtables.lock").unlink()
        put_back(host, LEGACY, broad(LEGACY))
        until(lambda: is_right(host, LEGACY))
        put_back(host, LEGACY, broad(LEGACY))
        until(lambda: is_right(host, LEGACY))


def test_what_is_only_deleted_or_somebody_elses_is_left_alone(host: Host) -> None:
    docker_host(host, NFT)
    with watching(host, *options(NFT), "--no-persist") as watcher:
        host.run("iptables-nft", "-t", "nat", "-F", "POSTROUTING")
        put_back(host, NFT, FOREIGN)
        time.sleep(1)
        assert host.rules(NFT) == [f"-A POSTROUTING {FOREIGN}"]
        until(lambda: watcher.told("corrected"))
        assert len(watcher.told("corrected")) == 1


def test_the_correction_is_saved_for_the_next_boot(host: Host) -> None:
    debian(host)
    bridge(host, "docker0", "172.7.21.1/24")
    with watching(host, *options(NFT)) as watcher:
        put_back(host, NFT, broad(NFT))
        until(lambda: watcher.told("saved"))
        assert corrected(NFT) in host.path("/etc/iptables/rules.v4").read_text()


def test_a_read_only_etc_keeps_no_rule_wrong(host: Host) -> None:
    debian(host)
    docker_host(host, NFT)
    host.run("mount", "-o", "remount,ro", "/etc")
    with watching(host, *options(NFT)) as watcher:
        assert is_right(host, NFT)
        put_back(host, NFT, broad(NFT))
        until(lambda: is_right(host, NFT))
        until(lambda: "read-only" in watcher.state["unsaved"])
        until(lambda: watcher.told("refused"))
        assert len(watcher.told("refused")) == 1
        assert "not saved for the next boot" in host.natfix("status", *options(NFT), code=1)


@pytest.mark.slow
@pytest.mark.parametrize("backend", [NFT, LEGACY], ids=str)
def test_a_restore_of_a_hundred_thousand_rules_overwhelms_nobody(host: Host, backend: Backend, tmp_path: Path) -> None:
    dump = tmp_path / "dump"
    dump.write_bytes(subprocess.run([sys.executable, DUMPS, str(STORM), "0"], check=True, capture_output=True).stdout)
    docker_host(host, backend)
    with watching(host, *options(backend), "--no-persist") as watcher:
        with dump.open("rb") as file:
            subprocess.run(host.words(f"{backend}-restore"), stdin=file, check=True, timeout=PATIENCE * 5)
        until(lambda: is_right(host, backend), PATIENCE * 5)
        assert watcher.told("lost") == []
        until(lambda: len(watcher.told("corrected")) == 2, PATIENCE)
        micros = watcher.told("corrected")[-1]["microseconds"]
        sys.stdout.write(f"{backend}: corrected {micros} us after a restore of {STORM} rules\n")


@pytest.mark.slow
@pytest.mark.parametrize("backend", [NFT, LEGACY], ids=str)
def test_who_writes_the_rule_every_50_ms_is_named_and_not_fought(backend: Backend) -> None:
    script = (
        f"for i in $(seq {BOUNDED}); do {backend} -w -t nat -C POSTROUTING {broad(backend)} 2>/dev/null || "
        f"{backend} -w -t nat -I POSTROUTING {broad(backend)}; sleep 0.05; done"
    )
    agent_words = ("sh", "-c", 'eval "$AGENT"', "the-other-agent")
    with open_host() as on:
        docker_host(on, backend)
        with watching(on, *options(backend), "--no-persist") as watcher:
            variables = {**os.environ, "AGENT": script}
            with subprocess.Popen(on.words(*agent_words), env=variables, process_group=0) as agent:
                try:
                    until(lambda: watcher.told("fight"))
                    # Once a second, then every two, then every four: a loop would make more than a hundred.
                    before = len(watcher.told("corrected"))
                    time.sleep(7)
                    assert len(watcher.told("corrected")) - before <= 4
                    (fight,) = watcher.told("fight")
                    assert fight["level"] == "error"
                    # A legacy program on a small table is gone before anybody could look who it is.
                    if backend == NFT:
                        until(lambda: any("the-other-agent" in writer for writer in watcher.state["fights"].values()))
                    status = status_of(on, backend)
                    assert "keeps putting this rule back" in status
                finally:
                    # What nsenter has started lives on without it.
                    os.killpg(agent.pid, signal.SIGKILL)
            until(lambda: is_right(on, backend), PATIENCE)


@pytest.mark.slow
@pytest.mark.parametrize("backend", [NFT, LEGACY], ids=str)
def test_no_rule_of_eight_writers_is_lost(host: Host, backend: Backend) -> None:
    docker_host(host, backend)
    marks = [f"-s 10.{number}.0.0/16 -o eth{number} -j MASQUERADE" for number in range(WRITERS)]
    kept = [f"-s 10.{number}.1.0/24 -o eth{number} -j RETURN" for number in range(WRITERS)]
    loop = (
        'end=$(($(date +%s) + $2)); "$1" -w -t nat -A POSTROUTING $4; while [ $(date +%s) -lt $end ]; do '
        '"$1" -w -t nat -I POSTROUTING $3 && "$1" -w -t nat -D POSTROUTING $3 || exit 1; done; "$1" -w -t nat -A POSTROUTING $3'
    )
    with watching(host, *options(backend), "--no-persist") as watcher:
        writers = [
            subprocess.Popen(host.words("sh", "-c", loop, "writer", str(backend), str(int(SECONDS)), mark, keep))
            for mark, keep in zip(marks, kept, strict=True)
        ]
        for _ in range(int(SECONDS / 2)):
            put_back(host, backend, broad(backend))
            time.sleep(1.5)
        assert [writer.wait(PATIENCE * 2) for writer in writers] == [0] * WRITERS
        put_back(host, backend, broad(backend))
        until(lambda: is_right(host, backend))
        rules = host.rules(backend)
        expected = sorted(f"-A POSTROUTING {rule}" for rule in (*marks, *kept, corrected(backend)))
        assert sorted(rules) == expected
        until(lambda: not watcher.state["refused"])
        took = sorted(entry["microseconds"] // 1000 for entry in watcher.told("corrected"))
        sys.stdout.write(
            f"{backend}: {len(took)} corrections beside {WRITERS} writers, median {took[len(took) // 2]} ms, longest "
            f"{took[-1]} ms; told as busy {len(watcher.told('refused'))} times\n"
        )
        # nft has no lock by which iptables could print rules that eight others change all the time.
        assert {entry["message"] for entry in watcher.told("refused")} <= {CHURNING.format(NFT)}


@pytest.mark.parametrize("backend", [NFT, LEGACY], ids=str)
def test_killed_at_any_moment_it_leaves_old_or_new_and_a_restart_converges(host: Host, backend: Backend) -> None:
    docker_host(host, backend)
    host.load(backend, f"-A POSTROUTING {FOREIGN}")
    chance = random.Random(7)  # noqa: S311  (moments, no secrets)
    for _ in range(8):
        with watching(host, *options(backend), "--no-persist") as watcher:
            assert host.rules(backend) == [f"-A POSTROUTING {corrected(backend)}", f"-A POSTROUTING {FOREIGN}"]
            put_back(host, backend, broad(backend))
            time.sleep(chance.uniform(0, 0.03))
            watcher.signal("KILL")
            watcher.end()
        rules = host.rules(backend)
        assert rules[0] in {f"-A POSTROUTING {broad(backend)}", f"-A POSTROUTING {corrected(backend)}"}
        assert rules[-1] == f"-A POSTROUTING {FOREIGN}"
        assert "has ended without a word" in status_of(host, backend)


def test_new_settings_are_taken_and_bad_ones_refused(host: Host) -> None:
    docker_host(host, NFT)
    host.write("/etc/natfix/natfix.toml", b'cluster-cidr = ["10.0.0.0/8"]\n')
    with watching(host, "--no-persist") as watcher:
        assert host.rules(NFT) == [f"-A POSTROUTING {broad(NFT)}"]
        host.write("/etc/natfix/natfix.toml", b'clutser-cidr = ["172.7.0.0/16"]\n')
        watcher.signal("HUP")
        until(lambda: watcher.told("refused"))
        assert "unknown key clutser-cidr" in watcher.told("refused")[0]["message"]
        host.write("/etc/natfix/natfix.toml", f'cluster-cidr = ["{CLUSTER[Family.IPV4]}"]\n'.encode())
        watcher.signal("HUP")
        until(lambda: is_right(host, NFT))
        until(lambda: watcher.told("reloaded"))


def test_it_does_not_start_with_bad_settings(host: Host) -> None:
    host.write("/etc/natfix/natfix.toml", b"clutser-cidr = []\n")
    assert "unknown key clutser-cidr" in host.natfix("watch", code=2)


@pytest.mark.parametrize("name", ["TERM", "INT"])
def test_it_ends_at_once_and_leaves_the_rules_as_they_are(host: Host, name: str) -> None:
    docker_host(host, NFT)
    with watching(host, *options(NFT), "--no-persist") as watcher:
        before = host.saved(NFT)
        start = time.monotonic()
        watcher.signal(name)
        assert watcher.end() == 0
        # Not with its next look, which comes after a minute.
        assert time.monotonic() - start < PATIENCE / 2
        assert host.saved(NFT) == before
        assert watcher.state == {}


def test_networks_that_flannel_names_later_are_used_from_then_on(host: Host) -> None:
    docker_host(host, NFT)
    with watching(host, "--no-persist") as watcher:
        until(lambda: watcher.told("refused"))
        assert "no cluster CIDR is known" in watcher.told("refused")[0]["message"]
        host.write("/run/flannel/subnet.env", b"FLANNEL_NETWORK=172.7.0.0/16\nFLANNEL_SUBNET=172.7.21.1/24\n")
        until(lambda: is_right(host, NFT))


def test_metrics_are_served_and_written(host: Host) -> None:
    docker_host(host, NFT)
    metrics = ("--metrics-listen", "127.0.0.1:9735", "--metrics-textfile", "/run/natfix.prom")
    fetch = "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:9735/metrics').read().decode())"
    with watching(host, *options(NFT), "--no-persist", *metrics) as watcher:
        put_back(host, NFT, broad(NFT))
        until(lambda: 'natfix_corrections_total{backend="iptables-nft"} 2.0' in host.path("/run/natfix.prom").read_text())
        served = host.run(sys.executable, "-c", fetch)
        assert 'natfix_correction_seconds_count{backend="iptables-nft"} 2.0' in served
        assert 'natfix_findings{backend="iptables-nft"} 0.0' in served
        assert "natfix_last_look_timestamp_seconds" in served
        until(lambda: settled(watcher))


def test_status_shows_the_watcher(host: Host) -> None:
    docker_host(host, NFT)
    with watching(host, *options(NFT), "--no-persist") as watcher:
        document = host.natfix_json("status", *options(NFT))
        assert (document["watcher"]["pid"], document["watcher"]["alive"]) == (watcher.pid, True)
        assert document["watcher"]["corrections"] == 1
    until(lambda: host.natfix_json("status", *options(NFT))["watcher"]["alive"] is False)


@pytest.mark.parametrize(("through", "niceness"), [((), "-15"), (("nice", "-n", "5"), "5")])
def test_it_runs_before_what_it_competes_with_unless_somebody_told_it_otherwise(
    host: Host, through: tuple[str, ...], niceness: str
) -> None:
    docker_host(host, NFT)
    with watching(host, *options(NFT), "--no-persist", through=through) as watcher:
        assert host.run("ps", "-o", "ni=", "-p", str(watcher.pid)).strip() == niceness


def test_systemd_is_told_of_readiness_reloads_life_and_the_end(host: Host) -> None:
    docker_host(host, NFT)
    path = host.path("/run/notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(PATIENCE)
        told = {"NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": "1000000"}
        with watching(host, *options(NFT), "--no-persist", environment=told) as watcher:
            hear_of(manager, "READY=1")
            hear_of(manager, "WATCHDOG=1")
            watcher.signal("HUP")
            assert "MONOTONIC_USEC=" in hear_of(manager, "RELOADING=1")
            assert "STATUS=0 findings left, 1 corrections" in hear_of(manager, "READY=1")
            watcher.signal("TERM")
            hear_of(manager, "STOPPING=1")
            assert watcher.end() == 0


def hear_of(manager: socket.socket, what: str) -> str:
    """Wait until the service manager is told something."""
    while True:
        told = manager.recv(4096).decode()
        if what in told:
            return told

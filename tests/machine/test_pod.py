"""natfix's container and its pod, run by a real dockerd with exactly the rights and mounts of the manifests."""

import filecmp
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine.conftest import DockerPairs, Images
from tests.machine.machines.container import Kubectl
from tests.machine.machines.manifests import own, pod
from tests.machine.machines.pair import CLUSTER, DockerHost, Pair
from tests.machine.machines.patience import eventually
from tests.machine.machines.podspec import KUBELET, PodSpec
from tests.machine.machines.runtime import Runtime
from tests.machine.machines.stream import stream
from tests.machine.machines.wire import wire
from tests.packages.sources import EPOCH
from tools.image import ROOT

pytestmark = [pytest.mark.machine("systemd-nspawn", "debootstrap", "setpriv"), pytest.mark.slow]

IMAGE = "registry.example/natfix:1"
# With slow looks that a test need not wait for.
UNTOLD = "[watch]\ninterval = 2\n"
OLDER = "registry.example/natfix:older"
NEWER = """\
table inet other {
    set some {
        type ipv4_addr; flags interval
        elements = { 192.0.2.0/24 }
    }
}
"""
TOLD = f'cluster-cidr = ["{CLUSTER}"]\n{UNTOLD}'
BARE = ("run", "--rm", "--network=host", "--cap-drop=ALL", "--cap-add=NET_ADMIN")
# Rules of others, in tables that nobody of the lab uses.
FOREIGN = ("*mangle\n-A PREROUTING -s 192.0.2.8/32 -j MARK --set-xmark 0x7/0xff\nCOMMIT\n",)
# All that a node holds which natfix could have changed, but for the bytecode of its own Python.
PLACES = "/etc /opt /root /run/flannel /run/natfix /run/natfix.lock /run/xtables.lock /usr /var/lib"
FILES = f"find {PLACES} -xdev -not -path '*/__pycache__*' 2>/dev/null | sort"
SPACIOUS = ("/var/lib/docker", "/var/lib/containerd", KUBELET)


@pytest.fixture(scope="module")
def pair(docker_pairs: DockerPairs) -> Iterator[Pair]:
    """Two Docker hosts, of which hA is a node of a cluster."""
    with docker_pairs("trixie") as made:
        for rules in FOREIGN:
            made.a.output("iptables-restore", "--noflush", data=rules)
        yield made


@pytest.fixture(scope="module")
def runtime(pair: Pair, image_folders: Images) -> Runtime:
    """The node's runtime, with the image."""
    made = Runtime(pair.a)
    told = made.start(image_folders(pair.release), IMAGE)
    assert f"Successfully tagged {IMAGE}" in told
    return made


@pytest.fixture(scope="module")
def specs(pair: Pair, kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> dict[str, PodSpec]:
    """The pods of the overlays on the node, whose settings name the cluster."""
    folder = tmp_path_factory.mktemp("own")
    names = ("guard", "prometheus", "uninstall", "watch")
    return {name: pod(own(kubectl, folder, name, TOLD), pair.a) for name in names}


@pytest.fixture
def fresh(pair: Pair) -> DockerHost:
    """The node with Docker's rule at the top, and nothing of natfix's."""
    host = pair.a
    host.run("nft", "delete", "table", "ip", "natfix")
    host.output("rm", "-rf", "/var/lib/natfix", "/etc/iptables/rules.v4", "/run/flannel")
    while host.run("iptables", "-t", "nat", "-D", *host.narrow.split()[1:]).returncode == 0:
        pass
    host.restart_docker()
    host.pod.wait()
    assert host.postrouting() == [host.broad]
    return host


def changed(before: list[str], after: list[str]) -> tuple[set[str], set[str]]:
    """What has gone and what is new, but for the guard's own table."""
    kept = "\n".join(after)
    if "table ip natfix {" in kept:
        head, _, rest = kept.partition("table ip natfix {")
        after = (head + rest.partition("\n}")[2]).splitlines()
    return set(before) - set(after), set(after) - set(before)


def files(host: DockerHost) -> set[str]:
    listed = host.run("sh", "-c", FILES).stdout.splitlines()
    return {path for path in listed if not path.startswith(SPACIOUS)}


def test_the_image_holds_natfix_and_no_shell(runtime: Runtime) -> None:
    assert runtime.output("run", "--rm", IMAGE, "--version").startswith("natfix ")
    (told,) = json.loads(runtime.output("image", "inspect", IMAGE))
    assert told["Size"] < 100_000_000
    assert told["Config"]["Entrypoint"] == ["/usr/bin/natfix"]
    assert len(told["RootFS"]["Layers"]) == 1
    for program in ("sh", "bash", "apt-get", "dpkg", "perl", "mount", "su"):
        done = runtime.docker("run", "--rm", f"--entrypoint={program}", IMAGE)
        assert done.returncode == 127, f"{program}: {done.stdout}{done.stderr}"


def test_the_container_alone_corrects_its_hosts_rule_and_nothing_else(pair: Pair, runtime: Runtime, fresh: DockerHost) -> None:
    before = fresh.firewall()
    assert pair.seen() == fresh.address

    found = runtime.docker(*BARE, IMAGE, "check", "--cluster-cidr", CLUSTER)
    assert (found.returncode, "NAT001" in found.stdout) == (1, True), found
    assert fresh.firewall() == before

    state = ("--volume=/var/lib/natfix:/var/lib/natfix", IMAGE)
    done = runtime.docker(*BARE, *state, "apply", "--cluster-cidr", CLUSTER)
    assert done.returncode == 0, done
    assert "note: iptables-nft: not rehearsed, for no scratch network namespace can be made" in done.stdout
    # iptables-save says it in its own words, nft in its own.
    gone, new = changed(before, fresh.firewall())
    assert {line for line in gone if line.startswith("-A")} == {fresh.broad}
    assert {line for line in new if line.startswith("-A")} == {fresh.narrow}
    assert (len(gone), len(new)) == (2, 2)
    assert pair.seen() == pair.a.pod.address

    assert "nothing to do" in runtime.output(*BARE, *state, "apply", "--cluster-cidr", CLUSTER)
    assert runtime.docker(*BARE, *state, "check", "--cluster-cidr", CLUSTER).returncode == 0
    runtime.output(*BARE, *state, "undo")
    # nft lists the parts of a rule in the order in which the iptables that wrote it puts them, which versions differ in.
    gone, new = changed(before, fresh.firewall())
    assert not [line for line in (*gone, *new) if line.startswith("-A")]
    assert (len(gone), len(new)) in {(0, 0), (1, 1)}


def test_the_pod_makes_its_node_right_and_is_ready_then(
    pair: Pair, runtime: Runtime, fresh: DockerHost, specs: dict[str, PodSpec]
) -> None:
    rules, there = fresh.firewall(), files(fresh)
    with runtime.pod(specs["guard"]) as running:
        running.wait_until_ready()
        assert fresh.is_right()
        gone, new = changed(rules, fresh.firewall())
        assert {line for line in (*gone, *new) if line.startswith("-A")} == {fresh.broad, fresh.narrow}
        assert (len(gone), len(new)) == (2, 2)
        assert "table ip natfix {" in fresh.firewall()
        assert pair.seen() == pair.a.pod.address
        assert eventually(lambda: fresh.narrow in fresh.run("cat", "/etc/iptables/rules.v4").stdout)
        assert "not rehearsed" in running.logs()
        # Beside it, a natfix on the node itself knows what the pod has done.
        changes = json.loads(fresh.output("natfix", "history", "--format=json"))["changes"]
        assert {each["verb"] for each in changes} == {"watch", "guard"}
    made = {path for path in files(fresh) - there if not path.startswith(("/var/lib/natfix", "/var/lib/kubelet"))}
    assert made == {"/etc/iptables/rules.v4", "/run/flannel", "/run/natfix.lock", "/run/xtables.lock"} - there
    assert there - files(fresh) == set()


def test_a_restart_of_docker_and_an_update_of_the_pod_hide_no_address(
    pair: Pair, runtime: Runtime, fresh: DockerHost, specs: dict[str, PodSpec]
) -> None:
    source, target = pair.a.attach_pod(), pair.b.attach_pod()
    with runtime.pod(specs["guard"]) as running:
        running.wait_until_ready()
        started = running.started()
        with stream(source, target) as connections:
            connections.wait_for(50)
            fresh.restart_docker()
            connections.wait_for(50)
            # Docker writes the broad rule back on top; the watcher corrects it, and the guard shields until then.
            assert eventually(fresh.is_right)
            running.wait_until_ready()
            connections.wait_for(50)
            assert set(connections.traffic().sources) == {source.address}
        assert running.started() == started
    # An update: the old pod has ended, the new one is not there yet, and Docker is restarted just then.
    with stream(source, target) as connections:
        connections.wait_for(50)
        fresh.restart_docker()
        assert fresh.broad in fresh.postrouting()
        connections.wait_for(50)
        with runtime.pod(specs["guard"]) as running:
            running.wait_until_ready()
            assert fresh.is_right()
            connections.wait_for(50)
        assert set(connections.traffic().sources) == {source.address}


def test_a_pod_that_knows_no_cluster_is_not_ready_until_flannel_says_it(
    pair: Pair, runtime: Runtime, fresh: DockerHost, kubectl: Kubectl, tmp_path: Path
) -> None:
    with runtime.pod(pod(own(kubectl, tmp_path, "guard", UNTOLD), fresh)) as running:
        assert eventually(lambda: "no cluster CIDR is known" in running.probe().stdout or "guess" in running.probe().stdout)
        assert running.probe().returncode == 1
        assert fresh.postrouting() == [fresh.broad]
        fresh.put(
            "/run/flannel/subnet.env", f"FLANNEL_NETWORK={CLUSTER}\nFLANNEL_SUBNET={fresh.bridge}\nFLANNEL_IPMASQ=false\n"
        )
        running.wait_until_ready()
        assert fresh.is_right()
        assert pair.seen() == pair.a.pod.address


def test_what_a_person_turned_off_stays_off_over_a_new_pod(
    runtime: Runtime, fresh: DockerHost, specs: dict[str, PodSpec]
) -> None:
    with runtime.pod(specs["guard"]) as running:
        running.wait_until_ready()
        running.run("natfix", "guard", "off")
        assert "table ip natfix {" not in fresh.firewall()
    with runtime.pod(specs["guard"]) as running:
        assert eventually(lambda: "somebody turned the guard off" in running.probe().stdout), running.logs()
        assert running.probe().returncode == 1
        assert fresh.is_right()
        assert running.run("natfix", "guard", "on").returncode == 0
        running.wait_until_ready()


def test_without_the_guard_rules_are_corrected_alone(runtime: Runtime, fresh: DockerHost, specs: dict[str, PodSpec]) -> None:
    with runtime.pod(specs["watch"]) as running:
        running.wait_until_ready()
        fresh.restart_docker()
        assert eventually(fresh.is_right)
        assert "table ip natfix {" not in fresh.firewall()


def test_prometheus_finds_the_metrics_on_the_nodes_address(
    pair: Pair, runtime: Runtime, fresh: DockerHost, specs: dict[str, PodSpec]
) -> None:
    with runtime.pod(specs["prometheus"]) as running:
        running.wait_until_ready()
        ask = ("busybox", "wget", "-q", "-O", "-", f"http://{fresh.address}:9735/metrics")
        # The probe looks at the kernel, which is right a moment before the watcher has counted that.
        assert eventually(lambda: 'natfix_corrections_total{backend="iptables-nft"} 1.0' in pair.b.run(*ask).stdout)


def test_the_way_out_takes_the_guard_down_and_leaves_the_node_as_it_says(
    pair: Pair, runtime: Runtime, fresh: DockerHost, specs: dict[str, PodSpec]
) -> None:
    rules, there = fresh.firewall(), files(fresh)
    with runtime.pod(specs["guard"]) as running:
        running.wait_until_ready()
        assert "table ip natfix {" in fresh.firewall()
    with runtime.pod(specs["uninstall"]) as running:
        assert "table ip natfix {" not in fresh.firewall()
        # It has nothing to do but to be there, and no right to do anything.
        assert running.logs() == ""
        assert running.run("/usr/bin/natfix", "check").returncode == 2
    changes = json.loads(fresh.output("natfix", "history", "--format=json"))["changes"]
    assert {each["verb"] for each in changes} == {"watch"}
    for _ in changes:
        fresh.output("natfix", "undo")
    assert fresh.firewall() == rules
    left = {path for path in files(fresh) - there if not path.startswith(("/var/lib/kubelet", "/var/lib/natfix"))}
    assert left <= {"/run/flannel", "/run/natfix.lock", "/run/xtables.lock"}
    # Who installs it again begins anew with the guard, while rules that were undone stay as they are.
    with runtime.pod(specs["guard"]):
        assert eventually(lambda: "table ip natfix {" in fresh.firewall())
        assert pair.seen() == pair.a.pod.address
    assert fresh.postrouting() == [fresh.broad]


@pytest.fixture(scope="module")
def old(images: Images, natfix_layer: Path) -> Iterator[DockerHost]:
    """A node with bookworm's Docker, which calls the legacy programs."""
    with wire() as cable, DockerHost("hL", 23, [natfix_layer, images("bookworm")], cable) as host:
        host.prepare({}, "legacy")
        host.boot()
        yield host


def test_a_node_of_the_legacy_programs_wants_net_raw_and_says_so(
    old: DockerHost, image_folders: Images, kubectl: Kubectl, tmp_path: Path
) -> None:
    runtime = Runtime(old)
    runtime.start(image_folders("bookworm"), IMAGE)
    assert old.broad in old.postrouting()
    with runtime.pod(pod(own(kubectl, tmp_path, "guard", TOLD), old)) as running:
        assert eventually(lambda: "CAP_NET_ADMIN and CAP_NET_RAW" in running.logs()), running.logs()
        assert running.probe().returncode != 0
        assert old.broad in old.postrouting()
    with runtime.pod(pod(own(kubectl, tmp_path, "legacy", TOLD), old)) as able:
        able.wait_until_ready()
        assert old.is_right()
        old.restart_docker()
        assert eventually(lambda: old.is_right() and able.probe().returncode == 0), able.logs()
        # Sets of a newer nft than the node's own would kill that.
        assert "table ip natfix {" in old.output("nft", "list", "ruleset")


def test_an_image_whose_nft_is_older_than_the_nodes_says_so(runtime: Runtime, fresh: DockerHost, image_folders: Images) -> None:
    fresh.output("nft", "-f", "-", data=NEWER)
    try:
        runtime.build(image_folders("bookworm"), OLDER)
        done = runtime.docker(*BARE, OLDER, "guard", "on", "--cluster-cidr", CLUSTER)
        assert (done.returncode, "nft -f - died (SIGSEGV)" in done.stderr) == (2, True), done
        assert "the newest of them" in done.stderr
        # That of the node's own release gets along with it.
        runtime.output(*BARE, "--volume=/var/lib/natfix:/var/lib/natfix", IMAGE, "guard", "on", "--cluster-cidr", CLUSTER)
        assert "table ip natfix {" in fresh.firewall()
    finally:
        fresh.output("nft", "delete", "table", "inet", "other")


def test_the_root_is_the_same_bytes_each_time(archives: Images, image_folders: Images, tmp_path: Path) -> None:
    first = image_folders("bookworm")
    (package,) = first.parent.glob("natfix_*_all.deb")
    command = [sys.executable, "-m", "tools.image", "build", str(archives("bookworm")), str(package), str(tmp_path / "again")]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(EPOCH), "TZ": "Asia/Kathmandu"}
    subprocess.run(command, check=True, cwd=ROOT, env=environment, umask=0o077, stdout=subprocess.DEVNULL)
    for name in ("root.tar", "Containerfile"):
        assert filecmp.cmp(first / name, tmp_path / "again" / name, shallow=False), name

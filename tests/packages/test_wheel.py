"""The wheel alone, in an environment without any extra: it audits, and what needs more says what to install."""

import json
import os
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tools.wheels import PINS

ROOT = Path(__file__).resolve().parent.parent.parent
DUMP = "*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -s 172.7.21.0/24 ! -o docker0 -j MASQUERADE\nCOMMIT\n"
CIDR = "--cluster-cidr=172.7.0.0/16"
KUBECONFIG = "--kubeconfig-file=/nowhere"

# Another system than Linux, as far as Python shows it: its own names are gone before natfix is imported.
ELSEWHERE = """\
import os, select, signal, socket, sys
sys.platform = "darwin"
for module in (os, select, signal, socket):
    for name in "AF_NETLINK AF_PACKET setns unshare memfd_create epoll sched_getaffinity pidfd_open".split():
        if hasattr(module, name):
            delattr(module, name)
sys.argv[0] = "natfix"
from natfix.cli.start import main
main()
"""


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, wheels: Path) -> Path:
    """The folder of programs of an environment with natfix and what pip finds it to need, and nothing else."""
    place = tmp_path_factory.mktemp("alone") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place)], check=True)
    (wheel,) = wheels.glob("natfix-*.whl")
    pip = [sys.executable, "-m", "pip", f"--python={place}", "--quiet", "install", "--no-index", "--no-compile"]
    subprocess.run([*pip, f"--find-links={wheels}", str(wheel)], check=True)
    return place / "bin"


def run(folder: Path, *words: str, data: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [folder / words[0], *words[1:]],
        check=False,
        capture_output=True,
        text=True,
        input=data,
        cwd="/",
        env={"PATH": f"{folder}:{os.environ['PATH']}", **environment},
        timeout=60,
    )


def test_nothing_optional_comes_along(alone: Path) -> None:
    for module in ("systemd", "iptc", "prometheus_client", "urllib3", "yaml"):
        assert run(alone, "python", "-c", f"import {module}").returncode == 1
    assert not list(alone.parent.rglob("site-packages/**/*.so"))


def test_it_audits_a_dump(alone: Path) -> None:
    done = run(alone, "natfix", "check", "-", CIDR, "--format=json", data=DUMP)
    assert (done.returncode, done.stderr) == (1, "")
    assert [one["id"] for table in json.loads(done.stdout)["tables"] for one in table["findings"]] == ["NAT001"]


def test_it_audits_a_dump_where_python_knows_nothing_of_linux(alone: Path) -> None:
    done = run(alone, "python", "-c", ELSEWHERE, "check", "-", CIDR, data=DUMP)
    assert (done.returncode, done.stderr) == (1, "")
    assert "NAT001" in done.stdout
    corrected = run(alone, "python", "-c", ELSEWHERE, "apply", "-", "-o", "-", CIDR, data=DUMP)
    assert (corrected.returncode, " ! -d 172.7.0.0/16 " in corrected.stdout) == (0, True), corrected


def test_it_audits_many_dumps_there(alone: Path, tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / f"{name}.save").write_text(DUMP, encoding="ascii")
    report = tmp_path / "report.html"
    command = ("check", str(tmp_path / "one.save"), str(tmp_path / "other.save"), CIDR, f"--output=html={report}")
    done = run(alone, "python", "-c", ELSEWHERE, *command)
    assert (done.returncode, done.stderr) == (1, "")
    assert all(f"{name}.save" in report.read_text(encoding="utf-8") for name in ("one", "other"))


def test_it_is_one_wheel_for_every_system_and_processor(wheels: Path) -> None:
    with zipfile.ZipFile(next(wheels.glob("natfix-*.whl"))) as archive:
        names = archive.namelist()
        (about,) = (archive.read(name).decode() for name in names if name.endswith(".dist-info/WHEEL"))
    assert "Tag: py3-none-any\n" in about
    assert "Root-Is-Purelib: true\n" in about
    assert {name.rpartition(".")[2] for name in names if not name.startswith("natfix/_data") and ".dist-info/" not in name} == {
        "py",
        "typed",
    }


def test_it_knows_its_rules_units_and_sections(alone: Path, tmp_path: Path) -> None:
    listed = run(alone, "natfix", "rules", "--format=json").stdout
    assert len(json.loads(listed)["rules"]) == len(list(ROOT.glob("rules/*/*.toml")))
    assert f"command={alone}/python -P -m natfix watch" in run(alone, "natfix", "install", "--supervisor").stdout
    if os.geteuid() == 0:
        assert run(alone, "natfix", "install", f"--root={tmp_path}").returncode == 0
        assert (tmp_path / "etc/systemd/system/natfix-watch.service").is_file()


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("words", "extra"),
    [
        (("watch", "--metrics-listen=127.0.0.1:0"), "metrics"),
        (("watch", "--metrics-textfile=/nowhere/natfix.prom"), "metrics"),
        (("check", "--metrics-textfile=/nowhere/natfix.prom"), "metrics"),
        (("node", "run", "--metrics-textfile=/nowhere/natfix.prom", "--lease-file=/nowhere/leases.json"), "metrics"),
        (("net", "show"), "etcd"),
        (("leases",), "etcd"),
        (("lease", "release", "172.7.21.0/24"), "etcd"),
        (("routes",), "etcd"),
        (("node", "verify"), "etcd"),
        (("net", "show", "--kube-subnet-mgr", KUBECONFIG), "kubernetes"),
    ],
)
def test_what_needs_more_says_what_to_install(alone: Path, words: tuple[str, ...], extra: str) -> None:
    done = run(alone, "natfix", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert "not installed" in done.stderr
    assert f"pip install 'natfix[{extra}]'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.kernel
def test_a_service_manager_hears_from_a_watcher_without_any_library(alone: Path, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(30)
        command = ["unshare", "--net", str(alone / "natfix"), "watch", CIDR]
        environment = {"PATH": f"{alone}:{os.environ['PATH']}", "NOTIFY_SOCKET": str(tmp_path / "notify")}
        watcher = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        try:
            heard = [manager.recv(4096), manager.recv(4096)]
            assert any(news.startswith(b"READY=1\n") for news in heard), heard
        finally:
            watcher.terminate()
            told, _ = watcher.communicate(timeout=30)
    # What the journal would have with fields, systemd takes as lines.
    assert json.loads(told.splitlines()[0])["event"] == "started"


def test_the_readme_tells_what_each_extra_brings() -> None:
    import tomllib  # noqa: PLC0415  (here alone)

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in readme.splitlines() if line.startswith("| ")]
    assert [name for name in extras if not any(f"`{name}`" in row for row in rows)] == []


def test_what_the_package_carries_is_what_the_tests_ran_with() -> None:
    def pins(path: Path) -> set[str]:
        return {line.split()[0] for line in path.read_text(encoding="utf-8").splitlines() if "==" in line}

    assert pins(PINS) - pins(ROOT / "requirements/dev.txt") == set()

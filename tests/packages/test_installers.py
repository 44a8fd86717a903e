"""Wheel and sdist through pip, pipx and uv, as people install programs, without any registry: complete, and gone afterwards."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from natfix import __version__
from tools.wheels import PINS, fetch

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAMS = Path(sys.executable).parent
DUMP = "*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -s 172.7.21.0/24 ! -o docker0 -j MASQUERADE\nCOMMIT\n"


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory, wheels: Path) -> Path:
    """A folder with all that an installer may ask for: natfix, what it needs, and what builds it from the sdist."""
    folder = tmp_path_factory.mktemp("shelf")
    for path in wheels.iterdir():
        (folder / path.name).symlink_to(path)
    fetch(folder, PINS.with_name("build.txt"))
    return folder


class Home:
    """A home of its own for an installer, who knows one shelf and no registry."""

    def __init__(self, place: Path, shelf: Path) -> None:
        self.place = place
        self.natfix = place / "bin/natfix"
        self._environment = {
            "HOME": str(place),
            "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_FIND_LINKS": str(shelf),
            "PIP_NO_INDEX": "1",
            "PIPX_BIN_DIR": f"{place}/bin",
            "PIPX_HOME": f"{place}/pipx",
            "PIPX_MAN_DIR": f"{place}/man",
            "UV_CACHE_DIR": f"{place}/cache",
            "UV_FIND_LINKS": str(shelf),
            "UV_NO_CONFIG": "1",
            "UV_NO_INDEX": "1",
            "UV_OFFLINE": "1",
            "UV_PYTHON": sys.executable,
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_TOOL_BIN_DIR": f"{place}/bin",
            "UV_TOOL_DIR": f"{place}/uv",
        }

    def run(self, *words: str | Path, data: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words, check=False, capture_output=True, text=True, input=data, cwd=self.place, env=self._environment, timeout=120
        )

    def do(self, *words: str | Path) -> None:
        done = self.run(*words)
        assert done.returncode == 0, f"{' '.join(map(str, words))}\n{done.stdout}{done.stderr}"


def pip(home: Home, what: str) -> Callable[[], None]:
    home.do(sys.executable, "-m", "venv", "--without-pip", home.place / "venv")
    command = (sys.executable, "-m", "pip", f"--python={home.place}/venv", "--quiet")
    home.do(*command, "install", what)
    home.natfix.parent.mkdir()
    home.natfix.symlink_to(home.place / "venv/bin/natfix")
    return lambda: home.do(*command, "uninstall", "--yes", "natfix")


def pipx(home: Home, what: str) -> Callable[[], None]:
    home.do("pipx", "install", "--python", sys.executable, what)
    return lambda: home.do("pipx", "uninstall", "natfix")


def uv(home: Home, what: str) -> Callable[[], None]:
    home.do("uv", "tool", "install", what)
    return lambda: home.do("uv", "tool", "uninstall", "natfix")


@pytest.fixture
def home(tmp_path: Path, shelf: Path) -> Home:
    return Home(tmp_path, shelf)


# pip and the wheel are met in test_wheel.py.
@pytest.mark.parametrize(
    ("installer", "form"), [(pip, "*.tar.gz"), (pipx, "*.whl"), (pipx, "*.tar.gz"), (uv, "*.whl"), (uv, "*.tar.gz")]
)
def test_it_is_complete_and_gone_again(
    home: Home, shelf: Path, tmp_path: Path, installer: Callable[[Home, str], Callable[[], None]], form: str
) -> None:
    (given,) = shelf.glob(f"natfix-{form}")
    uninstall = installer(home, str(given))
    assert home.run(home.natfix, "--version").stdout == f"natfix {__version__}\n"
    found = home.run(home.natfix, "check", "-", "--cluster-cidr=172.7.0.0/16", data=DUMP)
    assert (found.returncode, "NAT001" in found.stdout, found.stderr) == (1, True, "")
    rules = json.loads(home.run(home.natfix, "rules", "--format=json").stdout)["rules"]
    assert len(rules) == len(list(ROOT.glob("rules/*/*.toml")))
    assert "-m natfix watch" in home.run(home.natfix, "install", "--supervisor").stdout
    if os.geteuid() == 0:
        units_call_what_is_installed(home)
    uninstall()
    assert [path for path in tmp_path.rglob("natfix/__init__.py") if "cache" not in path.parts] == []
    assert not home.natfix.exists()


def units_call_what_is_installed(home: Home) -> None:
    root = home.place / "root"
    root.mkdir()
    home.do(home.natfix, "install", "--watch", f"--root={root}")
    unit = (root / "etc/systemd/system/natfix-watch.service").read_text(encoding="utf-8")
    (called,) = (line.removeprefix("ExecStart=").split() for line in unit.splitlines() if line.startswith("ExecStart="))
    assert called[0].startswith(str(home.place))
    assert home.run(*called[:-1], "--version").stdout == f"natfix {__version__}\n"


@pytest.mark.parametrize("installer", [pipx, uv])
def test_an_extra_comes_along_when_it_is_asked_for(home: Home, installer: Callable[[Home, str], Callable[[], None]]) -> None:
    installer(home, "natfix[metrics,etcd]")
    (python,) = home.place.glob("*/**/bin/python")
    assert home.run(python, "-c", "import prometheus_client, urllib3").returncode == 0
    assert "not installed" not in home.run(home.natfix, "net", "show", "--etcd-endpoints=http://127.0.0.1:9").stderr

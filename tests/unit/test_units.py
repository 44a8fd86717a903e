"""The unit files as they lie in the repository: what systemd would say of them, and what each exception says of itself."""

import re
import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest

from natfix.app.unit_files import Mode, calling, supervised, units_of

ROOT = Path(__file__).resolve().parents[2]
UNITS = {str(path.relative_to(ROOT / "systemd")): path for path in sorted((ROOT / "systemd").rglob("*")) if path.is_file()}
SERVICES = [name for name in UNITS if name.endswith(".service")]
WATCH = "natfix-watch.service"
# What systemd 247 (Debian 11) does not know, it warns of at each start.
NEWER = ("RestrictFileSystems", "ExecSearchPath", "OpenFile", "PrivatePIDs", "notify-reload", "PrivateIPC", "TriggerLimit")

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")


def analyze(*words: str) -> str:
    done = subprocess.run(["systemd-analyze", *words], check=False, capture_output=True, text=True)
    return done.stdout + done.stderr


def security() -> str:
    return analyze("security", "--offline=yes", "--no-pager", str(UNITS[WATCH]))


def directives(name: str) -> list[tuple[str, str, str]]:
    """Each line that says something: the comment right above it, its name, its value."""
    found, comment = [], ""
    for line in UNITS[name].read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            comment += line + "\n"
            continue
        key, equals, value = line.partition("=")
        if equals:
            found.append((comment, key, value))
        comment = ""
    return found


def test_every_unit_belongs_to_a_mode_and_every_mode_has_its_units() -> None:
    assert set(UNITS) == set(units_of(Mode).files)


def test_what_is_enabled_says_when_it_starts_and_nothing_else_does() -> None:
    installable = {name for name, path in UNITS.items() if "\n[Install]\n" in path.read_text(encoding="utf-8")}
    assert installable == set(units_of(Mode).enabled)


@pytest.mark.parametrize("name", UNITS)
def test_every_unit_says_what_it_is_for_and_who_put_it_there(name: str) -> None:
    assert UNITS[name].read_text(encoding="utf-8").startswith("# natfix install ")


@pytest.mark.parametrize("name", UNITS)
def test_no_unit_says_what_systemd_247_does_not_know(name: str) -> None:
    text = UNITS[name].read_text(encoding="utf-8")
    assert [word for word in NEWER if word in text] == []


@pytest.mark.parametrize("name", [name for name in SERVICES if name != WATCH])
def test_no_service_that_starts_often_is_given_up_by_systemd(name: str) -> None:
    # A path unit is given up with its service, and nobody would notice.
    limits = [value for _, key, value in directives(name) if key == "StartLimitIntervalSec"]
    assert limits == ([] if name == "natfix-restore.service" else ["0"])


def test_dockers_start_neither_fails_nor_hangs_with_natfix() -> None:
    (drop_in,) = (value for _, key, value in directives("docker.service.d/natfix.conf") if key == "ExecStartPost")
    assert drop_in.startswith("-/usr/bin/timeout ")


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_before_docker_has_a_timeout(name: str) -> None:
    said = {key: value for _, key, value in directives(name)}
    if "docker.service" in said.get("Before", ""):
        assert int(said["TimeoutStartSec"]) <= 45


def test_what_comes_before_docker_follows_nothing_that_may_come_after_it() -> None:
    # systemd breaks a circle by not starting one of its units, which could be Docker.
    for name in SERVICES:
        orders = [(key, value) for _, key, value in directives(name) if key in {"Before", "After"}]
        if any(key == "Before" for key, _ in orders):
            after = {unit for key, value in orders if key == "After" for unit in value.split()}
            assert after <= {"network-pre.target", "natfix-restore.service"}


@needs_systemd
@pytest.mark.parametrize("name", [name for name in UNITS if "/" not in name])
def test_systemd_finds_nothing_wrong(name: str, tmp_path: Path) -> None:
    for unit, path in UNITS.items():
        if "/" not in unit:
            (tmp_path / unit).write_text(calling(path.read_text(encoding="utf-8"), ["/bin/true"]), encoding="utf-8")
    told = analyze("verify", "--man=no", str(tmp_path / name))
    assert [line for line in told.splitlines() if "natfix" in line] == []


@needs_systemd
def test_the_watchers_exposure_is_at_most_2_5() -> None:
    found = re.search(r"Overall exposure level for natfix-watch.service: ([\d.]+)", security())
    assert found is not None
    assert float(found[1]) <= 2.5


@needs_systemd
def test_every_exception_of_the_watcher_says_why() -> None:
    exceptions = {word.rstrip("/") for word in re.findall(r"^✗ (\w+)=", security(), re.MULTILINE)}
    assert {"CapabilityBoundingSet", "PrivateNetwork"} <= exceptions
    comments = "".join(comment for comment, _, _ in directives(WATCH))
    explained = {key for comment, key, _ in directives(WATCH) if comment} | set(re.findall(r"(\w+)=", comments))
    assert exceptions - explained == set()


def test_each_capability_and_address_family_says_what_for() -> None:
    for key in ("CapabilityBoundingSet", "RestrictAddressFamilies"):
        ((comment, value),) = ((comment, value) for comment, name, value in directives(WATCH) if name == key)
        assert [word for word in value.split() if not re.search(rf"\b{word}\b", comment)] == []


def test_supervisor_reads_the_section() -> None:
    parser = ConfigParser(interpolation=None, inline_comment_prefixes=(" ;",))
    parser.read_string(supervised((ROOT / "supervisor/natfix-watch.ini").read_text(encoding="utf-8"), ["/p", "-m", "natfix"]))
    section = parser["program:natfix-watch"]
    assert section["command"] == "/p -m natfix watch"
    assert (section["autorestart"], section["stopsignal"], section["killasgroup"]) == ("true", "TERM", "true")


def test_supervisor_reads_the_agents_section() -> None:
    parser = ConfigParser(interpolation=None, inline_comment_prefixes=(" ;",))
    parser.read_string(supervised((ROOT / "supervisor/natfix-node.ini").read_text(encoding="utf-8"), ["/p", "-m", "natfix"]))
    section = parser["program:natfix-node"]
    assert section["command"].startswith("/p -m natfix node run --public-ip=10.4.7.21 --iface=eth0 ")
    assert (section["autorestart"], section["stopsignal"], section["killasgroup"]) == ("true", "TERM", "true")


def test_the_agents_capabilities_and_address_families_say_what_for() -> None:
    for key in ("CapabilityBoundingSet", "RestrictAddressFamilies"):
        ((comment, value),) = ((comment, value) for comment, name, value in directives("natfix-node.service") if name == key)
        assert [word for word in value.split() if not re.search(rf"\b{word}\b", comment)] == []

"""Boot: its twin, and the units of a root directory as packages of Debian and RHEL bring them."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from natfix.app.collect_ports import Boot
from natfix.host.boot import HostBoot
from natfix.host.memory.boot import MemoryBoot

UNITS = {
    # Debian 12 and RHEL 9, their [Unit] sections.
    "netfilter-persistent.service": "DefaultDependencies=no\nBefore=network-pre.target shutdown.target\n",
    "iptables.service": "Before=network-pre.target\nWants=network-pre.target\nAfter=syslog.target\n",
    "nftables.service": "Before=network-pre.target shutdown.target\n",
    "firewalld.service": "Before=network-pre.target\nAfter=dbus.service polkit.service\n",
    "docker.service": "After=network-online.target docker.socket firewalld.service containerd.service\n",
    "natfix-restore.service": "After=network-pre.target\nBefore=docker.service podman.service\n",
    "ssh.service": "After=network.target\n",
}
Made = Callable[..., Boot]


def place(root: Path, name: str, section: str, folder: str = "usr/lib/systemd/system") -> None:
    path = root / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"# a unit\n[Unit]\nDescription=After the fact\n{section}[Service]\nExecStart=/bin/true\n")


def enable(root: Path, *names: str, wants: str = "etc/systemd/system/multi-user.target.wants") -> None:
    folder = root / wants
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).symlink_to(f"/usr/lib/systemd/system/{name}")


@pytest.fixture(params=["host", "memory"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Made:
    """A boot that starts some of the units, of which somebody says what the order is."""

    def give(*names: str, order: Mapping[str, tuple[str, ...]]) -> Boot:
        if request.param == "memory":
            return MemoryBoot(order)
        for name, section in UNITS.items():
            place(tmp_path, name, section)
        enable(tmp_path, *names)
        return HostBoot(str(tmp_path))

    return give


@pytest.mark.parametrize(
    "order",
    [
        {},
        {"docker.service": ("netfilter-persistent.service",), "netfilter-persistent.service": ()},
        {"docker.service": ("iptables.service",), "iptables.service": ()},
        {"docker.service": ("firewalld.service", "nftables.service"), "firewalld.service": (), "nftables.service": ()},
        {
            "docker.service": ("natfix-restore.service", "netfilter-persistent.service"),
            "natfix-restore.service": ("netfilter-persistent.service",),
            "netfilter-persistent.service": (),
        },
    ],
    ids=["nothing", "debian", "rhel", "nftables", "natfix"],
)
def test_services_are_told_with_those_that_come_before(made: Made, order: dict[str, tuple[str, ...]]) -> None:
    found = made(*order, order=order).order()
    assert (dict(found), list(found)) == (order, sorted(order))


def test_a_service_that_has_nothing_to_do_with_rules_is_not_told(tmp_path: Path) -> None:
    place(tmp_path, "ssh.service", UNITS["ssh.service"])
    enable(tmp_path, "ssh.service", "docker.socket")
    assert HostBoot(str(tmp_path)).order() == {}


def test_a_service_that_is_installed_and_not_enabled_is_not_started(tmp_path: Path) -> None:
    for name, section in UNITS.items():
        place(tmp_path, name, section)
    enable(tmp_path, "docker.service")
    assert HostBoot(str(tmp_path)).order() == {"docker.service": ()}


def test_what_another_unit_requires_is_started_too(tmp_path: Path) -> None:
    enable(tmp_path, "natfix-settle.service", wants="etc/systemd/system/firewalld.service.wants")
    enable(tmp_path, "docker.service", wants="usr/lib/systemd/system/multi-user.target.requires")
    assert sorted(HostBoot(str(tmp_path)).order()) == ["docker.service", "natfix-settle.service"]


def test_the_administrators_file_stands_in_for_the_packages_and_drop_ins_add_to_it(tmp_path: Path) -> None:
    for name in ("docker.service", "netfilter-persistent.service"):
        place(tmp_path, name, UNITS[name])
    enable(tmp_path, "docker.service", "netfilter-persistent.service")
    place(tmp_path, "docker.service", "", folder="etc/systemd/system")
    assert HostBoot(str(tmp_path)).order()["docker.service"] == ()
    drop_in = "After = \\\n  network.target\n"
    place(tmp_path, "later.conf", drop_in, folder="etc/systemd/system/docker.service.d")
    place(tmp_path, "no.txt", "After=nobody\n", folder="etc/systemd/system/docker.service.d")
    assert HostBoot(str(tmp_path)).order()["docker.service"] == ("netfilter-persistent.service",)


def test_of_units_that_wait_for_each_other_none_is_surely_first(tmp_path: Path) -> None:
    place(tmp_path, "docker.service", "Before=iptables.service\nAfter=iptables.service\n")
    enable(tmp_path, "docker.service", "iptables.service")
    assert HostBoot(str(tmp_path)).order() == {"docker.service": (), "iptables.service": ()}


@pytest.mark.parametrize("path", ["etc/supervisord.d/natfix-watch.ini", "etc/supervisor/conf.d/natfix-watch.conf"])
def test_a_watcher_under_supervisor_is_told_in_no_order(tmp_path: Path, path: str) -> None:
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_text("[program:natfix-watch]\n")
    enable(tmp_path, "docker.service")
    assert HostBoot(str(tmp_path)).order() == {"docker.service": (), "natfix-watch": ()}


def test_a_host_without_systemd_starts_nothing_that_is_known(tmp_path: Path) -> None:
    assert HostBoot(str(tmp_path)).order() == {}


def test_the_host_itself_is_asked_from_its_root_directory_on() -> None:
    assert all(name.rpartition(".")[2] in {"service", "path", "natfix-watch", "natfix-node"} for name in HostBoot().order())

from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from natfix.errors import HostError
from natfix.host.memory.files import MemorySavedRulesets
from natfix.host.saved import HostSavedRulesets
from natfix.ruleset import Family

RHEL_UNIT = "[Service]\nType=oneshot\nExecStart=/usr/libexec/iptables/{program}.init start\n"
ARCH_UNIT = "[Service]\nType=oneshot\nExecStart=/usr/bin/iptables-restore /etc/iptables/iptables.rules\n"
PLUGINS = "usr/share/netfilter-persistent/plugins.d"


def refuse_all(family: Family, data: bytes) -> NoReturn:
    raise HostError(f"{family.name}: {data.decode()}")


def put(root: Path, path: str, text: str = "") -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def paths(root: Path) -> dict[Family, str]:
    """The files that are restored, from the root directory on."""
    found = HostSavedRulesets(refuse_all, str(root)).paths()
    return {family: str(Path(path).relative_to(root)) for family, path in found.items()}


def test_without_a_service_nothing_is_restored(tmp_path: Path) -> None:
    put(tmp_path, "etc/sysconfig/iptables")
    put(tmp_path, "etc/iptables/rules.v4")
    assert paths(tmp_path) == {}


@pytest.mark.parametrize("units", ["usr/lib/systemd/system", "lib/systemd/system"])
def test_iptables_services_restores_files_in_etc_sysconfig(tmp_path: Path, units: str) -> None:
    for name in ("iptables", "ip6tables"):
        put(tmp_path, f"{units}/{name}.service", RHEL_UNIT.format(program=name))
    assert paths(tmp_path) == {Family.IPV4: "etc/sysconfig/iptables", Family.IPV6: "etc/sysconfig/ip6tables"}


def test_an_init_script_of_rhel_6_restores_the_same(tmp_path: Path) -> None:
    put(tmp_path, "etc/rc.d/init.d/iptables", "#!/bin/sh\n")
    assert paths(tmp_path) == {Family.IPV4: "etc/sysconfig/iptables"}


def test_iptables_persistent_restores_files_in_etc_iptables(tmp_path: Path) -> None:
    put(tmp_path, f"{PLUGINS}/15-ip4tables", "#!/bin/sh\n")
    assert paths(tmp_path) == {Family.IPV4: "etc/iptables/rules.v4"}
    put(tmp_path, f"{PLUGINS}/25-ip6tables", "#!/bin/sh\n")
    assert paths(tmp_path) == {Family.IPV4: "etc/iptables/rules.v4", Family.IPV6: "etc/iptables/rules.v6"}


def test_netfilter_persistent_without_its_iptables_plugins_restores_nothing(tmp_path: Path) -> None:
    put(tmp_path, "lib/systemd/system/netfilter-persistent.service", "[Service]\n")
    assert paths(tmp_path) == {}


def test_another_service_of_the_same_name_is_not_taken_for_iptables_services(tmp_path: Path) -> None:
    put(tmp_path, "usr/lib/systemd/system/iptables.service", ARCH_UNIT)
    assert paths(tmp_path) == {}


def test_on_a_host_the_paths_are_absolute() -> None:
    assert all(Path(path).is_absolute() for path in HostSavedRulesets(refuse_all).paths().values())


def test_the_twin_restores_what_it_is_told() -> None:
    assert MemorySavedRulesets({Family.IPV4: "/etc/iptables/rules.v4"}).paths() == {Family.IPV4: "/etc/iptables/rules.v4"}


@pytest.mark.parametrize(
    "make",
    [lambda: HostSavedRulesets(refuse_all), lambda: MemorySavedRulesets({}, refuse_all)],
    ids=["host", "memory"],
)
def test_what_the_loader_refuses_is_refused(make: Callable[[], HostSavedRulesets | MemorySavedRulesets]) -> None:
    with pytest.raises(HostError, match=r"IPV6: \*nat"):
        make().validate(Family.IPV6, b"*nat")


def test_a_twin_without_a_loader_accepts_every_text() -> None:
    assert MemorySavedRulesets({}).validate(Family.IPV4, b"anything") == ""

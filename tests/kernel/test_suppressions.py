"""Suppressions on a host of its own: what is suppressed is told of and corrected by nobody, until its day is over."""

import pytest

from natfix.app.ports import Backend
from natfix.ruleset import Family
from tests.kernel.hosts import POD, Host, backends, broad, corrected, debian, docker_host, options

pytestmark = pytest.mark.kernel

each_backend = pytest.mark.parametrize("backend", backends(), ids=str)
FUTURE = "2999-12-31"


def suppress(host: Host, rule: str, until: str = FUTURE, scope: str = "") -> None:
    text = f'[[suppress]]\nid = "{rule}"\nreason = "the old wing"\nuntil = {until}\n{scope}'
    host.write("/etc/natfix/natfix.toml", text.encode())


def saved_file(backend: Backend) -> str:
    return f"/etc/iptables/rules.v{backend.family.value}"


@each_backend
def test_what_is_suppressed_is_neither_found_nor_corrected_nor_saved(host: Host, backend: Backend) -> None:
    debian(host)
    docker_host(host, backend)
    suppress(host, "NAT001", scope=f'source = "{POD[backend.family]}"\nchain = "POSTROUTING"\n')
    before = host.rules(backend)
    said = host.natfix("check", *options(backend))
    assert f"note: 1 finding suppressed by NAT001 (/etc/natfix/natfix.toml: suppress 1) until {FUTURE}: the old wing" in said
    assert said.endswith("nothing but 1 finding that somebody suppressed or that is known\n")
    assert "nothing to do" in host.natfix("apply", *options(backend))
    host.natfix("diff", *options(backend))
    host.natfix("restore", *options(backend))
    assert host.rules(backend) == before
    assert not host.path(saved_file(backend)).exists()


@each_backend
def test_a_finding_is_back_when_its_last_day_is_over(host: Host, backend: Backend) -> None:
    docker_host(host, backend)
    suppress(host, "NAT001", until="2001-12-31")
    said = host.natfix("check", *options(backend), code=1)
    assert "the suppression NAT001 (/etc/natfix/natfix.toml: suppress 1) was over on 2001-12-31" in said
    host.natfix("apply", "--no-persist", *options(backend))
    assert host.rules(backend) == [f"-A POSTROUTING {corrected(backend)}"]


def test_a_suppression_for_this_host_holds_for_it_and_never_for_a_text(host: Host) -> None:
    backend = backends(Family.IPV4)[0]
    docker_host(host, backend)
    suppress(host, "NAT001", scope=f'host = "{host.run("uname", "-n").strip()}"\n')
    assert "1 finding suppressed" in host.natfix("check", *options(backend))
    dump = host.write("/run/dump.save", f"*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING {broad(backend)}\nCOMMIT\n".encode())
    assert "suppressed" not in host.natfix("check", "/run/dump.save", *options(backend), code=1)
    assert dump.exists()
    suppress(host, "NAT001", scope='host = "elsewhere"\n')
    host.natfix("check", *options(backend), code=1)


def test_a_suppression_that_covers_nothing_is_told_of(host: Host) -> None:
    backend = backends(Family.IPV4)[0]
    docker_host(host, backend)
    suppress(host, "NAT002")
    said = host.natfix("check", *options(backend), code=1)
    assert "the suppression NAT002 (/etc/natfix/natfix.toml: suppress 1) covers no finding; take it out" in said

"""Several natfix at once, and one that is interrupted."""

import pytest

from natfix.app.ports import Backend
from natfix.ruleset import Family
from tests.kernel.hosts import NATFIX, Host, backends, broad, corrected, debian, docker_host, options

pytestmark = pytest.mark.kernel("strace")

FILE = "/etc/iptables/rules.v4"
each_ipv4_backend = pytest.mark.parametrize("backend", backends(Family.IPV4), ids=str)


@each_ipv4_backend
def test_of_several_at_once_one_makes_the_change_and_the_others_find_it_made(host: Host, backend: Backend) -> None:
    debian(host)
    docker_host(host, backend)
    started = [host.start(*NATFIX, "apply", "--wait", "60", *options(backend)) for _ in range(4)]
    said = [process.communicate(timeout=60) for process in started]
    assert [process.returncode for process in started] == [0] * 4, said
    assert sorted("nothing to do" in output for output, _ in said) == [False, True, True, True]
    assert host.rules(backend) == [f"-A POSTROUTING {corrected(backend)}"]
    assert [change["state"] for change in host.natfix_json("history")["changes"]] == ["done"]


@each_ipv4_backend
@pytest.mark.parametrize("step", ["fsync:signal=SIGINT:when=3", "?rename,?renameat,?renameat2:signal=SIGINT:when=3"])
def test_ctrl_c_on_the_way_takes_everything_back(host: Host, backend: Backend, step: str) -> None:
    debian(host)
    docker_host(host, backend)
    text = f"*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING {broad(backend)}\nCOMMIT\n"
    path = host.write(FILE, text.encode())
    done = host.ask("strace", "-qq", "-o", "/dev/null", "-e", f"inject={step}", *NATFIX, "apply", *options(backend))
    assert (done.code, done.output, done.complaint) == (130, "", "")
    assert (host.rules(backend), path.read_text()) == ([f"-A POSTROUTING {broad(backend)}"], text)
    assert [one.name for one in path.parent.iterdir()] == ["rules.v4"]
    (past,) = host.natfix_json("history")["changes"]
    assert past["state"] == "rolled back"

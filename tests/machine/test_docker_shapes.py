"""Every kind of network that a Docker can make, in one session of each Docker: natfix's verdict, the kernel's, and packets."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dumps import Findings, judged, listed
from tests.machine.conftest import Images
from tests.machine.machines.beside import BESIDE
from tests.machine.machines.pair import DockerHost
from tests.machine.machines.pod import NO_ANSWER
from tests.machine.machines.shapes import CIDRS, FAR, Docker
from tests.machine.machines.wire import wire
from tests.netns import command, namespace

pytestmark = [pytest.mark.machine("systemd-nspawn", "debootstrap", "setpriv"), pytest.mark.slow]


# The oldest one with the legacy programs, as it was used.
@pytest.fixture(scope="module", params=[("bookworm", "legacy"), ("trixie", "nft"), ("sid", "nft")], ids=lambda each: each[0])
def docker(request: pytest.FixtureRequest, images: Images, natfix_layer: Path) -> Iterator[Docker]:
    """One host for each Docker."""
    release, backend = request.param
    with wire() as cable, namespace("far") as far, DockerHost("hA", 21, [natfix_layer, images(release)], cable) as host:
        cable.plug(far, "10.4.7.22")
        command("ip", "-n", far, "-batch", "-", data=FAR)
        docker = Docker(host, far, release, backend)
        host.prepare(docker.settings, backend)
        host.boot()
        docker.build()
        yield docker


def expected(found: Findings) -> dict[str, str]:
    """The findings about source NAT, each by the source that its rule names."""
    return {rule.split(" -s ")[1].split()[0]: id_ for id_, rule in found if " -s " in rule and id_ not in {"DOC001", "DOC002"}}


BROAD = {
    "172.7.21.0/24": "NAT001",
    "172.7.121.0/24": "DOC004",
    "172.7.123.0/24": "NAT002",
    "172.7.192.0/24": "DOC003",
    "fd07:121::/64": "DOC004",
}
NODE = {"bridge": "10.4.7.21", "own": "10.4.7.21", "fixed": "10.4.7.21", "over": "10.4.7.21"}
ITSELF = {"plain": "172.7.124.2", "routed": "172.7.125.2", "inner": NO_ANSWER}
SHOWN = {"bridge": "172.7.21.2", "own": "172.7.121.2", "fixed": "172.7.123.2"}


def test_each_network_is_judged_as_the_kernel_and_the_far_end_do(docker: Docker) -> None:
    assert expected(docker.judged()) == BROAD
    itself = {name: address for name, address in ITSELF.items() if name in docker.networks}
    assert docker.seen("172.7.22.2") == NODE | itself
    assert docker.seen("fd07:22::2", "own") == {"own": "fd10::21"}

    docker.apply()
    seen = docker.seen("172.7.22.2")
    assert seen.pop("over").startswith("172.7.192.")
    assert seen == SHOWN | itself
    assert docker.seen("fd07:22::2", "own") == {"own": "fd07:121::2"}
    outside = docker.seen("203.0.113.5", *SHOWN)
    assert outside == dict.fromkeys(SHOWN, "10.4.7.21")
    assert (docker.published(), docker.published(by="own")) == ("10.4.7.22", "172.7.121.1")


def test_without_the_proxy_its_hairpin_rules_are_no_fault(docker: Docker) -> None:
    docker.without_proxy()
    # It misses its rules at its start, and writes them anew above those that natfix has made of them.
    assert expected(docker.judged("noproxy-")) == dict.fromkeys(BROAD, "NAT003")
    docker.apply()
    assert docker.seen("172.7.22.2", *SHOWN) == SHOWN
    assert (docker.published(), docker.published(by="own")) == ("10.4.7.22", "172.7.121.1")


def test_what_other_programs_write_beside_docker_is_told_corrected_where_iptables_keeps_it_and_guarded(docker: Docker) -> None:
    programs = BESIDE[docker.release](docker)
    before = {each.id for each in programs}
    assert before <= {id_ for id_, _ in docker.found()}
    homes = {each.name: each.namespace for each in programs}
    own = {each.name: each.address for each in programs}
    assert docker.seen_from(homes, "172.7.22.2") == dict.fromkeys(homes, "10.4.7.21")
    name = "-".join(each.name for each in programs)
    if not all(each.native for each in programs):
        assert before <= {id_ for id_, _ in judged(docker.ask, f"{name}-{docker.backend}", *CIDRS)}
    else:
        assert before <= {id_ for id_, _ in listed(docker.ask, name, *CIDRS)}

    docker.apply()
    hidden = {each.name for each in programs if each.native}
    expected = {each.name: "10.4.7.21" if each.native else each.address for each in programs}
    assert docker.seen_from(homes, "172.7.22.2") == expected
    # What natfix leaves to who keeps it is still told, and nothing else is.
    assert {id_ for id_, _ in docker.found()} == {each.id for each in programs if each.name in hidden}
    docker.guard("on")
    assert docker.seen_from(homes, "172.7.22.2") == own
    assert docker.seen_from(homes, "203.0.113.5") == dict.fromkeys(homes, "10.4.7.21")
    docker.guard("off")

"""The namespaces that tests run in: tests/netns.py."""

from pathlib import Path

import pytest

from tests.netns import command, enter, names, namespace

pytestmark = pytest.mark.kernel


def where() -> str:
    return str(Path("/proc/thread-self/ns/net").readlink())


def test_a_test_and_its_programs_run_inside_the_namespace() -> None:
    outside = where()
    with namespace() as name, enter(name):
        assert where() != outside
        assert command("readlink", "/proc/self/ns/net").strip() == where()
    assert where() == outside


def test_what_a_test_leaves_in_it_is_gone_afterwards_also_after_a_failure() -> None:
    outside = where()

    def fail() -> None:
        with namespace() as name, enter(name):
            command("iptables-nft", "-t", "nat", "-A", "POSTROUTING", "-j", "MASQUERADE")
            raise RuntimeError(name)

    with pytest.raises(RuntimeError) as caught:
        fail()
    assert where() == outside
    assert not Path("/run/netns", str(caught.value)).exists()
    assert names() == []


def test_two_namespaces_do_not_see_each_other() -> None:
    with namespace() as one, namespace() as other:
        with enter(one):
            command("iptables-nft", "-t", "nat", "-N", "MINE")
        with enter(other):
            assert command("nft", "list", "tables") == ""


def test_a_namespace_that_is_not_there_leaves_the_thread_where_it_was() -> None:
    outside = where()
    with pytest.raises(FileNotFoundError), enter("natfix-no-such"):
        pass
    assert where() == outside

"""natfix.routing as a library of its own: its names, and what importing it brings along."""

import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from ipaddress import IPv4Address

import pytest

from natfix import routing

HOMES = [(home, name) for home, names in routing._HOMES.items() for name in names]


@pytest.mark.parametrize(("home", "name"), HOMES)
def test_a_name_is_what_its_home_holds(home: str, name: str) -> None:
    assert getattr(routing, name) is getattr(import_module(f"natfix.routing.{home}"), name)


def test_every_promised_name_has_a_home_and_is_sorted() -> None:
    assert sorted(name for _, name in HOMES) == sorted(routing.__all__)
    assert sorted(routing.__all__, key=lambda name: (not name.isupper(), name)) == list(routing.__all__)


@pytest.mark.parametrize("name", routing.__all__)
def test_no_name_is_also_a_module_which_an_import_would_put_in_its_place(name: str) -> None:
    assert find_spec(f"natfix.routing.{name}") is None


def test_a_star_import_brings_them_all() -> None:
    names: dict[str, object] = {}
    exec("from natfix.routing import *", names)  # noqa: S102
    assert set(routing.__all__) <= names.keys()


def test_an_unknown_name_is_refused_as_any_module_does() -> None:
    with pytest.raises(AttributeError, match=r"module 'natfix\.routing' has no attribute 'nonsense'"):
        _ = routing.nonsense


def imported_by(statement: str) -> set[str]:
    script = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    return set(done.stdout.split())


def test_importing_the_routing_core_imports_nothing_else_of_natfix() -> None:
    loaded = {name for name in imported_by("import natfix.routing") if name.startswith("natfix")}
    assert loaded == {"natfix", "natfix._version", "natfix.routing"}


def test_all_of_it_needs_neither_a_terminal_nor_iptables_nor_a_machine() -> None:
    loaded = imported_by("from natfix.routing import *")
    assert {name.partition(".")[0] for name in loaded} & {
        "typer",
        "click",
        "rich",
        "iptc",
        "systemd",
        "urllib3",
        "yaml",
    } == set()
    packages = {".".join(name.split(".")[:2]) for name in loaded if name.startswith("natfix.")}
    assert packages == {"natfix._version", "natfix.errors", "natfix.routing", "natfix.ruleset"}


def test_the_example_in_the_docstring_works() -> None:
    config = routing.NetworkConfig.parse('{"Network": "172.7.0.0/16", "Backend": {"Type": "host-gw"}}')
    choice = routing.choose(config, (), routing.Attributes(IPv4Address("10.4.7.21")), None, lambda _: 0)
    assert str(choice.subnet) == "172.7.21.0/24"

"""The public API: every name is importable, is what its home holds, and nothing else is promised."""

import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec

import pytest

import natfix

HOMES = [(home, name) for home, names in natfix._HOMES.items() for name in names]


@pytest.mark.parametrize(("home", "name"), HOMES)
def test_a_name_is_what_its_home_holds(home: str, name: str) -> None:
    assert getattr(natfix, name) is getattr(import_module(home), name)


def test_every_promised_name_has_a_home_and_is_sorted() -> None:
    assert sorted([*(name for _, name in HOMES), "__version__"]) == sorted(natfix.__all__)
    assert list(natfix.__all__) == sorted(natfix.__all__)


@pytest.mark.parametrize("name", natfix.__all__)
def test_no_name_is_also_a_module_which_an_import_would_put_in_its_place(name: str) -> None:
    assert find_spec(f"natfix.{name}") is None


def test_a_star_import_brings_them_all() -> None:
    names: dict[str, object] = {}
    exec("from natfix import *", names)  # noqa: S102
    assert set(natfix.__all__) <= names.keys()


def test_an_unknown_name_is_refused_as_any_module_does() -> None:
    with pytest.raises(AttributeError, match="module 'natfix' has no attribute 'nonsense'"):
        _ = natfix.nonsense


def test_importing_natfix_imports_nothing_else_of_it() -> None:
    script = "import sys, natfix; print(*sorted(name for name in sys.modules if name.startswith('natfix')))"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["natfix", "natfix._version"]


def test_the_example_in_the_docstring_works() -> None:
    ruleset = natfix.parse(b"*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -s 172.7.21.0/24 -j MASQUERADE\nCOMMIT\n", "dump")
    table = ruleset.table("nat", natfix.Family.IPV4)
    assert table is not None
    subject = natfix.Subject(table, (natfix.parse_network("172.7.0.0/16"),))
    assert [finding.kind.id for finding in natfix.audit_table(subject, natfix.read_catalogue())] == ["NAT001"]

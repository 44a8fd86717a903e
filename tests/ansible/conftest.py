"""A control host without a network: the collection, and modules on a host of namespaces that Ansible runs on itself."""

import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.ansible.control import Control, install_collection, need_ansible
from tests.kernel.hosts import Host
from tests.kernel.hosts import host as host  # noqa: PLC0414  (a fixture is found by its name in here)

NATFIX = Path(sys.executable).parent / "natfix"


@pytest.fixture(scope="session")
def control() -> Iterator[Control]:
    """A control host that manages nothing."""
    need_ansible()
    with TemporaryDirectory(prefix="natfix-control-") as folder:
        install_collection(Path(folder))
        made = Control(Path(folder))
        made.inventory({})
        yield made


@pytest.fixture
def here(control: Control, host: Host) -> Control:
    """Ansible on the host it manages, which is called here."""
    inside = Control(control.folder, host.words())
    inside.inventory({"here": f"ansible_connection=local ansible_python_interpreter={sys.executable}"})
    return inside

"""The wheels of this working tree, made once for all tests of packages."""

from pathlib import Path

import pytest

from tests.packages.sources import EPOCH
from tools.wheels import build, fetch


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with natfix's sdist and wheel, and the pinned wheels that its Debian package carries."""
    folder = tmp_path_factory.mktemp("wheels")
    build(folder, epoch=EPOCH)
    fetch(folder)
    return folder

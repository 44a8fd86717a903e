"""The working tree as a release would be built from it."""

import shutil
from pathlib import Path

from tools.wheels import ROOT

EPOCH = 1_750_000_000
# What make and the tests leave in a checkout.
MADE = shutil.ignore_patterns(".git", ".venv*", ".*_cache", ".hypothesis", ".coverage*", "__pycache__", "build", "dist")


def copy_tree(place: Path) -> Path:
    """Copy the working tree, so that nobody changes it meanwhile."""
    return Path(shutil.copytree(ROOT, place, ignore=MADE, symlinks=True))

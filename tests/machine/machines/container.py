"""natfix's container image, and Debian's kubectl, from Debian packages that are fetched once and kept."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.machine.machines.images import Say, kept
from tests.packages.sources import EPOCH
from tools import debian, image, wheels

# The release whose kubectl knows components, the package that brings it, and the one that holds it.
KUBECTL = ("trixie", "kubernetes-client", "kubectl")


@contextmanager
def archive(release: str, say: Say) -> Iterator[Path]:
    """Give a folder with the Debian packages of the image of a *release*, and with kubectl's where that is the one to take."""
    more = KUBECTL[1:2] if release == KUBECTL[0] else ()

    def fill(folder: Path) -> None:
        image.fetch(release, folder, *more)

    with kept(f"container-{release}", _key(*image.WANTED, *more), fill, say) as folder:
        yield folder / "var/cache/apt/archives"


def kubectl(packages: Path, folder: Path) -> "Kubectl":
    """Unpack Debian's kubectl into *folder*, from the packages of its release."""
    (client,) = packages.glob(f"{KUBECTL[2]}_*.deb")
    subprocess.run(["dpkg-deb", "--extract", str(client), str(folder)], check=True)
    return Kubectl(folder / "usr/bin/kubectl")


def _key(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def package(folder: Path) -> Path:
    """Build natfix's Debian package from this working tree into *folder*, as a release does."""
    carried = (wheels.build(folder, epoch=EPOCH), *wheels.fetch(folder))
    return debian.build(debian.Release(carried, EPOCH), folder)


def build(packages: Path, own: Path, folder: Path) -> Path:
    """Build the image's folder as the page says, and return it.

    Args:
        packages: what ``archive`` gives.
        own: natfix's Debian package.
        folder: a new one.
    """
    command = [sys.executable, "-m", "tools.image", "build", str(packages), str(own), str(folder)]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(EPOCH)}
    subprocess.run(command, check=True, cwd=image.ROOT, env=environment, stdout=subprocess.DEVNULL)
    return folder


class Kubectl:
    """Debian's kubectl, of which what needs no cluster is used.

    Args:
        program: its file.
    """

    def __init__(self, program: Path) -> None:
        self.program = program
        self.run = partial(subprocess.run, check=False, capture_output=True, text=True, timeout=60)

    def kustomize(self, folder: Path) -> str:
        """Render a kustomization.

        Raises:
            AssertionError: kubectl refuses it, or has a word to say beside it.
        """
        done = self.run([str(self.program), "kustomize", str(folder)])
        assert (done.returncode, done.stderr) == (0, ""), f"{folder}: {done.stderr}"
        return str(done.stdout)

    def version(self) -> str:
        """Tell its version."""
        return str(self.run([str(self.program), "version", "--client"]).stdout)

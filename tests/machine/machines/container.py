"""natfix's container image, and Debian's kubectl, from Debian packages that are fetched once and kept."""

import hashlib
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.machine.machines.images import Say, kept
from tests.packages.sources import EPOCH
from tools import debian, image, wheels

# The package that brings kubectl in Debian, and the one that holds it since trixie, before which it was too old for components.
KUBECTL = ("trixie", "kubernetes-client", "kubectl")


@contextmanager
def archive(say: Say) -> Iterator[Path]:
    """Give a folder with the Debian packages of the image."""
    with kept("container", _key(image.RELEASE, *image.WANTED), _fetch_packages, say) as folder:
        yield folder


def _fetch_packages(folder: Path) -> None:
    image.fetch(folder)


@contextmanager
def kubectl(say: Say) -> Iterator["Kubectl"]:
    """Give Debian's kubectl."""
    with kept("kubectl", _key(*KUBECTL), _fetch_kubectl, say) as folder:
        yield Kubectl(folder / "kubectl/usr/bin/kubectl")


def _fetch_kubectl(folder: Path) -> None:
    release, wanted, holder = KUBECTL
    (client,) = (path for path in image.fetch(folder, wanted, release=release) if path.name.startswith(f"{holder}_"))
    subprocess.run(["dpkg-deb", "--extract", str(client), str(folder / "kubectl")], check=True)
    # The rest is what debootstrap fetches beside it, and nobody needs.
    for package in folder.glob("var/cache/apt/archives/*.deb"):
        package.unlink()


def _key(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def build(packages: Path, folder: Path) -> Path:
    """Build the image's folder from this working tree, as a release does, and return it.

    Args:
        packages: what ``archive`` gives.
        folder: an empty one.
    """
    carried = (wheels.build(folder, epoch=EPOCH), *wheels.fetch(folder))
    own = debian.build(debian.Release(carried, EPOCH), folder)
    return image.build(sorted(packages.glob("var/cache/apt/archives/*.deb")), own, folder / "image", EPOCH).parent


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

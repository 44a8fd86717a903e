"""Build natfix's RPM, and its source package, from an sdist and wheels, without a network.

From the root of the repository::

    SOURCE_DATE_EPOCH=1700000000 .venv/bin/python -m tools.rpm WHEELS FOLDER

WHEELS is what ``tools.wheels`` has filled: natfix's sdist and wheel, and the pinned wheels that it carries. The work is done by
rpmbuild with packaging/rpm/natfix.spec out of the sdist. Same sdist and wheels, same bytes.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

SPEC = "packaging/rpm/natfix.spec"


def build(sdist: Path, carried: Sequence[Path], folder: Path, epoch: int) -> tuple[Path, Path]:
    """Build the package and its source package into *folder*, and return their paths.

    Args:
        sdist: natfix's own.
        carried: natfix's wheel and those that the package carries.
        folder: where the packages go.
        epoch: the time of every file, in seconds since 1970.

    Raises:
        subprocess.CalledProcessError: rpmbuild refuses; it has said why.
    """
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        sources = place / "SOURCES"
        sources.mkdir()
        version = sdist.name.removeprefix("natfix-").removesuffix(".tar.gz")
        shutil.copyfile(sdist, sources / sdist.name)
        os.utime(sources / sdist.name, (epoch, epoch))
        _bundle(carried, sources / f"natfix-{version}-wheels.tar", epoch)
        spec = place / Path(SPEC).name
        # Not taken out as a file: of the ways to do that safely, Debian 12's Python has none.
        with tarfile.open(sdist) as archive:
            held = archive.extractfile(f"natfix-{version}/{SPEC}")
            assert held is not None, "a spec is a file"  # noqa: S101
            spec.write_bytes(held.read())
        # The umask of whoever builds would show in the source package.
        for path in (spec, *sources.iterdir()):
            path.chmod(0o644)
        _rpmbuild(spec, place, epoch)
        (source,) = (place / "SRPMS").glob("*.src.rpm")
        (binary,) = (place / "RPMS/noarch").glob("*.rpm")
        folder.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copyfile(binary, folder / binary.name)), Path(shutil.copyfile(source, folder / source.name))


def _rpmbuild(spec: Path, place: Path, epoch: int) -> None:
    # Debian has no package python3.11 that rpm knows of.
    command = ["rpmbuild", "-ba", "--nodeps", f"--define=_topdir {place}", str(spec)]
    # A builder's own ~/.rpmmacros would show in the package.
    told = {"HOME": str(place), "NATFIX_BUILD_PYTHON": sys.executable, "SOURCE_DATE_EPOCH": str(epoch)}
    environment = {**os.environ, **told}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment, umask=0o022)
    if done.returncode != 0:
        sys.stderr.write(done.stdout + done.stderr)
        done.check_returncode()


def _bundle(wheels: Sequence[Path], path: Path, epoch: int) -> None:
    """Put *wheels* into one archive, in an order and with times and owners that are the same everywhere."""
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for wheel in sorted(wheels, key=lambda one: one.name):
            member = tarfile.TarInfo(f"wheels/{wheel.name}")
            member.size, member.mtime = wheel.stat().st_size, epoch
            with wheel.open("rb") as data:
                archive.addfile(member, data)
    os.utime(path, (epoch, epoch))


if __name__ == "__main__":
    given = Path(sys.argv[1])
    (own,) = given.glob("natfix-*.tar.gz")
    for package in build(own, sorted(given.glob("*.whl")), Path(sys.argv[2]), int(os.environ["SOURCE_DATE_EPOCH"])):
        print(package)

"""Collect the wheels that natfix's packages are made of: its own, built here, and the pinned ones that it needs.

From the root of the repository::

    SOURCE_DATE_EPOCH=1700000000 .venv/bin/python -m tools.wheels FOLDER

natfix's own wheel is built with what is installed, from the sdist, as a release is; the others are those of
requirements/package.txt, each held against its hash. A wheel with compiled parts is refused, so that one package serves every
architecture and every Python.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PINS = ROOT / "requirements" / "package.txt"
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
PURE = ("--only-binary=:all:", "--platform=any", "--implementation=py", "--abi=none", "--python-version=3.11")


def build(folder: Path, *, epoch: int, source: Path = ROOT) -> Path:
    """Build sdist and wheel of the tree *source* into *folder*, and return the wheel.

    Args:
        folder: where both go.
        epoch: the time that the files in them have, in seconds since 1970.
        source: another checkout, such as one of an older version.

    Raises:
        subprocess.CalledProcessError: it cannot be built; the build has said why.
    """
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(source)]
    # A umask of the builder's own would show in the sdist.
    _run(command, environment={"SOURCE_DATE_EPOCH": str(epoch)})
    (wheel,) = folder.glob("natfix-*.whl")
    return wheel


def fetch(folder: Path, pins: Path = PINS) -> list[Path]:
    """Fetch the pinned wheels into *folder*, and return them.

    Args:
        folder: where they go.
        pins: a file of requirements/.

    Raises:
        subprocess.CalledProcessError: one cannot be had, has another hash, or is not pure Python; pip has said which.
    """
    _run([*PIP, "download", "--require-hashes", "--no-deps", *PURE, f"--dest={folder}", f"--requirement={pins}"])
    return sorted(path for path in folder.glob("*.whl") if not path.name.startswith("natfix-"))


def _run(command: list[str], *, environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, umask=0o022, env={**os.environ, **(environment or {})}
    )
    if done.returncode != 0:
        sys.stderr.write(done.stdout + done.stderr)
        done.check_returncode()


if __name__ == "__main__":
    place = Path(sys.argv[1])
    for wheel in [build(place, epoch=int(os.environ["SOURCE_DATE_EPOCH"])), *fetch(place)]:
        print(wheel)

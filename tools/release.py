"""Build all artefacts of a release twice, in two folders and under two environments, and keep them if they are the same bytes.

From the root of the repository::

    SOURCE_DATE_EPOCH="$(git log -1 --format=%ct)" .venv/bin/python -m tools.release dist/release

In the folder are then wheel, sdist, the Debian package, the RPM and its source package, the Ansible collection, the bill
of materials and SHA256SUMS. ``--once`` builds once, from the tree it is called in.
"""

import filecmp
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tools import bill, collection, debian, rpm, wheels

ROOT = Path(__file__).resolve().parent.parent
# What make and the tests leave in a checkout.
MADE = shutil.ignore_patterns(".git", ".venv*", ".*_cache", ".hypothesis", ".coverage*", "__pycache__", "build", "dist")
# What builders differ in.
BUILDERS = (
    {"TZ": "UTC", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "1", "UMASK": "022"},
    {"TZ": "Asia/Kathmandu", "LC_ALL": "C", "PYTHONHASHSEED": "2", "UMASK": "077"},
)


def copy_tree(place: Path) -> Path:
    """Copy the working tree, so that nobody changes it meanwhile; what make made stays behind."""
    return Path(shutil.copytree(ROOT, place, ignore=MADE, symlinks=True))


def make(folder: Path, epoch: int) -> None:
    """Build everything once, from this tree, into an empty *folder*.

    Raises:
        subprocess.CalledProcessError: something cannot be built.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        parts = Path(name)
        own = wheels.build(folder, epoch=epoch)
        carried = (own, *wheels.fetch(parts))
        debian.build(debian.Release(carried, epoch), folder)
        (sdist,) = folder.glob("natfix-*.tar.gz")
        rpm.build(sdist, carried, folder, epoch)
        collection.build(folder, epoch=epoch)
        (folder / f"{own.name.split('-py3')[0]}.cdx.json").write_text(bill.bill(carried, epoch), encoding="utf-8")
    made = sorted(path for path in folder.iterdir() if path.is_file())
    sums = "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in made)
    (folder / "SHA256SUMS").write_text(sums, encoding="ascii")


def make_twice(folder: Path, epoch: int) -> list[str]:
    """Build everything twice and move the first result to *folder*; return the names of files that differ, which is none.

    Raises:
        subprocess.CalledProcessError: something cannot be built.
    """
    with tempfile.TemporaryDirectory() as name:
        results = [Path(name, f"result-{number}") for number in range(len(BUILDERS))]
        # Side by side, as neither needs anything of the other.
        running = []
        for number, (builder, result) in enumerate(zip(BUILDERS, results, strict=True)):
            tree = copy_tree(Path(name, f"builder-{number}", *["deeper"] * number))
            environment = {**os.environ, **builder, "SOURCE_DATE_EPOCH": str(epoch)}
            command = [sys.executable, "-m", "tools.release", "--once", str(result)]
            running.append(subprocess.Popen(command, cwd=tree, env=environment, umask=int(builder["UMASK"], 8)))
        # All are waited for, so that none builds on in a folder that is gone.
        for process, code in [(one, one.wait()) for one in running]:
            if code:
                raise subprocess.CalledProcessError(code, process.args)
        found = differing(*results)
        if not found:
            shutil.copytree(results[0], folder, dirs_exist_ok=True)
        return found


def differing(one: Path, other: Path) -> list[str]:
    """Name the files that are not the same in two folders, those included that one of them lacks."""
    names = sorted({path.name for folder in (one, other) for path in folder.iterdir()})
    _, different, missing = filecmp.cmpfiles(one, other, names, shallow=False)
    return sorted([*different, *missing])


if __name__ == "__main__":
    *options, place = sys.argv[1:]
    moment = int(os.environ["SOURCE_DATE_EPOCH"])
    if options == ["--once"]:
        make(Path(place), moment)
    elif found := make_twice(Path(place), moment):
        sys.exit(f"two builds differ in: {', '.join(found)}")
    else:
        print((Path(place) / "SHA256SUMS").read_text(encoding="ascii"), end="")

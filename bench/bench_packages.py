"""Measure what natfix weighs in each form it comes in, as a file and on a disk, beside its wheel alone."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tools.release import make

EPOCH = 1_700_000_000


def unpacked(path: Path) -> int:
    """How many bytes are in the files of an artefact, without bytecode, which each host makes for its own Python."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as archive:
            return sum(one.file_size for one in archive.infolist())
    if path.suffix == ".gz":
        with tarfile.open(path) as archive:
            return sum(one.size for one in archive.getmembers())
    if path.suffix == ".deb":
        packed = subprocess.run(["dpkg-deb", "--fsys-tarfile", path], check=True, capture_output=True).stdout
        with tempfile.TemporaryFile() as file:
            file.write(packed)
            file.seek(0)
            with tarfile.open(fileobj=file) as archive:
                return sum(one.size for one in archive.getmembers())
    asked = ["rpm", "--query", "--package", "--queryformat=%{longsize}", path]
    return int(subprocess.run(asked, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    """Build every artefact once, and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "release")
        make(folder, EPOCH)
        found = sorted(path for path in folder.iterdir() if path.suffix in {".whl", ".gz", ".deb", ".rpm"})
        (wheel,) = (path for path in found if path.suffix == ".whl")
        print("| artefact | file, KiB | unpacked, KiB | file / wheel |")
        print("|---|---:|---:|---:|")
        for path in sorted(found, key=lambda one: one.stat().st_size):
            size, ratio = path.stat().st_size, path.stat().st_size / wheel.stat().st_size
            print(f"| {path.name} | {size / 1024:.0f} | {unpacked(path) / 1024:.0f} | {ratio:.1f} |")


if __name__ == "__main__":
    main()

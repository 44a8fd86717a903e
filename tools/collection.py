"""Build the Ansible collection of ansible/ as ansible-galaxy would, but the same bytes each time.

From the root of the repository::

    SOURCE_DATE_EPOCH=1700000000 .venv/bin/python -m tools.collection FOLDER

ansible-galaxy writes the time of its own run into the archive, and everybody's rights. Otherwise the archive is what it
makes: FILES.json with the SHA-256 of each file, and MANIFEST.json with that of FILES.json and what galaxy.yml says.
"""

import gzip
import hashlib
import io
import json
import os
import sys
import tarfile
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "ansible"
# What is never part of a collection: galaxy.yml becomes MANIFEST.json, and the rest is made by tools.
LEFT_OUT = ("galaxy.yml", "__pycache__", "*.pyc", ".git", ".ansible", "*.tar.gz")
# What galaxy.yml may leave unsaid, as MANIFEST.json says it.
UNSAID: dict[str, Any] = {
    "license_file": None,
    "tags": [],
    "dependencies": {},
    "repository": None,
    "documentation": None,
    "homepage": None,
    "issues": None,
}
FIELDS = (
    *("namespace", "name", "version", "authors", "readme", "tags", "description", "license", "license_file"),
    *("dependencies", "repository", "documentation", "homepage", "issues"),
)


def build(folder: Path, *, epoch: int, source: Path = SOURCE) -> Path:
    """Build the collection into *folder*, with *epoch* as the time of each file; return its path."""
    told = yaml.safe_load((source / "galaxy.yml").read_text(encoding="utf-8"))
    files = sorted(_files(source, told.get("build_ignore", [])))
    listing = _json({"files": [_folder("."), *_entries(source, files)], "format": 1})
    manifest = _json(
        {
            "collection_info": {name: told.get(name, UNSAID.get(name)) for name in FIELDS},
            "file_manifest_file": _file("FILES.json", listing),
            "format": 1,
        }
    )
    path = folder / f"{told['namespace']}-{told['name']}-{told['version']}.tar.gz"
    contents: list[tuple[str, bytes | None]] = [("MANIFEST.json", manifest), ("FILES.json", listing)]
    contents += [
        (str(path), None if (source / path).is_dir() else (source / path).read_bytes()) for path in _tree(source, files)
    ]
    path.write_bytes(gzip.compress(_archive(contents, epoch), 9, mtime=0))
    return path


def _files(source: Path, ignored: list[str]) -> Iterator[Path]:
    for path in source.rglob("*"):
        inside = path.relative_to(source)
        names = (*inside.parts, *(str(parent) for parent in (inside, *inside.parents)))
        if path.is_file() and not any(fnmatch(name, pattern) for name in names for pattern in (*LEFT_OUT, *ignored)):
            yield path


def _entries(source: Path, files: list[Path]) -> Iterator[dict[str, Any]]:
    for path in _tree(source, files):
        found = source / path
        yield _folder(str(path)) if found.is_dir() else _file(str(path), found.read_bytes())


def _tree(source: Path, files: list[Path]) -> list[Path]:
    """Every file and the folders above it, each folder before what is in it."""
    inside = {file.relative_to(source) for file in files}
    return sorted(inside | {parent for path in inside for parent in path.parents} - {Path()})


def _folder(name: str) -> dict[str, Any]:
    return {"name": name, "ftype": "dir", "chksum_type": None, "chksum_sha256": None, "format": 1}


def _file(name: str, data: bytes) -> dict[str, Any]:
    return {**_folder(name), "ftype": "file", "chksum_type": "sha256", "chksum_sha256": hashlib.sha256(data).hexdigest()}


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, indent=1).encode()


def _archive(contents: list[tuple[str, bytes | None]], epoch: int) -> bytes:
    """Pack files and folders, which have no data, in their order."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in contents:
            entry = tarfile.TarInfo(name)
            entry.mtime, entry.mode = epoch, 0o755 if data is None else 0o644
            entry.type = tarfile.DIRTYPE if data is None else tarfile.REGTYPE
            entry.size = len(data or b"")
            archive.addfile(entry, io.BytesIO(data or b""))
    return written.getvalue()


if __name__ == "__main__":
    print(build(Path(sys.argv[1]), epoch=int(os.environ["SOURCE_DATE_EPOCH"])))

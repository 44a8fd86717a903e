"""Say what a release of natfix is made of: a bill of materials in CycloneDX's JSON, from what the wheels say of themselves.

Fields are those of CycloneDX 1.6. It has no serial number, as the standard allows: a random one would make two builds
differ.
"""

import hashlib
import json
import re
import zipfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from email.message import Message
from email.parser import Parser
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

# For which of natfix's extras the Debian package and the RPM carry wheels, besides those that natfix always needs.
EXTRAS = ("", "etcd", "metrics")


def bill(wheels: Sequence[Path], epoch: int) -> str:
    """Write the bill of natfix's wheel, which is one of *wheels*, and of those it is shipped with.

    Args:
        wheels: files.
        epoch: the time of the release, in seconds since 1970.
    """
    read = {canonicalize_name(str(told["Name"])): (path, told) for path in sorted(wheels) for told in [metadata(path)]}
    own = read.pop(canonicalize_name("natfix"))
    content = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": _component("application", *own),
        },
        "components": [_component("library", *one) for one in read.values()],
        "dependencies": [
            {"ref": _address(told), "dependsOn": sorted(_address(read[name][1]) for name in _needs(told) if name in read)}
            for _, told in [own, *read.values()]
        ],
    }
    return json.dumps(content, indent=2) + "\n"


def metadata(wheel: Path) -> Message:
    """Read what a wheel says of itself."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name))
        return Parser().parsestr(archive.read(name).decode(), headersonly=True)


def _component(kind: str, wheel: Path, told: Message) -> dict[str, Any]:
    return {
        "type": kind,
        "bom-ref": _address(told),
        "name": told["Name"],
        "version": told["Version"],
        "description": told["Summary"],
        "purl": _address(told),
        "licenses": _licences(told),
        "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(wheel.read_bytes()).hexdigest()}],
    }


def _licences(told: Message) -> list[dict[str, Any]]:
    if told["License-Expression"]:
        return [{"expression": told["License-Expression"]}]
    named = told["License"] or next(
        (line.rpartition(" :: ")[2] for line in told.get_all("Classifier", []) if line.startswith("License ::")), "unknown"
    )
    return [{"license": {"name": named}}]


def _address(told: Message) -> str:
    return f"pkg:pypi/{canonicalize_name(str(told['Name']))}@{told['Version']}"


def _needs(told: Message) -> Iterator[NormalizedName]:
    for requirement in map(Requirement, told.get_all("Requires-Dist", [])):
        if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in EXTRAS):
            yield canonicalize_name(requirement.name)

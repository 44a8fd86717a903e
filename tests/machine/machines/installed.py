"""natfix as a layer of a machine's disk: the working tree's package with what it imports, and /usr/bin/natfix.

Debian's releases differ in their Python, so the layer holds pure Python only, beside their folders, and a .pth file leads
there. What has to be compiled comes with the image, as Debian's own package.
"""

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent.parent.parent
PLACE = "opt/natfix"

START = """\
#!/usr/bin/python3
from natfix.cli.start import main

main()
"""


def write_layer(folder: Path) -> Path:
    """Fill *folder* with the layer, and return it.

    Raises:
        AssertionError: the wheel cannot be built, or something it needs is not pure Python.
    """
    layer = folder / "layer"
    place = layer / PLACE
    with zipfile.ZipFile(_wheel(folder)) as archive:
        archive.extractall(place)
    for data in place.glob("*.data/data"):
        shutil.copytree(data, layer / "usr")
        shutil.rmtree(data.parent)
    for needed in _needed("natfix"):
        _copy(needed, place)
    _write(layer / "usr/lib/python3/dist-packages/natfix.pth", f"/{PLACE}\n", 0o644)
    _write(layer / "usr/bin/natfix", START, 0o755)
    return layer


def _wheel(folder: Path) -> Path:
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "wheel")
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(folder))
    done = subprocess.run([*pip, *options, str(ROOT)], check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"natfix's wheel cannot be built: {done.stdout}{done.stderr}"
    (wheel,) = folder.glob("natfix-*.whl")
    return wheel


def _needed(name: str) -> Iterator[Distribution]:
    """Walk what the package *name* needs on a Linux with this Python, each once, itself left out.

    What is optional is left out too: python3-systemd and python3-prometheus-client are Debian packages in the image.
    """
    found = [name]
    for one in found:
        for requirement in map(Requirement, distribution(one).requires or ()):
            wanted = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
            if wanted and requirement.name not in found:
                found.append(requirement.name)
                yield distribution(requirement.name)


def _copy(package: Distribution, place: Path) -> None:
    for file in package.files or ():
        if ".." in file.parts or "__pycache__" in file.parts:
            continue
        assert file.suffix != ".so", f"{package.name} is not pure Python, and the machines' Python is another one"
        target = place / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(str(package.locate_file(file)), target)


def _write(path: Path, text: str, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)

"""Lay out natfix with all that it carries, as the Debian package and the RPM put it on a host.

From the root of the repository, or of the sdist, which is how packaging/rpm/natfix.spec calls it::

    SOURCE_DATE_EPOCH=1700000000 python3 -m tools.tree WHEELS ROOT redhat python3.11

WHEELS holds natfix's own wheel and the pinned ones that it needs (``tools.wheels``). The tree is self-contained in
/usr/lib/natfix, a virtual environment of the distribution's own Python that sees the distribution's modules behind its own;
docs/packages.md says why. Same wheels, same bytes.
"""

import gzip
import os
import shutil
import sys
import zipfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

from tools.completions import scripts
from tools.manuals import pages

DATA = Path(__file__).resolve().parent.parent / "packaging"
MONITORING = DATA.parent / "monitoring"
HOME = "usr/lib/natfix"
SITE = f"{HOME}/lib/python3/site-packages"
# Python looks for modules below its own version; one set of files serves all that the packages allow.
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
LAUNCHER = '#!/bin/sh\nexec /usr/lib/natfix/bin/python3 -I -m natfix "$@"\n'
PROGRAM = "usr/bin/natfix"
SETTINGS = "etc/natfix/natfix.toml"
ENVIRONMENT = "home = /usr/bin\ninclude-system-site-packages = true\n"


@dataclass(frozen=True, slots=True)
class Distribution:
    """Where a family of distributions has things.

    Attributes:
        python: the name of the interpreter in /usr/bin.
        zsh: where zsh finds completions, below /usr/share.
    """

    python: str
    zsh: str


def debian(python: str = "python3") -> Distribution:
    """Debian and its likes."""
    return Distribution(python, "zsh/vendor-completions")


def redhat(python: str) -> Distribution:
    """RHEL and its likes, whose own python3 is too old for natfix; python3.11 and later stand beside it."""
    return Distribution(python, "zsh/site-functions")


def lay_out(wheels: Sequence[Path], root: Path, distribution: Distribution, epoch: int) -> None:
    """Write everything that is the same on every host below *root*.

    That is modules, command, units, settings, manuals, completions, and what a Prometheus and a Grafana are given.
    """
    _carry(wheels, root, distribution)
    # The day alone; a manual has no time of day.
    for name, page in pages(formatdate(epoch)[5:16].strip()).items():
        pack(root / f"usr/share/man/man1/{name}.gz", page)
    homes = {
        "natfix": "bash-completion/completions",
        "_natfix": distribution.zsh,
        "natfix.fish": "fish/vendor_completions.d",
    }
    for name, script in scripts().items():
        write(root / "usr/share" / homes[name] / name, script)
    for path in sorted(each for each in MONITORING.rglob("*") if each.is_file()):
        write(root / "usr/share/natfix/monitoring" / path.relative_to(MONITORING), path.read_text(encoding="utf-8"))


def _carry(wheels: Sequence[Path], root: Path, distribution: Distribution) -> None:
    """Unpack the wheels into an environment, and put the units where systemd looks."""
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(root / SITE)
    # What wheels bring beside their modules, as manuals of programs that are none of natfix's.
    for extra in (root / SITE).glob("*.data"):
        shutil.rmtree(extra)
    (root / HOME / "bin").mkdir()
    (root / HOME / "bin/python3").symlink_to(f"../../../bin/{distribution.python}")
    for version in PYTHONS:
        (root / HOME / f"lib/python{version}").symlink_to("python3")
    write(root / HOME / "pyvenv.cfg", ENVIRONMENT)
    write(root / PROGRAM, LAUNCHER)
    write(root / SETTINGS, (DATA / "natfix.toml").read_text(encoding="utf-8"))
    for unit in (root / SITE / "natfix/_data/systemd").glob("natfix-*"):
        write(root / "usr/lib/systemd/system" / unit.name, unit.read_text(encoding="utf-8"))


def settle(root: Path, epoch: int, programs: Collection[str]) -> None:
    """Give every file the same time, and rights that depend on nobody's umask: *programs* and folders 755, others 644."""
    for path in [root, *root.rglob("*")]:
        if not path.is_symlink():
            program = path.is_dir() or str(path.relative_to(root)) in programs
            path.chmod(0o755 if program else 0o644)
        os.utime(path, (epoch, epoch), follow_symlinks=False)


def write(path: Path, text: str) -> None:
    """Write a text, in folders that are made when missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def pack(path: Path, text: str) -> None:
    """Write a text compressed, without a time of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not gzip.compress(), whose head is another one from Python 3.13 on.
    with path.open("wb") as plain, gzip.GzipFile("", "wb", 9, plain, mtime=0) as packed:
        packed.write(text.encode())


if __name__ == "__main__":
    given, place, family, interpreter = sys.argv[1:]
    moment = int(os.environ["SOURCE_DATE_EPOCH"])
    families = {"debian": debian, "redhat": redhat}
    lay_out(sorted(Path(given).glob("*.whl")), Path(place), families[family](interpreter), moment)
    settle(Path(place), moment, {PROGRAM})

"""Build natfix's Debian package from wheels, without a network.

From the root of the repository::

    SOURCE_DATE_EPOCH=1700000000 .venv/bin/python -m tools.debian WHEELS FOLDER

WHEELS is what ``tools.wheels`` has filled. The package is self-contained in /usr/lib/natfix, a virtual environment of Debian's
own Python that sees Debian's own modules behind its own; docs/packages.md says why. Same wheels, same bytes.
"""

import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from email.parser import Parser
from email.utils import formatdate
from pathlib import Path

from tools.completions import scripts
from tools.manuals import pages

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "packaging"
HOME = "usr/lib/natfix"
SITE = f"{HOME}/lib/python3/site-packages"
# Python looks for modules below its own version; one set of files serves all that the package allows.
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
LAUNCHER = '#!/bin/sh\nexec /usr/lib/natfix/bin/python3 -I -m natfix "$@"\n'
ENVIRONMENT = "home = /usr/bin\ninclude-system-site-packages = true\n"
SCRIPTS = ("postinst", "prerm", "postrm")
# Nobody is written to: SECURITY.md says where to turn.
MAINTAINER = "The natfix developers <natfix@natfix.invalid>"


@dataclass(frozen=True, slots=True)
class Release:
    """What is built.

    Attributes:
        wheels: natfix's own and those that it carries.
        epoch: the time of every file, in seconds since 1970.
        revision: of the package, for the same natfix.
    """

    wheels: tuple[Path, ...]
    epoch: int
    revision: int = 1

    @property
    def version(self) -> str:
        """The package's version."""
        (own,) = (path for path in self.wheels if path.name.startswith("natfix-"))
        return f"{own.name.split('-')[1]}-{self.revision}"


def build(release: Release, folder: Path) -> Path:
    """Build the package into *folder*, by way of a folder in it that is removed afterwards, and return its path.

    Raises:
        subprocess.CalledProcessError: dpkg-deb refuses; it has said why.
    """
    root = folder / "root"
    shutil.rmtree(root, ignore_errors=True)
    _carry(release, root)
    _document(release, root)
    _control(release, root)
    _settle(root, release.epoch)
    package = folder / f"natfix_{release.version}_all.deb"
    command = ["dpkg-deb", "--root-owner-group", "-Zxz", "--build", str(root), str(package)]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(release.epoch)}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    shutil.rmtree(root)
    return package


def _carry(release: Release, root: Path) -> None:
    """Unpack the wheels into an environment, and put the units where systemd looks."""
    for wheel in release.wheels:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(root / SITE)
    # What wheels bring beside their modules, as manuals of programs that are none of natfix's.
    for extra in (root / SITE).glob("*.data"):
        shutil.rmtree(extra)
    (root / HOME / "bin").mkdir()
    (root / HOME / "bin/python3").symlink_to("../../../bin/python3")
    for version in PYTHONS:
        (root / HOME / f"lib/python{version}").symlink_to("python3")
    _write(root / HOME / "pyvenv.cfg", ENVIRONMENT)
    _write(root / "usr/bin/natfix", LAUNCHER)
    _write(root / "usr/share/python3/runtime.d/natfix.rtupdate", (DATA / "debian/rtupdate").read_text(encoding="utf-8"))
    _write(root / "etc/natfix/natfix.toml", (DATA / "natfix.toml").read_text(encoding="utf-8"))
    for unit in (root / SITE / "natfix/_data/systemd").glob("natfix-*"):
        _write(root / "usr/lib/systemd/system" / unit.name, unit.read_text(encoding="utf-8"))


def _document(release: Release, root: Path) -> None:
    """Write manuals, completions, copyright and changelogs."""
    day = formatdate(release.epoch)
    for name, page in pages(day[5:16].strip()).items():
        _pack(root / f"usr/share/man/man1/{name}.gz", page)
    homes = {
        "natfix": "bash-completion/completions",
        "_natfix": "zsh/vendor-completions",
        "natfix.fish": "fish/vendor_completions.d",
    }
    for name, script in scripts().items():
        _write(root / "usr/share" / homes[name] / name, script)
    own = root / "usr/share/doc/natfix"
    told = f"natfix ({release.version}) unstable; urgency=medium\n\n  * See changelog.gz.\n\n -- {MAINTAINER}  {day}\n"
    _pack(own / "changelog.Debian.gz", told)
    _pack(own / "changelog.gz", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    _write(own / "copyright", "\n\n".join(_copyright(root / SITE)) + "\n")


def _copyright(site: Path) -> Iterator[str]:
    """Say for each wheel its licence; the texts lie beside its modules."""
    yield (
        "natfix is under the Apache License, Version 2.0: on Debian systems in /usr/share/common-licenses/Apache-2.0.\n"
        "Copyright (c) 2026 the natfix developers\n\n"
        "It carries these Python packages, each under its own licence:"
    )
    for info in sorted(site.glob("*.dist-info")):
        told = metadata(info)
        if told["Name"] != "natfix":
            named = told["License-Expression"] or told["License"] or "see there"
            texts = sorted(str(path.relative_to(site)) for path in info.rglob("*") if "LICEN" in path.name.upper())
            yield f"{told['Name']} {told['Version']}, {named}\n  /{SITE}/" + f"\n  /{SITE}/".join(texts)


def metadata(info: Path) -> Message:
    """Read what a package says of itself."""
    return Parser().parsestr((info / "METADATA").read_text(encoding="utf-8"), headersonly=True)


def _control(release: Release, root: Path) -> None:
    files = sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    size = sum(-(-path.stat().st_size // 1024) for path in files)
    sums = "".join(f"{_md5(path)}  {path.relative_to(root)}\n" for path in files)
    text = (DATA / "debian/control").read_text(encoding="utf-8")
    for word, value in (("VERSION", release.version), ("MAINTAINER", MAINTAINER), ("SIZE", str(size))):
        text = text.replace(f"@{word}@", value)
    _write(root / "DEBIAN/control", text)
    _write(root / "DEBIAN/conffiles", "/etc/natfix/natfix.toml\n")
    _write(root / "DEBIAN/md5sums", sums)
    for name in SCRIPTS:
        _write(root / "DEBIAN" / name, (DATA / "debian" / name).read_text(encoding="utf-8"))


def _md5(path: Path) -> str:
    # dpkg's own form, which protects from nothing but accidents.
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def _settle(root: Path, epoch: int) -> None:
    """Give every file the same time, and rights that depend on nobody's umask."""
    programs = {"usr/bin/natfix", "usr/share/python3/runtime.d/natfix.rtupdate", *(f"DEBIAN/{name}" for name in SCRIPTS)}
    for path in [root, *root.rglob("*")]:
        if not path.is_symlink():
            program = path.is_dir() or str(path.relative_to(root)) in programs
            path.chmod(0o755 if program else 0o644)
        os.utime(path, (epoch, epoch), follow_symlinks=False)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _pack(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode(), 9, mtime=0))


if __name__ == "__main__":
    given = tuple(sorted(Path(sys.argv[1]).glob("*.whl")))
    print(build(Release(given, int(os.environ["SOURCE_DATE_EPOCH"])), Path(sys.argv[2])))

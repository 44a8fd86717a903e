"""Build natfix's Debian package from wheels, without a network.

From the root of the repository::

    SOURCE_DATE_EPOCH=1700000000 .venv/bin/python -m tools.debian WHEELS FOLDER

WHEELS is what ``tools.wheels`` has filled. The package is self-contained in /usr/lib/natfix, a virtual environment of Debian's
own Python that sees Debian's own modules behind its own; docs/packages.md says why. Same wheels, same bytes.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from email.parser import Parser
from email.utils import formatdate
from pathlib import Path

from tools import tree
from tools.tree import SITE, pack, write

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "packaging/debian"
RUNTIME = "usr/share/python3/runtime.d/natfix.rtupdate"
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
    tree.lay_out(release.wheels, root, tree.debian(), release.epoch)
    write(root / RUNTIME, (DATA / "rtupdate").read_text(encoding="utf-8"))
    _document(release, root)
    _control(release, root)
    tree.settle(root, release.epoch, {tree.PROGRAM, RUNTIME, *(f"DEBIAN/{name}" for name in SCRIPTS)})
    package = folder / f"natfix_{release.version}_all.deb"
    command = ["dpkg-deb", "--root-owner-group", "-Zxz", "--build", str(root), str(package)]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(release.epoch)}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    shutil.rmtree(root)
    return package


def _document(release: Release, root: Path) -> None:
    """Write copyright and changelogs."""
    day = formatdate(release.epoch)
    own = root / "usr/share/doc/natfix"
    told = f"natfix ({release.version}) unstable; urgency=medium\n\n  * See changelog.gz.\n\n -- {MAINTAINER}  {day}\n"
    pack(own / "changelog.Debian.gz", told)
    pack(own / "changelog.gz", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    write(own / "copyright", "\n\n".join(_copyright(root / SITE)) + "\n")


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
    text = (DATA / "control").read_text(encoding="utf-8")
    for word, value in (("VERSION", release.version), ("MAINTAINER", MAINTAINER), ("SIZE", str(size))):
        text = text.replace(f"@{word}@", value)
    write(root / "DEBIAN/control", text)
    write(root / "DEBIAN/conffiles", "/etc/natfix/natfix.toml\n")
    write(root / "DEBIAN/md5sums", sums)
    for name in SCRIPTS:
        write(root / "DEBIAN" / name, (DATA / name).read_text(encoding="utf-8"))


def _md5(path: Path) -> str:
    # dpkg's own form, which protects from nothing but accidents.
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


if __name__ == "__main__":
    given = tuple(sorted(Path(sys.argv[1]).glob("*.whl")))
    print(build(Release(given, int(os.environ["SOURCE_DATE_EPOCH"])), Path(sys.argv[2])))

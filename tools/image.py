"""Build the root of natfix's container image from Debian's packages and natfix's own, without any registry of images.

From the root of the repository, as root::

    .venv/bin/python -m tools.image fetch bookworm dist/packages
    SOURCE_DATE_EPOCH=1700000000 .venv/bin/python -m tools.image build dist/packages natfix_*_all.deb dist/image
    docker build --file dist/image/Containerfile --tag natfix dist/image

debootstrap fetches and verifies the packages; only those that natfix needs are unpacked, without apt, dpkg, a shell or perl,
and without what nobody reads in a container. Same packages, same bytes. What is inside is written down where scanners look
for it: /var/lib/dpkg/status.d.
"""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.debian_archive import mirror, proxies

ROOT = Path(__file__).resolve().parent.parent
DEFINITION = ROOT / "container" / "Containerfile"
# For nodes whose nft is older than 1.1, and for the others: an nft of 1.0.6 dies (segmentation fault) of sets that one of 1.1
# made, over the whole ruleset, and the image's nft and its node's must not do that to each other.
RELEASES = ("bookworm", "trixie")
# unshare, of util-linux, is for rehearsals where the container may make namespaces.
WANTED = ("iptables", "nftables", "python3", "util-linux")
# The journal and its library are the host's; a container writes to its standard output. What else is left out is of no use
# without a terminal, a package manager or a login.
UNWANTED = frozenset(
    {"debconf", "dpkg", "libpam-modules", "libpam-runtime", "login", "login.defs", "media-types", "openssl-provider-legacy"}
    | {"perl-base", "python3-systemd", "readline-common", "tzdata"}
)
# Programs of util-linux and others are many, and few are called.
PROGRAMS = frozenset(
    {"unshare", "nft", "natfix", "python3", "python3.11", "python3.13", "xtables-legacy-multi", "xtables-nft-multi"}
    | {f"{family}{kind}{verb}" for family in ("iptables", "ip6tables") for kind in ("-nft", "-legacy")
       for verb in ("", "-save", "-restore")}
)  # fmt: skip
PLACES = ("usr/bin", "usr/sbin", "usr/libexec")
# Nobody reads manuals or other languages in a container, installs into its Python, or draws windows; glibc's character sets
# are for programs that Python does without.
STRIPPED = (
    *("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "usr/share/lintian", "usr/share/bug"),
    *("usr/share/bash-completion", "usr/share/zsh", "usr/share/fish", "usr/share/python3", "usr/share/pixmaps"),
    *("usr/share/applications", "usr/share/menu", "usr/share/polkit-1", "usr/share/util-linux", "usr/share/perl5"),
    *("usr/share/gcc", "usr/share/gdb", "usr/share/debhelper", "usr/share/keyrings", "usr/share/common-licenses"),
    *("usr/lib/systemd", "usr/lib/*/gconv", "usr/lib/*/audit", "usr/lib/*/security", "usr/lib/mime", "usr/lib/locale"),
    *("usr/lib/python3.*/test", "usr/lib/python3.*/idlelib", "usr/lib/python3.*/ensurepip", "usr/lib/python3.*/lib2to3"),
    *("usr/lib/python3.*/pydoc_data", "usr/lib/python3.*/turtledemo", "usr/lib/python3.*/tkinter", "usr/lib/python3.*/venv"),
    *("usr/lib/python3.*/distutils", "usr/lib/python3.*/config-*", "usr/lib/python3.*/_pyrepl", "usr/lib/python3.*/sqlite3"),
    *("etc/cron*", "etc/init.d", "etc/default", "etc/pam.d", "etc/security", "etc/update-motd.d", "etc/terminfo"),
    *("etc/apt", "etc/logrotate.d", "etc/python3*", "etc/profile.d", "usr/lib/tmpfiles.d", "usr/games", "usr/local"),
    *("usr/include", "usr/src", "var/cache", "var/log", "var/backups", "boot", "home", "media", "mnt", "opt", "srv"),
)
ALTERNATIVES = {
    f"{family}{verb}": f"{family}-nft{verb}" for family in ("iptables", "ip6tables") for verb in ("", "-save", "-restore")
}
# debootstrap makes these where /usr holds all programs, and so no package does on every architecture.
MERGED = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}
# The package starts natfix by a shell, which is not here.
LAUNCHER = "#!/usr/lib/natfix/bin/python3 -I\nfrom natfix.cli.start import main\n\nmain()\n"
PASSWD = {"passwd": "root:x:0:0:root:/root:/usr/sbin/nologin\n", "group": "root:x:0:\n"}
# Where the host's files are mounted: a root that is read-only has no place made for them later.
MOUNTED = (
    "etc/iptables",
    "etc/sysconfig",
    "etc/natfix",
    "run/natfix",
    "run/flannel",
    "var/lib/natfix",
    "tmp",
    "proc",
    "sys",
    "dev",
)


@dataclass(frozen=True, slots=True)
class Package:
    """A Debian package.

    Attributes:
        path: its file.
        name: as others depend on it.
        control: what it says of itself.
        needs: for each dependency the names that satisfy it, the preferred one first.
        provides: further names.
    """

    path: Path
    name: str
    control: str
    needs: tuple[tuple[str, ...], ...]
    provides: tuple[str, ...]


def fetch(release: str, folder: Path, *more: str) -> list[Path]:
    """Let debootstrap fetch and verify the packages of a small system, those that are wanted, and *more*; return their files.

    Raises:
        subprocess.CalledProcessError: debootstrap failed; it has said why.
    """
    include = f"--include={','.join((*WANTED, *more))}"
    command = ("debootstrap", "--download-only", "--variant=minbase", include, release, str(folder), mirror())
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C.UTF-8", **proxies()}
    )
    if done.returncode != 0:
        sys.stderr.write(done.stdout[-3000:] + done.stderr[-3000:])
        done.check_returncode()
    return sorted((folder / "var/cache/apt/archives").glob("*.deb"))


def build(packages: Iterable[Path], own: Path, folder: Path, epoch: int) -> Path:
    """Make root.tar and the Containerfile beside it in *folder*, and return the tar.

    Args:
        packages: what ``fetch`` found.
        own: natfix's package, as tools.debian builds it.
        folder: where to.
        epoch: the time of every file, in seconds since 1970.

    Raises:
        LookupError: a package that is needed is not there.
        subprocess.CalledProcessError: one cannot be unpacked.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name, "root")
        chosen = choose([*map(read, packages), read(own)], "natfix", *WANTED)
        _unpack(chosen, root)
        _strip(root)
        _finish(chosen, root)
        _compile(root)
        made = _pack(root, folder / "root.tar", epoch)
    shutil.copyfile(DEFINITION, folder / DEFINITION.name)
    return made


def read(path: Path) -> Package:
    """Read what a package says of itself."""
    control = _output("dpkg-deb", "--field", str(path))
    fields = dict(re.findall(r"^([A-Za-z-]+): (.*(?:\n .*)*)", control, re.MULTILINE))
    needs = [group for name in ("Pre-Depends", "Depends") for group in fields.get(name, "").split(",") if group.strip()]
    return Package(
        path,
        fields["Package"],
        control,
        tuple(tuple(_name(each) for each in group.split("|")) for group in needs),
        tuple(_name(each) for each in fields.get("Provides", "").split(",") if each.strip()),
    )


def choose(packages: Iterable[Package], *names: str) -> list[Package]:
    """Choose the packages of these names and all they need, sorted by name; what is unwanted counts as there.

    Raises:
        LookupError: nothing satisfies a dependency.
    """
    known: dict[str, Package] = {}
    for package in packages:
        known[package.name] = package
        for name in package.provides:
            known.setdefault(name, package)
    chosen: dict[str, Package] = {}
    queue: list[tuple[str, ...]] = [(name,) for name in names]
    for names_ in queue:
        if not UNWANTED.isdisjoint(names_):
            continue
        found = next((known[name] for name in names_ if name in known), None)
        if found is None:
            raise LookupError(f"no package of {', '.join(names_)}")
        if found.name not in chosen:
            chosen[found.name] = found
            queue += found.needs
    return [chosen[name] for name in sorted(chosen)]


def _name(dependency: str) -> str:
    return re.split(r"[ :(]", dependency.strip(), maxsplit=1)[0]


def _unpack(chosen: Iterable[Package], root: Path) -> None:
    for name, target in MERGED.items():
        (root / target).mkdir(parents=True)
        (root / name).symlink_to(target)
    for package in chosen:
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(package.path)], stdout=subprocess.PIPE) as source:
            subprocess.run(
                ["tar", "--extract", "--keep-directory-symlink", f"--directory={root}"], check=True, stdin=source.stdout
            )
        if source.returncode:
            raise subprocess.CalledProcessError(source.returncode, source.args)


def _strip(root: Path) -> None:
    """Take away what is of no use in a container."""
    for pattern in STRIPPED:
        for path in root.glob(pattern):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    for place in PLACES:
        for path in (root / place).glob("**/*"):
            if (path.is_symlink() or path.is_file()) and path.name not in PROGRAMS:
                path.unlink()


def _finish(chosen: Iterable[Package], root: Path) -> None:
    """Do what the packages' scripts would: links, who root is, the cache of libraries, and a word on what is inside."""
    for name, target in ALTERNATIVES.items():
        (root / "usr/sbin" / name).symlink_to(target)
    (root / "usr/bin/natfix").write_text(LAUNCHER, encoding="utf-8")
    for name, text in PASSWD.items():
        (root / "etc" / name).write_text(text, encoding="utf-8")
    for place in MOUNTED:
        (root / place).mkdir(parents=True, exist_ok=True)
    for package in chosen:
        status = root / "var/lib/dpkg/status.d" / package.name
        status.parent.mkdir(parents=True, exist_ok=True)
        status.write_text(package.control, encoding="utf-8")
    subprocess.run(["ldconfig", "-r", str(root)], check=True)
    shutil.rmtree(root / "var/cache", ignore_errors=True)


def _compile(root: Path) -> None:
    """Compile all Python once, so that nothing is compiled at each start of a container whose root is read-only."""
    script = (
        "import compileall, sys, py_compile\n"
        "mode = py_compile.PycInvalidationMode.UNCHECKED_HASH\n"
        "for place in sys.argv[1:]:\n"
        "    compileall.compile_dir(place, quiet=2, workers=1, invalidation_mode=mode, maxlevels=20)\n"
    )
    (library,) = (root / "usr/lib").glob("python3.*")
    places = [f"/usr/lib/{library.name}", "/usr/lib/natfix"]
    command = ["chroot", str(root), "/usr/bin/python3", "-I", "-S", "-B", "-c", script, *places]
    subprocess.run(command, check=True, env={"PATH": "/usr/sbin:/usr/bin", "PYTHONHASHSEED": "0"})


def _pack(root: Path, target: Path, epoch: int) -> Path:
    """Pack a root so that the same files give the same bytes."""
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as archive:
        for path in _sorted(root):
            member = archive.gettarinfo(str(path), str(path.relative_to(root)))
            # Rights that depend on nobody's umask, and nothing that makes another user of who starts it.
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            member.mtime, member.uid, member.gid, member.uname, member.gname = epoch, 0, 0, "root", "root"
            if member.isreg():
                with path.open("rb") as content:
                    archive.addfile(member, content)
            else:
                archive.addfile(member)
    return target


def _sorted(root: Path) -> Iterator[Path]:
    return iter(sorted(root.rglob("*")))


def _output(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def main(what: str, *places: str) -> None:
    """Do what the command line says; see above."""
    if what == "fetch":
        release, folder = places[0], Path(places[1])
        with tempfile.TemporaryDirectory() as name:
            folder.mkdir(parents=True, exist_ok=True)
            for package in fetch(release, Path(name)):
                shutil.copy(package, folder)
    else:
        packages, own, folder = map(Path, places)
        print(build(sorted(packages.glob("*.deb")), own, folder, int(os.environ["SOURCE_DATE_EPOCH"])))


if __name__ == "__main__":
    main(*sys.argv[1:])

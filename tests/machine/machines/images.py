"""Root folders of whole Debian systems: made once by debootstrap, then kept in a cache outside of the checkout.

An image is known by what it is made of: another package or another last step is another image, and the old one goes when
nobody uses it. It is never written to; a machine works on an overlay of it.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tools.debian_archive import mirror, proxies

RELEASES = ("bookworm", "trixie", "sid")

# docker.io brings Docker 20.10 in bookworm, 26.1 in trixie and 28.5 in sid; from trixie on its client is a package of its own.
PACKAGES = (
    "busybox-static",
    "conntrack",
    "dbus",
    "docker.io",
    "iproute2",
    "iptables",
    "iptables-persistent",
    "kmod",
    "nftables",
    "procps",
    "python3",
    "python3-prometheus-client",
    "python3-systemd",
    "supervisor",
    "systemd",
    "systemd-sysv",
)
# debootstrap installs nothing that is only recommended: netavark is the one that writes Podman's rules, and each release has
# another one. firewalld behaves alike everywhere, so one release has it. debootstrap knows no virtual packages either: the
# polkitd of firewalld and libvirt asks for a logind, which libpam-systemd provides. libvirt and CNI's plugins of sid write
# tables of nft's own.
PODMAN = ("netavark", "podman")
NATIVE = ("containernetworking-plugins", "dnsmasq-base", "libpam-systemd", "libvirt-clients", "libvirt-daemon-driver-network")
# What a host has that Ansible manages: its sshd, which runs as on any Debian, and what Ansible's apt and pip want there.
MANAGED = ("openssh-server", "python3-apt", "python3-packaging", "python3-venv")
ALSO = {
    "bookworm": PODMAN,
    "trixie": ("docker-cli", "firewalld", "libpam-systemd", *PODMAN, *MANAGED),
    "sid": ("docker-cli", *NATIVE, *PODMAN),
}

# Speed: nothing here has to survive a power cut, and nobody reads manuals.
DPKG = """\
force-unsafe-io
path-exclude=/usr/share/doc/*
path-exclude=/usr/share/man/*
path-exclude=/usr/share/locale/*
"""

# The last step, in the image. iptables-persistent has saved the empty rules it was installed under: a fresh host has no
# such file. Programs that a test wants running are switched on by that test. Timers would only disturb measurements.
FINISH = """\
rm -f /etc/dpkg/dpkg.cfg.d/natfix /etc/hostname /etc/resolv.conf /etc/iptables/rules.v4 /etc/iptables/rules.v6
apt-get clean
rm -rf /var/lib/apt/lists/* /var/log/bootstrap.log
for unit in supervisor.service firewalld.service podman.service podman.socket \
podman-restart.service podman-auto-update.service podman-auto-update.timer; do
    [ ! -e /lib/systemd/system/$unit ] || systemctl --quiet disable $unit
done
systemctl --quiet mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \\
    e2scrub_reap.service fstrim.timer logrotate.timer man-db.timer systemd-tmpfiles-clean.timer \\
    console-getty.service getty@tty1.service
"""

# Processes that a step leaves behind, and what it mounts, go with these namespaces.
APART = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--")
# What runs in the image while it is made must not see this machine's rules, let alone change them.
INSIDE = ("unshare", "--net", *APART[1:-1], "--", "chroot")
SECONDS = 500

Say = Callable[[str], None]


@contextmanager
def image(release: str, say: Say) -> Iterator[Path]:
    """Give the root folder of a *release*, which stays as long as this context; tell on *say* when it has to be made."""
    with kept(release, _key(release), lambda folder: _bootstrap(release, folder), say) as folder:
        yield folder


@contextmanager
def kept(name: str, key: str, fill: Callable[[Path], None], say: Say) -> Iterator[Path]:
    """Give a folder of the cache, which stays as long as this context.

    Args:
        name: what it is; of what has the same name and another key, what nobody uses goes when this one is made.
        key: what it is made of.
        fill: makes it, where it is not there yet; it is given a folder that is not there.
        say: is told when it has to be made.
    """
    folder = _cache() / f"{name}-{key}"
    with folder.with_suffix(".lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        while not folder.is_dir():
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.is_dir():
                _make(folder, fill, say)
                _remove_unused(name, folder)
            fcntl.flock(lock, fcntl.LOCK_SH)
        yield folder


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME")
    folder = Path(home or "/var/cache") / "natfix" / "machines"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _packages(release: str) -> tuple[str, ...]:
    return tuple(sorted(PACKAGES + ALSO[release]))


def _key(release: str) -> str:
    return hashlib.sha256("\n".join([*_packages(release), DPKG, FINISH]).encode()).hexdigest()[:12]


def _make(folder: Path, fill: Callable[[Path], None], say: Say) -> None:
    """Make a folder beside its place, and move it there when it is whole."""
    partial = folder.with_suffix(".partial")
    # What a run that was killed has left; nobody else makes this one, as it is locked.
    shutil.rmtree(partial, ignore_errors=True)
    start = time.monotonic()
    say(f"making {folder} (1 to 2 minutes, once)")
    try:
        fill(partial)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    say(f"made {folder} in {time.monotonic() - start:.0f} s")


def _bootstrap(release: str, root: Path) -> None:
    include = f"--include={','.join(_packages(release))}"
    first = ("debootstrap", "--foreign", "--variant=minbase", include, release, str(root), mirror())
    _step(root, *APART, *first)
    (root / "etc/dpkg/dpkg.cfg.d").mkdir(parents=True, exist_ok=True)
    (root / "etc/dpkg/dpkg.cfg.d/natfix").write_text(DPKG, encoding="utf-8")
    _step(root, *INSIDE, str(root), "/debootstrap/debootstrap", "--second-stage")
    _step(root, *INSIDE, str(root), "/bin/sh", "-e", "-c", FINISH)


def _step(root: Path, *words: str) -> None:
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive", **proxies()}
    done = subprocess.run(
        words, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, timeout=SECONDS
    )
    if done.returncode != 0:
        log = root / "debootstrap/debootstrap.log"
        more = log.read_text(errors="replace")[-3000:] if log.exists() else ""
        raise AssertionError(f"{' '.join(words)}: exit code {done.returncode}\n{done.stdout[-3000:]}\n{more}")


def _remove_unused(name: str, used: Path) -> None:
    """Remove folders of a *name* that are made of something else, unless a run of another checkout uses one."""
    for lock in _cache().glob(f"{name}-*.lock"):
        folder = lock.with_suffix("")
        if folder == used:
            continue
        with lock.open("w", encoding="utf-8") as handle, suppress(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
            lock.unlink(missing_ok=True)

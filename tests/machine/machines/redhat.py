"""A Debian machine, made as much of RHEL's kind as it can be: packages by rpm, and a stand-in for iptables-services.

What it is not: SELinux, RHEL's kernel and systemd, and its builds of iptables and Python. The interpreter's name is the same:
/usr/bin/python3.11, without python3-systemd, which RHEL has for its own python3 alone.
"""

import re
import shutil
from pathlib import Path

from tests.machine.machines.machine import Machine
from tests.netns import command

SAVED = "/etc/sysconfig/iptables"
CONFIG = "/etc/sysconfig/iptables-config"
SCRIPT = "/usr/libexec/iptables/iptables.init"
_RPM = "/opt/rpm"

# As iptables-services has it, but for the description.
UNIT = f"""\
[Unit]
Description=Stand-in for the unit of iptables-services
AssertPathExists={SAVED}
Before=network-pre.target
Wants=network-pre.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={SCRIPT} start
ExecReload={SCRIPT} reload
ExecStop={SCRIPT} stop
Environment=BOOTUP=serial
Environment=CONSOLETYPE=serial

[Install]
WantedBy=multi-user.target
"""

# What its script does with rules and files, in words of our own: start loads the file once, and what is not in it is gone; stop
# saves first where IPTABLES_SAVE_ON_STOP says so, then opens all policies and empties every table; save keeps the file that was
# there as .save. Neither modules nor sysctl settings, which are no rules, are loaded.
IPTABLES_INIT = f"""\
#!/bin/bash
data={SAVED} running=/var/lock/subsys/iptables
IPTABLES_SAVE_ON_STOP=no IPTABLES_SAVE_ON_RESTART=no IPTABLES_SAVE_COUNTER=no
[ ! -f {CONFIG} ] || . {CONFIG}
counters=
[ "$IPTABLES_SAVE_COUNTER" != yes ] || counters=-c

load() {{
    [ -f $data ] || return 6
    iptables-restore $counters --wait 600 $data
}}

start() {{
    load || {{ [ -f $data.fallback ] && iptables-restore $counters --wait 600 $data.fallback; }} || return
    mkdir -p "$(dirname $running)" && touch $running
}}

stop() {{
    for table in $(iptables-save | sed -n 's/^\\*//p'); do
        iptables-save -t $table | sed -n 's/^:\\([^ ]*\\) [A-Z].*/\\1/p' | while read -r chain; do
            iptables -t $table -P "$chain" ACCEPT
        done
        iptables -t $table -F
        iptables -t $table -X
        iptables -t $table -Z
    done
    rm -f $running
}}

save() {{
    new=$(mktemp $data.XXXXXX) && chmod 600 $new && iptables-save $counters >$new && [ -s $new ] || return 1
    [ ! -e $data ] || {{ cp -f $data $data.save && chmod 600 $data.save; }}
    mv -f $new $data && chmod 600 $data
}}

case "$1" in
start) [ -f $running ] || start ;;
stop)
    [ "$IPTABLES_SAVE_ON_STOP" != yes ] || save
    stop
    ;;
reload) [ ! -e $running ] || load ;;
restart)
    [ "$IPTABLES_SAVE_ON_RESTART" != yes ] || save
    stop
    start
    ;;
save) save ;;
*) exit 2 ;;
esac
"""


# What Debian's packages of other names give the machine: rpm knows nothing of dpkg.
_PARTS = """\
Name: parts-of-debian
Version: 1
Release: 1
Summary: What the machine has without a package that rpm knows of
License: none
BuildArch: noarch
Provides: /bin/sh
Provides: iptables-nft
Provides: python3.11

%description
%{summary}.

%files
"""
# netfilter-persistent, which also answers to the name of the other one's unit; and python3-systemd.
_ABSENT = (
    "etc/init.d/netfilter-persistent",
    "etc/systemd/system/ip6tables.service",
    "etc/systemd/system/iptables.service",
    "etc/systemd/system/multi-user.target.wants/netfilter-persistent.service",
    "usr/lib/python3/dist-packages/systemd",
    "usr/lib/systemd/system/ip6tables.service",
    "usr/lib/systemd/system/iptables.service",
    "usr/lib/systemd/system/netfilter-persistent.service",
    "usr/share/netfilter-persistent",
)


def redden(machine: Machine) -> None:
    """Make a machine that is off such a one."""
    for path in _ABSENT:
        place = machine.root / path
        if place.is_dir():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)
    # A folder of RHEL's package filesystem.
    (machine.root / "usr/share/licenses").mkdir()
    machine.put("/usr/lib/systemd/system/iptables.service", UNIT)
    machine.put(SCRIPT, IPTABLES_INIT, mode=0o755)
    machine.put(CONFIG, 'IPTABLES_SAVE_ON_STOP="no"\n')
    _bring_rpm(machine)


def rpm(machine: Machine, *words: str) -> str:
    """Run rpm in the machine; installing wants ``--force-debian``, without which Debian's rpm refuses to do it on a Debian.

    Raises:
        AssertionError: rpm refuses, or a script has failed; the message is its own.
    """
    program = ("env", f"RPM_CONFIGDIR={_RPM}/config", f"{_RPM}/ld.so", "--library-path", f"{_RPM}/lib", f"{_RPM}/rpm")
    done = machine.run(*program, "--dbpath=/var/lib/rpm", *words, seconds=120)
    told = done.stdout + done.stderr
    assert done.returncode == 0, f"{machine.name}: rpm {' '.join(words)}: exit code {done.returncode}\n{told}"
    assert "scriptlet failed" not in told, told
    return told


def parts(folder: Path) -> Path:
    """Build into *folder* a package without files that says what the machine has, so that rpm can hold others against it."""
    spec = folder / "parts.spec"
    spec.write_text(_PARTS, encoding="ascii")
    command("rpmbuild", "-bb", f"--define=_topdir {folder}", str(spec))
    (package,) = folder.glob("RPMS/noarch/*.rpm")
    return package


def _bring_rpm(machine: Machine) -> None:
    """Put this machine's rpm on the other's disk, with its libraries and settings: nobody else needs one in the images."""
    place = machine.root / _RPM.lstrip("/")
    (place / "lib").mkdir(parents=True)
    program = shutil.which("rpm")
    assert program is not None
    shutil.copyfile(program, place / "rpm")
    shutil.copytree("/usr/lib/rpm", place / "config")
    for found in re.finditer(r"(/\S+) \(0x", command("ldd", program)):
        loader = "/ld-linux" in found[1]
        copied = Path(shutil.copyfile(found[1], place / ("ld.so" if loader else f"lib/{Path(found[1]).name}")))
        copied.chmod(0o755)

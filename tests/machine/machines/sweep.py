"""What a run of tests leaves when it is killed, and how the next one removes it: names tell whose it was."""

import tempfile
from pathlib import Path

from tests.machine.machines.cgroups import hierarchies, remove_group
from tests.netns import command


def sweep() -> None:
    """Remove the disks, network namespaces and control groups of machines whose tests are dead."""
    for folder in Path(tempfile.gettempdir()).glob("natfix-machine-*-*"):
        owner = folder.name.split("-")[2]
        if not Path(f"/proc/{owner}").exists():
            _sweep_for(owner)
            remove_disk(folder)


def _sweep_for(owner: str) -> None:
    for network in Path("/run/netns").glob(f"natfix-*-{owner}-*"):
        command("ip", "netns", "delete", network.name)
    for root in hierarchies():
        for group in root.glob(f"natfix-*-{owner}-*"):
            remove_group(group)


def remove_disk(folder: Path) -> None:
    """Unmount what is mounted on a folder and below, and remove it."""
    # Lazily: whoever looks at the disk in another mount namespace must not keep it in this one.
    if folder.is_mount():
        command("umount", "--recursive", "--lazy", str(folder))
    folder.rmdir()

"""Time a correction over Ansible of three hosts at once, beside the same playbook with ansible.builtin.iptables.

The hosts are whole machines with systemd, sshd and Docker on one wire with the control host; each playbook logs in anew, to
hosts that are wrong in the same way, with Ansible's own defaults. ansible.builtin.iptables is told both rules, deletes one
and inserts the other; it neither looks for them, nor verifies, nor saves, nor can be undone. natfix does all of that, with the
safety line or without.
"""

from __future__ import annotations

import io
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.ansible.control import Control
from tests.machine.machines.fleet import control_host, manage
from tests.machine.machines.images import image
from tests.machine.machines.installed import write_layer
from tests.machine.machines.pair import CLUSTER, DockerHost
from tests.machine.machines.wire import wire

ROUNDS = 7
NUMBERS = (21, 22, 23)
BESIDE = "ansible.builtin.iptables, delete and insert"
SUBNET = "172.7.{{ ansible_host.split('.')[3] }}.0/24"
RULE = {"table": "nat", "chain": "POSTROUTING", "source": SUBNET, "out_interface": "!docker0", "jump": "MASQUERADE"}
TASKS: Mapping[str, Sequence[Mapping[str, object]]] = {
    BESIDE: [
        {"name": "Delete", "ansible.builtin.iptables": {**RULE, "state": "absent"}},
        {"name": "Insert", "ansible.builtin.iptables": {**RULE, "destination": f"!{CLUSTER}", "action": "insert"}},
    ],
    "natfix.natfix.apply, confirm: 0": [{"name": "Apply", "natfix.natfix.apply": {"confirm": 0}}],
    "natfix.natfix.apply, with the new login": [{"name": "Apply", "natfix.natfix.apply": {}}],
    "natfix.natfix.apply, nothing to do": [{"name": "Apply", "natfix.natfix.apply": {}}],
    "natfix.natfix.check": [{"name": "Check", "natfix.natfix.check": {}}],
}
# Those before which the hosts are right already.
RIGHT = {"natfix.natfix.apply, nothing to do"}
SPOIL = """
iptables -t nat -D POSTROUTING -s $1 ! -d $2 ! -o docker0 -j MASQUERADE 2>/dev/null
iptables -t nat -C POSTROUTING -s $1 ! -o docker0 -j MASQUERADE 2>/dev/null ||
    iptables -t nat -I POSTROUTING -s $1 ! -o docker0 -j MASQUERADE
rm -rf /etc/iptables/rules.v4 /var/lib/natfix
"""


@contextmanager
def fleet() -> Iterator[tuple[Control, list[DockerHost]]]:
    """Boot three hosts with natfix, and a control host."""
    with ExitStack() as stack:
        layer = write_layer(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        layers = [layer, stack.enter_context(image("trixie", print))]
        cable = stack.enter_context(wire())
        control = stack.enter_context(control_host(cable))
        hosts = [stack.enter_context(DockerHost(f"h{number}", number, layers, cable)) for number in NUMBERS]
        manage(control, hosts)
        for host in hosts:
            host.prepare({}, "nft")
            host.put("/etc/natfix/natfix.toml", f'cluster-cidr = ["{CLUSTER}"]\n')
            host.start()
        for host in hosts:
            host.wait()
        yield control, hosts


def timed(control: Control, hosts: Sequence[DockerHost], name: str, number: int) -> float:
    """Bring the hosts into the state that a playbook begins with, run it, and tell its seconds.

    Raises:
        SystemExit: it failed, or did not do what it is measured for.
    """
    for host in hosts:
        host.run("sh", "-c", SPOIL, "spoil", host.subnet, CLUSTER)
        if name in RIGHT:
            host.output("natfix", "apply")
    # Each run logs in by itself.
    control = control.but(ANSIBLE_SSH_CONTROL_PATH_DIR=str(control.path(f"cp{number}")), ANSIBLE_PIPELINING="false")
    path = control.playbook(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": TASKS[name]}]))
    with redirect_stdout(io.StringIO()):
        start = time.perf_counter()
        run = control.play(path)
        seconds = time.perf_counter() - start
    right = all(host.narrow in host.postrouting() and host.broad not in host.postrouting() for host in hosts)
    if run.code or right != ("check" not in name):
        sys.exit(f"{name}: {run.output}")
    return seconds


def main() -> None:
    """Measure and print."""
    taken: dict[str, list[float]] = {name: [] for name in TASKS}
    with fleet() as (control, hosts):
        for turn in range(ROUNDS + 1):
            for place, name in enumerate(TASKS):
                seconds = timed(control, hosts, name, turn * len(TASKS) + place)
                if turn:
                    taken[name].append(seconds)
    print(f"\n### A playbook on {len(NUMBERS)} hosts, median of {ROUNDS}\n")
    print("| playbook | median | fastest | slowest | ratio |\n|---|---:|---:|---:|---:|")
    beside = statistics.median(taken[BESIDE])
    for name, times in taken.items():
        middle = statistics.median(times)
        print(f"| {name} | {middle:.2f} s | {min(times):.2f} s | {max(times):.2f} s | {middle / beside:.2f} |")


if __name__ == "__main__":
    main()

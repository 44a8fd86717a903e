"""The two hosts without Docker: its rule is put in by hand, in the order of its own commands."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Final

from natfix.app.lab import CASES, HOST_A, OUTSIDE, POD_A, Hosts
from natfix.app.ports import Variant
from natfix.errors import HostError
from natfix.host.lab.commands import run, within
from natfix.host.lab.network import OUTSIDE_NAMESPACE, SIDE_A, SIDES, Side, make_pod, make_wire
from natfix.host.lab.traffic import ask_from, run_natfix_in, start_server
from natfix.report.lab import Case

_NAMESPACES: Final = {
    OUTSIDE: OUTSIDE_NAMESPACE,
    HOST_A: SIDE_A.namespace,
    POD_A: SIDE_A.pod_namespace,
}


class PlainHosts(Hosts):
    """Two hosts of which each has docker0, one pod, and Docker's rule."""

    def __init__(self, backend: Variant) -> None:
        self.backend = backend
        self.docker = ""
        self.cases = CASES

    def start_docker(self) -> None:
        """Make hosts and pods, start the servers, and put Docker's rule in.

        Raises:
            HostError: a program is missing or failed; its own words are in the message.
        """
        make_wire()
        start_server(OUTSIDE_NAMESPACE)
        for side in SIDES:
            make_pod(side)
            self._put_rule(side)
            start_server(side.pod_namespace)

    def restart_docker(self) -> None:
        """Do to the rules of host A what a start of dockerd does: its rule is taken away if it is there, and inserted on top.

        Raises:
            HostError: iptables refused.
        """
        with contextlib.suppress(HostError):
            self._change(SIDE_A, "-D")
        self._put_rule(SIDE_A)

    def run_natfix(self, words: Sequence[str]) -> tuple[int, str]:
        """Run a natfix command on host A, and return its exit code and what it printed."""
        return run_natfix_in(SIDE_A.namespace, words)

    def source_seen(self, case: Case, label: str) -> str:
        """Open a new TCP connection, and return the source address that the far end reports, or ``no answer``."""
        return ask_from(_NAMESPACES[case.sender], case.receiver.address, case.port, label)

    def server_log(self) -> Sequence[str]:
        """Return nothing: these servers keep no log."""
        return ()

    def _put_rule(self, side: Side) -> None:
        self._change(side, "-I")

    def _change(self, side: Side, how: str) -> None:
        # libnetwork/drivers/bridge/setup_ip_tables.go, since Docker 1.2.
        rule = ["-s", side.subnet, "!", "-o", "docker0", "-j", "MASQUERADE"]
        run(within(side.namespace, f"iptables-{self.backend}", "--wait", "10", "-t", "nat", how, "POSTROUTING", *rule))

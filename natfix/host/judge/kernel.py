"""Ask this host's kernel, in a namespace of its own."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from natfix.app.prove_ports import Judge, Trial
from natfix.errors import HostError
from natfix.host.programs import find, missing
from natfix.host.scratch import run_in_scratch
from natfix.packets import Packet


class KernelJudge(Judge):
    """The kernel that natfix runs on; see natfix.app.prove_ports.Judge."""

    def judge(self, trial: Trial) -> Sequence[str | None]:
        """Hold the trial in a process that has a network namespace to itself, and is gone with it."""
        program = f"{trial.backend}-restore"
        programs = {program: bool(trial.rules), "ip": True, "ipset": bool(trial.ipsets), "nft": bool(trial.native)}
        for needed in (name for name, is_needed in programs.items() if is_needed):
            if find(needed) is None:
                raise missing(needed)
        words = json.dumps(_document(trial, program))
        done = run_in_scratch(sys.executable, "-P", "-m", "natfix.host.judge.ground", data=words.encode())
        try:
            answer: Mapping[str, Any] = json.loads(done.output)
        except ValueError:
            raise HostError(f"the trial ended with exit code {done.code}: {done.complaint or 'it says nothing'}") from None
        if "problem" in answer:
            raise HostError(answer["problem"], hint=answer["hint"])
        seen: list[str | None] = answer["seen"]
        return seen


def _document(trial: Trial, program: str) -> Mapping[str, Any]:
    return {
        "program": program,
        "rules": trial.rules,
        "ipsets": trial.ipsets,
        "addresses": dict(trial.addresses),
        "native": trial.native.decode("utf-8", "surrogateescape"),
        "devices": list(trial.devices),
        "replacing": list(trial.replacing),
        "packets": [_packet(each) for each in trial.packets],
    }


def _packet(packet: Packet) -> Mapping[str, Any]:
    return {**asdict(packet), "source": str(packet.source), "destination": str(packet.destination)}

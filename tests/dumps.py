"""Rulesets that real programs write in tests: judged as a text from elsewhere, and kept when somebody asks for that.

``make dumps`` sets NATFIX_KEEP_DUMPS and runs the tests that know such programs; each then writes what it was given into
tests/data/dumps as real-*.save, where the tests of texts find it.
"""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

FOLDER = Path(__file__).parent / "data" / "dumps"
KEEP = bool(os.environ.get("NATFIX_KEEP_DUMPS"))
DUMP, FIXED = "/run/dump.save", "/run/fixed.save"
# What one run has and another has not: when it was, and what passed meanwhile.
NOISE = ((r"(?m)^(# (?:Generated|Completed).* on ).*$", r"\1Thu Jan  1 00:00:00 1970"), (r"\[\d+:\d+\]$", "[0:0]"))

# Runs a program on a host: its exit code, and what it printed.
Ask = Callable[..., tuple[int, str]]
Findings = set[tuple[str, str]]


def judged(ask: Ask, name: str, *options: str) -> Findings:
    """Take the rules of a host as a dump; check, correct and prove it there.

    Args:
        ask: runs a program on the host.
        name: of the dump; ``legacy`` in it says what loads it.
        options: what names the cluster.

    Returns:
        Each finding: the audit rule, and the rule of the dump.
    """
    script = f"iptables-save >{DUMP} && ip6tables-save >>{DUMP}"
    code, said = ask("sh", "-c", script)
    assert code == 0, said
    _keep(name, ask("cat", DUMP)[1])
    found = _checked(ask, DUMP, *options)
    code, said = ask("natfix", "apply", DUMP, "-o", FIXED, *options)
    assert code == 0, said
    assert _checked(ask, FIXED, *options).keys() == {each for each, correctable in found.items() if not correctable}
    code, said = ask("natfix", "prove", DUMP, *(["--legacy"] if "legacy" in name else []), *options, "--format=json")
    proved = json.loads(said)
    verdicts = [proof["verdict"] for table in proved["tables"] for proof in table["proofs"]]
    assert (code, proved["holds"], set(verdicts)) == (0, True, {"agrees"}), said
    return set(found)


def _checked(ask: Ask, path: str, *options: str) -> dict[tuple[str, str], bool]:
    """Check a dump; for each finding, whether natfix corrects it by itself."""
    code, said = ask("natfix", "check", path, *options, "--format=json")
    findings = [each for table in json.loads(said)["tables"] for each in table["findings"]]
    assert code == bool(findings), said
    return {(each["id"], each["rule"]["text"]): each["correctable"] for each in findings}


def _keep(name: str, text: str) -> None:
    if KEEP:
        for pattern, calm in NOISE:
            text = re.sub(pattern, calm, text, flags=re.MULTILINE)
        (FOLDER / f"real-{name}.save").write_text(text)

"""Rulesets that real programs write in tests: judged as a text from elsewhere, and kept when somebody asks for that.

``make dumps`` sets NATFIX_KEEP_DUMPS and runs the tests that know such programs; each then writes what it was given into
tests/data/dumps as real-*.save, or into tests/data/nft as real-*.json, where the tests of texts find it.
"""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

FOLDER = Path(__file__).parent / "data" / "dumps"
KEEP = bool(os.environ.get("NATFIX_KEEP_DUMPS"))
LISTINGS = Path(__file__).parent / "data" / "nft"
DUMP, FIXED, LISTING = "/run/dump.save", "/run/fixed.save", "/run/ruleset.json"
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
    _proved(ask, DUMP, *(["--legacy"] if "legacy" in name else []), *options)
    return set(found)


def listed(ask: Ask, name: str, *options: str) -> Findings:
    """Take nft's own tables of a host as a listing; check it, and prove what natfix says of it beside iptables' own text.

    Args:
        ask: runs a program on the host.
        name: of the listing.
        options: what names the cluster.

    Returns:
        Each finding, as judged gives them.
    """
    script = f"nft -j list ruleset >{LISTING} && iptables-save >{DUMP} && ip6tables-save >>{DUMP}"
    code, said = ask("sh", "-c", script)
    assert code == 0, said
    _keep_listing(name, ask("cat", LISTING)[1])
    found = _checked(ask, LISTING, *options)
    assert not any(found.values())
    _proved(ask, LISTING, DUMP, *options)
    return set(found)


def _proved(ask: Ask, *words: str) -> None:
    code, said = ask("natfix", "prove", *words, "--format=json")
    proved = json.loads(said)
    verdicts = [proof["verdict"] for table in proved["tables"] for proof in table["proofs"]]
    assert (code, proved["holds"], set(verdicts)) == (0, True, {"agrees"}), said


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


def _keep_listing(name: str, text: str) -> None:
    if KEEP:
        objects = [each for each in json.loads(text)["nftables"] if not _is_iptables(each)]
        lines = ",\n".join(map(json.dumps, objects))
        calm = re.sub(r'"(packets|bytes)": \d+', r'"\1": 0', f'{{"nftables": [\n{lines}\n]}}\n')
        (LISTINGS / f"real-{name}.json").write_text(calm)


def _is_iptables(each: dict[str, dict[str, str]]) -> bool:
    ((kind, value),) = each.items()
    table = value.get("name") if kind == "table" else value.get("table")
    return value.get("family") in {"ip", "ip6"} and table in {"raw", "mangle", "nat", "filter", "security"}

"""natfix/report/verification.py: which peers answer, and as whom they see this host."""

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from natfix.report.lines import plain
from natfix.report.verification import PeerAnswer, Verification, verification_document, verification_lines

SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "schemas" / "verification-1.json").read_text())
OWN = "172.7.21.1"
GOOD = PeerAnswer("172.7.22.0/24", "10.4.7.22", "172.7.22.1", 0.42, OWN, "peer", OWN)
HIDDEN = replace(GOOD, seen="10.4.7.21", witness="conntrack")
SILENT = replace(GOOD, milliseconds=None, seen=None, witness="", note="it is not on\n  the link")
UNTOLD = replace(GOOD, seen=None, witness="")


def shown(*answers: PeerAnswer) -> list[str]:
    return plain(verification_lines(Verification((OWN,), answers))).splitlines()[1:]


@pytest.mark.parametrize(
    ("answer", "right", "words"),
    [
        (GOOD, True, "0.4 ms, seen as 172.7.21.1 (the peer says)"),
        (HIDDEN, False, "0.4 ms, seen as 10.4.7.21 (by this host's conntrack), not 172.7.21.1"),
        (UNTOLD, True, "0.4 ms, seen as nobody tells whom"),
        (SILENT, False, "no answer from 172.7.22.1"),
    ],
)
def test_each_peer_is_told_with_what_is_known(answer: PeerAnswer, words: str, *, right: bool) -> None:
    assert answer.right is right
    assert shown(answer)[0] == f"172.7.22.0/24  10.4.7.22        {words}"


def test_the_whole_is_told_at_the_end() -> None:
    assert shown() == ["there are no peers"]
    assert shown(GOOD)[-1] == "every peer answers, and nobody sees another address"
    assert shown(GOOD, SILENT)[-2:] == ["    it is not on the link", "1 of 2 peers do not answer, or see another address"]
    assert plain(verification_lines(Verification((OWN, "fd00::1"), ()))).startswith("tried from 172.7.21.1 and fd00::1\n")


def test_the_document_is_as_its_schema_says() -> None:
    document = verification_document(Verification((OWN,), (GOOD, HIDDEN, SILENT, UNTOLD)))
    jsonschema.validate(document, SCHEMA)
    assert (document["right"], [peer["right"] for peer in document["peers"]]) == (False, [True, False, False, True])
    assert [peer["witness"] for peer in document["peers"]] == ["peer", "conntrack", None, None]

"""The command line as a test sees it: words in, exit code and what was printed out."""

import io
import sys
from collections.abc import Callable
from typing import NamedTuple

import pytest

from natfix.cli.main import main

BROAD = "-s 172.7.21.0/24 ! -o docker0 -j MASQUERADE"
CORRECTED = "-s 172.7.21.0/24 ! -d 172.7.0.0/16 ! -o docker0 -j MASQUERADE"
CIDR = ("--cluster-cidr", "172.7.0.0/16")


def dump(*specs: str) -> bytes:
    """A text with these rules in POSTROUTING."""
    return "\n".join(
        ["*nat", ":POSTROUTING ACCEPT [0:0]", *(f"-A POSTROUTING {spec}" for spec in specs), "COMMIT", ""]
    ).encode()


class Ended(NamedTuple):
    """How the program ended."""

    code: int
    output: str
    complaint: str


Program = Callable[..., Ended]


@pytest.fixture
def natfix(capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Program:
    """Run natfix in this process, with *stdin* as its standard input."""

    def run(*words: str, stdin: bytes = b"") -> Ended:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as caught:
            main(list(words))
        output, complaint = capfdbinary.readouterr()
        code = caught.value.code
        assert isinstance(code, int)
        return Ended(code, output.decode(), complaint.decode())

    return run

"""natfix/ruleset/render.py: what comes back is what went in."""

from pathlib import Path

import pytest

from natfix.ruleset import parse, render

DUMPS = Path(__file__).resolve().parents[2] / "data" / "dumps"
ACCEPTED = sorted(path for path in DUMPS.glob("*.save") if "incompatible" not in path.name)


def test_there_are_dumps() -> None:
    assert len(ACCEPTED) > 15


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: path.stem)
def test_a_dump_comes_back_byte_for_byte(path: Path) -> None:
    data = path.read_bytes()
    assert render(parse(data, path.name)) == data


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: path.stem)
def test_a_dump_comes_back_byte_for_byte_with_crlf_and_without_its_last_newline(path: Path) -> None:
    data = path.read_bytes().replace(b"\n", b"\r\n")
    for text in (data, data.rstrip(b"\r\n"), data.rstrip(b"\n")):
        assert render(parse(text, path.name)) == text


def test_bytes_that_are_not_utf_8_come_back() -> None:
    data = b'*nat\n:X - [0:0]\n-A X -m comment --comment "\xff\xc3\xed\xa0\x80" -j RETURN\nCOMMIT\n'
    assert render(parse(data, "x")) == data

"""Files of natfix collect on the command line, among other sources and alone."""

import json
from pathlib import Path

import pytest

from tests.unit.app.collecting import collected, written
from tests.unit.cli.program import BROAD, CIDR, Program, dump


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "web1.natfix").write_bytes(written(collected()))
    (tmp_path / "old.save").write_bytes(dump(BROAD))
    return tmp_path


def test_a_file_is_known_by_what_it_says_whatever_it_is_called(natfix: Program, folder: Path) -> None:
    data = (folder / "web1.natfix").read_bytes()
    named, piped = natfix("check", str(folder / "web1.natfix")), natfix("check", "-", stdin=data)
    assert (named.code, piped.code) == (1, 1)
    assert named.output.replace(str(folder / "web1.natfix"), "standard input") == piped.output
    assert "cluster 172.7.0.0/16 (from --cluster-cidr)" in named.output


def test_hosts_and_texts_are_checked_together(natfix: Program, folder: Path) -> None:
    sources = [str(folder / name) for name in ("web1.natfix", "old.save")]
    ended = natfix("check", *sources, *CIDR, "--format", "json")
    document = json.loads(ended.output)
    assert ended.code == 1
    assert [table["source"].removeprefix(f"{folder}/") for table in document["tables"]] == [
        "web1.natfix: iptables-nft",
        "web1.natfix: ip6tables-nft",
        "web1.natfix: table ip mine (nft)",
        "old.save",
    ]
    (kind,) = (each for each in document["kinds"] if each["id"] == "NAT001")
    assert kind["sources"] >= 2


def test_one_that_is_cut_off_stops_no_other_and_is_named_with_the_place(natfix: Program, folder: Path) -> None:
    (folder / "cut.natfix").write_bytes((folder / "web1.natfix").read_bytes()[:200])
    ended = natfix("check", str(folder / "cut.natfix"), str(folder / "web1.natfix"), "--format", "json")
    assert ended.code == 2
    (unread,) = json.loads(ended.output)["unread"]
    assert (unread["source"], unread["line"]) == (str(folder / "cut.natfix"), 1)
    assert unread["problem"].startswith("this is no JSON: ")


def test_a_packet_is_followed_through_one_host_at_a_time(natfix: Program, folder: Path) -> None:
    ends, name = ("172.7.21.2", "172.7.99.2"), str(folder / "web1.natfix")
    followed = natfix("trace", *ends, name, "-o", "eth0")
    assert (followed.code, followed.complaint) == (0, "")
    assert followed.output.rstrip().splitlines()[-1].startswith("rewritten: the far side sees ")
    both = natfix("trace", *ends, name, str(folder / "old.save"))
    assert (both.code, both.output) == (2, "")
    assert both.complaint == f"natfix: {name} tells of a whole host, so it is followed alone\n  Name one source.\n"


def test_a_file_cannot_be_corrected(natfix: Program, folder: Path) -> None:
    ended = natfix("apply", str(folder / "web1.natfix"), "-o", str(folder / "new"), *CIDR)
    assert (ended.code, ended.output) == (2, "")
    assert "tells of a host and cannot change it\n  Run natfix apply on the host itself." in ended.complaint
    assert not (folder / "new").exists()


@pytest.mark.parametrize("name", ["web1.natfix", "dump.json"])
def test_what_is_called_so_or_is_json_and_is_neither_is_refused(natfix: Program, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text('{"schema": 1, "tables": []}')
    ended = natfix("check", str(tmp_path / name), *CIDR)
    assert (ended.code, ended.output) == (2, "")
    assert str(tmp_path / name) in ended.complaint

"""natfix/report/github.py: what a check found, as annotations."""

import re

import pytest

from natfix.report.github import github_text
from natfix.report.model import CheckResult
from tests.unit.report.results import NESTED, TEXT, crowd, dropped, fleet, looked_at, result, shielded, simple

COMMAND = re.compile(r"::(error|warning|notice) ([^:\r\n]*)::([^\r\n]*)")


def commands(held: CheckResult) -> list[tuple[str, dict[str, str], str]]:
    """What GitHub's runner reads: level, properties, message (actions/runner, src/Runner.Common/ActionCommand.cs)."""
    found = []
    for line in github_text(held).splitlines():
        match = COMMAND.fullmatch(line)
        assert match is not None, line
        pairs = (each.partition("=") for each in match[2].split(","))
        found.append((match[1], {name: meant(value) for name, _, value in pairs}, meant(match[3])))
    return found


def meant(text: str) -> str:
    for written, char in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(written, char)
    return text


@pytest.mark.parametrize("held", [looked_at(TEXT), looked_at(NESTED), crowd(3), result(live=True), dropped()])
def test_every_line_is_a_command(held: CheckResult) -> None:
    assert len(commands(held)) == len(held.findings) + len(held.unread) + len(held.notes)


def test_a_finding_stands_beside_its_line() -> None:
    ((level, properties, message),) = commands(looked_at(simple()))
    assert level == "error"
    assert properties == {"file": "dump.save", "line": "3", "title": "NAT001 over-broad-masquerade"}
    assert message.splitlines() == [
        "-A POSTROUTING -s 172.7.21.0/24 ! -o docker0 -j MASQUERADE",
        "hides the addresses of 172.7.21.0/24 from the rest of the cluster",
        "packet tcp 172.7.21.2:40000 -> 172.7.22.2:80 out eth0",
        "cure: natfix apply excludes the cluster from it",
    ]


def test_what_would_end_a_command_or_a_property_is_escaped() -> None:
    text = simple('-s 172.7.21.0/24 -m comment --comment "100%: a,b\r::error::x\x1b\udcff" -j MASQUERADE')
    held = looked_at(text, "a:b,c%.save")
    (line,) = github_text(held).splitlines()
    assert line.startswith("::error file=a%3Ab%2Cc%25.save,line=3,title=NAT001 over-broad-masquerade::")
    ((_, properties, message),) = commands(held)
    assert properties["file"] == "a:b,c%.save"
    assert '"100%: a,b' in message
    assert "\x1b" not in line


def test_a_file_whose_name_ends_a_line_does_not() -> None:
    assert len(github_text(looked_at(simple(), "a\nb\r.save")).splitlines()) == 1


def test_a_rule_of_a_host_is_named_in_words() -> None:
    level, properties, message = commands(shielded())[0]
    assert (level, "file" in properties, "line" in properties) == ("notice", False, False)
    assert message.startswith("iptables-nft, nat POSTROUTING, rule 1\n")


def test_a_possible_finding_says_so_and_severities_have_levels() -> None:
    told = commands(looked_at(TEXT))
    assert {level for level, _, _ in told} == {"error", "warning"}
    assert any("\npossibly: " in message for _, _, message in told)


def test_what_could_not_be_read_stands_beside_its_place() -> None:
    level, properties, message = commands(crowd(1))[0]
    assert (level, properties["file"], properties["line"]) == ("error", "broken,1.save", "3")
    assert int(properties["col"]) > 1
    assert message


def test_a_finding_on_a_host_that_a_file_tells_of_stands_beside_that_file() -> None:
    _, (level, properties, message), *_ = commands(fleet(24))
    assert (level, properties["file"], "line" in properties) == ("error", "host001.example.net.natfix", False)
    assert message.splitlines()[0] == "host001.example.net.natfix: iptables-nft, nat POSTROUTING, rule 1"

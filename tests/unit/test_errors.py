"""natfix/errors.py: the tree, its exit codes, and texts that point at the place."""

import inspect
import re

import pytest

from natfix import errors
from natfix.errors import NatfixError, RulesetSyntaxError, UsageError

TREE: dict[str, type[NatfixError]] = dict(inspect.getmembers(errors, inspect.isclass))
DRAWN = re.findall(r"^ +[│├└─ ]*(\w+Error) +(\d+)  ", errors.__doc__ or "", re.MULTILINE)


def test_the_tree_in_the_docstring_names_every_error_with_its_exit_code() -> None:
    assert {name: int(code) for name, code in DRAWN} == {name: each.exit_code for name, each in TREE.items()}


def test_every_error_is_a_natfix_error() -> None:
    assert all(issubclass(each, NatfixError) for each in TREE.values())


def test_no_two_branches_share_an_exit_code_of_their_own() -> None:
    own = [each.exit_code for each in TREE.values() if "exit_code" in vars(each)]
    assert sorted(own) == [2, 3, 4, 5, 6]


def test_no_error_ends_like_success_or_findings_or_a_defect_or_an_interrupt() -> None:
    taken = {errors.EXIT_OK, errors.EXIT_FOUND, errors.EXIT_DEFECT, errors.EXIT_INTERRUPTED}
    assert taken == {0, 1, 70, 130}
    assert taken.isdisjoint(each.exit_code for each in TREE.values())


def test_an_error_shows_its_hint_on_a_line_of_its_own() -> None:
    error = UsageError("no such file: x", hint="Name one that is there.")
    assert str(error) == "no such file: x\n  Name one that is there."
    assert (error.message, error.hint) == ("no such file: x", "Name one that is there.")


def test_an_error_without_a_hint_is_its_message() -> None:
    assert str(UsageError("no such file: x")) == "no such file: x"


def test_a_syntax_error_points_at_the_place() -> None:
    error = RulesetSyntaxError("odd", source="rules.v4", line=7, column=4, text="-A POSTROUTING", hint="Look.")
    assert str(error) == "rules.v4, line 7, column 4: odd\n    -A POSTROUTING\n       ^\n  Look."
    assert (error.problem, error.source, error.line, error.column) == ("odd", "rules.v4", 7, 4)


def test_a_tab_takes_one_column() -> None:
    error = RulesetSyntaxError("odd", source="x", line=1, column=3, text="\t\tz")
    assert str(error).endswith("\n      z\n      ^")


@pytest.mark.parametrize("char", ["\x1b", "\0", "\r", "\x85", "\u2028", "\udcff"])
def test_what_a_terminal_would_act_on_or_cannot_show_is_replaced(char: str) -> None:
    error = RulesetSyntaxError(f"odd {char}", source=f"a{char}b", line=1, column=3, text=f"a{char}b")
    text = str(error)
    assert char not in text
    assert text.encode("utf-8").decode("utf-8") == "a\ufffdb, line 1, column 3: odd \ufffd\n    a\ufffdb\n      ^"


@pytest.mark.parametrize("column", [1, 99, 100, 101, 500, 999, 1000, 1001])
def test_of_a_long_line_the_part_around_the_place_is_shown(column: int) -> None:
    text = "".join(chr(ord("a") + place % 26) for place in range(1000))
    error = RulesetSyntaxError("odd", source="x", line=1, column=column, text=text)
    _, shown, caret = str(error).splitlines()
    assert len(shown) <= 4 + 1 + errors.SHOWN_COLUMNS
    place = caret.index("^")
    assert shown[place : place + 1] == text[column - 1 : column]


def test_a_line_of_the_longest_shown_length_is_shown_whole() -> None:
    text = "x" * errors.SHOWN_COLUMNS
    shown = str(RulesetSyntaxError("odd", source="x", line=1, column=200, text=text)).splitlines()[1]
    assert shown == "    " + text


def test_no_error_carries_what_a_terminal_acts_on_or_no_file_can_hold() -> None:
    error = NatfixError("one\x1b[2J\ntwo\udc80", hint="three\x07\u2028")
    assert (
        str(error) == "one\N{REPLACEMENT CHARACTER}[2J\ntwo\N{REPLACEMENT CHARACTER}\n  three" + 2 * "\N{REPLACEMENT CHARACTER}"
    )
    assert str(error).encode()

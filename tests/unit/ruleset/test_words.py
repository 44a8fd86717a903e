"""natfix/ruleset/words.py: cutting a rule as iptables-restore does."""

import pytest

from natfix.ruleset.words import Word, WordError, split_words


def texts(line: str) -> list[str]:
    return [word.text for word in split_words(line)]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", []),
        ("   ", []),
        ("-s 10.0.0.0/8  -j ACCEPT ", ["-s", "10.0.0.0/8", "-j", "ACCEPT"]),
        ("-s\t10.0.0.0/8\t\t-j ACCEPT", ["-s", "10.0.0.0/8", "-j", "ACCEPT"]),
        ('--comment "two words" -j X', ["--comment", "two words", "-j", "X"]),
        (r'--comment "a \"b\" *nat COMMIT"', ["--comment", 'a "b" *nat COMMIT']),
        (r'"it\'s a \\ here"', ["it's a \\ here"]),
        (r"out\side \"", None),
        (r"out\side", [r"out\side"]),
        ('""', [""]),
        ('"" ""', ["", ""]),
        ('a"b c"', ["ab c"]),
        ('"a"b', ["a", "b"]),
        ('a"b"c"d"', ["ab", "cd"]),
        ('"tab\there"', ["tab\there"]),
        ("été\u00a0x", ["été\u00a0x"]),
    ],
)
def test_a_line_is_cut_as_iptables_restore_cuts_it(line: str, words: list[str] | None) -> None:
    if words is None:
        with pytest.raises(WordError):
            split_words(line)
    else:
        assert texts(line) == words


def test_a_word_knows_its_place_with_its_quotes() -> None:
    assert split_words('-m  "a b" x') == (
        Word("-m", 0, 2),
        Word("a b", 4, 9, quoted=True),
        Word("x", 10, 11),
    )


def test_places_are_the_same_with_and_without_quotes_in_the_line() -> None:
    plain = split_words("  -s  1.2.3.4 -j X")
    assert plain == split_words('  -s  1.2.3.4 -j X "y"')[:-1]


def test_cutting_starts_where_it_is_told() -> None:
    assert split_words("-A X -j Y", 5) == (Word("-j", 5, 7), Word("Y", 8, 9))
    assert split_words('-A X "Y"', 5) == (Word("Y", 5, 8, quoted=True),)


@pytest.mark.parametrize(("line", "column"), [('-m "x', 3), (r'-m "x\"', 3), ('a "b" c"', 7), ('"x\\', 0)])
def test_a_quote_that_is_never_closed_is_pointed_at(line: str, column: int) -> None:
    with pytest.raises(WordError, match="a quote is opened here and never closed") as caught:
        split_words(line)
    assert caught.value.column == column

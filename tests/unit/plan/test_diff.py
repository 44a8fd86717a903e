"""natfix/plan/diff.py: changes as unified diffs."""

from natfix.plan.diff import ruleset_diff, text_diff
from tests.unit.audit.subjects import BROAD, CORRECTED, ruleset


def test_a_file_that_changes_shows_the_lines_that_do() -> None:
    assert text_diff(b"a\nb\n", b"a\nc\n", "/etc/x") == ("--- /etc/x", "+++ /etc/x", "@@ -1,2 +1,2 @@", " a", "-b", "+c")


def test_a_file_that_is_not_there_is_dev_null() -> None:
    assert text_diff(None, b"a\n", "/etc/x") == ("--- /dev/null", "+++ /etc/x", "@@ -0,0 +1 @@", "+a")
    assert text_diff(b"a", None, "/etc/x") == ("--- /etc/x", "+++ /dev/null", "@@ -1 +0,0 @@", "-a")


def test_equal_texts_have_no_diff_and_line_endings_do_not_count() -> None:
    assert text_diff(b"a\r\nb\r\n", b"a\nb\n", "x") == ()


def test_only_a_newline_ends_a_line() -> None:
    before = "-m comment --comment a\u2028b\n".encode()
    assert text_diff(before, None, "x")[3:] == ("--m comment --comment a\u2028b",)


def test_rulesets_differ_by_rules_and_not_by_counters() -> None:
    before = ruleset("-j ACCEPT", BROAD, chains={"A": ["-j RETURN"]})
    diff = ruleset_diff(before, ruleset("-j ACCEPT", CORRECTED, chains={"A": ["-j RETURN"]}))
    assert diff[0] == "--- rules.v4"
    assert diff[3:] == (
        " -A POSTROUTING -j ACCEPT",
        f"--A POSTROUTING {BROAD}",
        f"+-A POSTROUTING {CORRECTED}",
        " -A A -j RETURN",
    )
    assert ruleset_diff(before, before) == ()

"""natfix/report/lines.py: lines with a meaning."""

from natfix.report.lines import Line, diff_lines, plain, shown


def test_plain_text_is_the_lines_each_with_its_end() -> None:
    assert plain([Line("a", "bad"), Line(), Line("\udcff")]) == "a\n\n\udcff\n"
    assert plain([]) == ""


def test_what_a_terminal_acts_on_is_not_shown_and_all_else_is() -> None:
    assert shown("a\x1b[2J\x07\x7f\x9bb") == "a\ufffd[2J\ufffd\ufffd\ufffdb"
    assert shown("tab\tü\udcff…") == "tab\tü\udcff…"


def test_lines_of_a_diff_have_their_meaning() -> None:
    diff = ["--- a", "+++ b", "@@ -1 +1 @@", " same", "-gone", "+\x1bnew"]
    assert [line.style for line in diff_lines(diff)] == ["dim", "dim", "dim", "", "removed", "added"]
    assert [line.text for line in diff_lines(diff)] == [*diff[:-1], "+\ufffdnew"]

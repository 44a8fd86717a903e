"""natfix/report/markup.py: pieces of a page."""

from natfix.report.markup import badge, code, grid, prose, shown, told


def test_a_text_means_itself() -> None:
    assert shown('<b>"a" & b</b>\n\x1b\udcff') == "&lt;b&gt;&quot;a&quot; &amp; b&lt;/b&gt;\n\ufffd\ufffd"
    assert code("<i>") == "<code>&lt;i&gt;</code>"


def test_lists_in_the_words_of_an_audit_rule_are_lists() -> None:
    words = "Ways out;\nno more:\n- one, and\n  the rest of it\n- <two>\nThen look again."
    assert list(prose("Say `natfix <x>`.")) == ["<p>Say <code>natfix &lt;x&gt;</code>.</p>"]
    assert "\n".join(prose(words)) == (
        "<p>Ways out; no more:</p>\n<ul><li>one, and the rest of it</li><li>&lt;two&gt;</li></ul>\n<p>Then look again.</p>"
    )


def test_a_table_names_each_cell_for_a_narrow_window() -> None:
    text = "\n".join(grid("<All>", ("where", "what"), [("<a>x</a>", "<b>y</b>")]))
    assert "<caption>&lt;All&gt;</caption>" in text
    assert '<th scope="col">where</th><th scope="col">what</th>' in text
    assert '<tr><th scope="row"><a>x</a></th><td data-name="what"><b>y</b></td></tr>' in text


def test_a_severity_has_its_colour_and_a_fact_its_name() -> None:
    assert badge("high") == '<span class="badge high">high</span>'
    assert list(told("cure", "<p>x</p>")) == ["<dt>cure</dt><dd><p>x</p></dd>"]

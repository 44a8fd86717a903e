"""The HTML report as people see it: in a real browser, light and dark, wide and narrow."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from natfix.report.style import DARK, LIGHT
from natfix.report.svg import WIDTH
from tests.browser.devtools import Tab, View, chromium

CIDR = "172.7.0.0/16"
VIEWS = [View(scheme, width) for scheme in ("light", "dark") for width in (1280, 390)]
PALETTES = {"light": LIGHT, "dark": DARK}

# Docker beside kube-proxy and a CNI plugin, whose chains lead to one another, and words that are hard to show.
DUMP = f"""\
*nat
:PREROUTING ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:KUBE-POSTROUTING - [0:0]
:CNI-0123456789abcdef01234567 - [0:0]
:INNER - [0:0]
-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-A POSTROUTING -s 172.7.21.0/24 -m comment --comment "name: <b>{"x" * 120}</b> &amp; more" -j CNI-0123456789abcdef01234567
-A POSTROUTING -s 172.7.21.0/24 ! -o docker0 -j MASQUERADE
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MASQUERADE --random-fully
-A CNI-0123456789abcdef01234567 -d 10.88.0.0/16 -j ACCEPT
-A CNI-0123456789abcdef01234567 -j INNER
-A INNER ! -d 224.0.0.0/4 -j MASQUERADE
COMMIT
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of a host, and of some with the same fault, beside one that cannot be read; as natfix itself writes it."""
    folder = tmp_path_factory.mktemp("report")
    (folder / "host.save").write_text(DUMP)
    (folder / f"broken-{'x' * 100}.save").write_text("this is no dump\n")
    for number in range(5):
        (folder / f"other{number}.save").write_text(DUMP.replace("172.7.21", f"172.7.{number}"))
    made = folder / "report.html"
    sources = sorted(map(str, folder.glob("*.save")))
    command = [sys.executable, "-m", "natfix", "check", *sources, "--cluster-cidr", CIDR, "--output", f"html={made}"]
    assert subprocess.run(command, check=False, capture_output=True, timeout=120).returncode == 2
    return made


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with chromium(tmp_path_factory.mktemp("chromium")) as tab:
        yield tab


@pytest.fixture(params=VIEWS, ids=lambda view: f"{view.scheme}-{view.width}")
def view(request: pytest.FixtureRequest, browser: Tab, page: Path) -> View:
    """The page, opened in each way."""
    seen: View = request.param
    browser.show(page, seen)
    return seen


def colour(written: str) -> tuple[int, int, int]:
    """``#rrggbb`` as numbers."""
    return int(written[1:3], 16), int(written[3:5], 16), int(written[5:7], 16)


def computed(browser: Tab, selector: str, name: str) -> tuple[int, ...]:
    """A colour of the first element that *selector* names, as the browser shows it."""
    text = browser.run(f"getComputedStyle(document.querySelector({selector!r}))[{name!r}]")
    return tuple(int(each) for each in text[text.index("(") + 1 : -1].split(","))


def test_it_opens_without_complaints_and_asks_for_nothing(browser: Tab, page: Path, view: View) -> None:
    complaints = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded", "Network.loadingFailed")
    assert browser.told(*complaints) == []
    asked = {each["request"]["url"] for each in browser.told("Network.requestWillBeSent")}
    assert {url for url in asked if not url.startswith("data:")} == {page.as_uri()}


def test_it_has_the_colours_of_the_readers_system(browser: Tab, view: View) -> None:
    palette = PALETTES[view.scheme]
    assert computed(browser, "body", "backgroundColor") == colour(palette["page"])
    assert computed(browser, "body", "color") == colour(palette["text"])
    assert computed(browser, "svg .way.bad", "stroke") == colour(palette["bad"])


def test_nothing_is_wider_than_the_window(browser: Tab, view: View) -> None:
    assert browser.run("document.documentElement.scrollWidth") <= view.width
    wide = """[...document.querySelectorAll("main *, header *, footer *")]
        .filter(each => each.getBoundingClientRect().width)
        .filter(each => each.getBoundingClientRect().right > innerWidth + 0.5 || each.getBoundingClientRect().left < -0.5)
        .filter(each => !each.closest("thead"))
        .map(each => each.tagName + " " + each.getAttribute("class"))"""
    assert browser.run(wide) == []


def test_every_word_is_large_enough_to_read(browser: Tab, view: View) -> None:
    words = browser.run("""Math.min(...[...document.querySelectorAll("p, td, th, dd, dt, pre, code, li, figcaption")]
        .map(each => parseFloat(getComputedStyle(each).fontSize)))""")
    assert words >= 12
    narrowest = browser.run(
        """Math.min(...[...document.querySelectorAll("svg")].map(each => each.getBoundingClientRect().width))"""
    )
    assert 11 * narrowest / WIDTH >= 10


def test_no_words_of_a_picture_leave_it_or_lie_on_others(browser: Tab, view: View) -> None:
    boxes = browser.run("""[...document.querySelectorAll("svg")].map(svg => [svg, ...svg.querySelectorAll("text")]
        .map(each => { const box = each.getBoundingClientRect(); return [box.left, box.top, box.right, box.bottom] }))""")
    assert boxes
    for (left, top, right, bottom), *words in boxes:
        for box in words:
            assert left <= box[0] < box[2] <= right
            assert top <= box[1] < box[3] <= bottom
        for number, one in enumerate(words):
            assert not any(_overlap(one, other) for other in words[number + 1 :])


def _overlap(one: list[float], other: list[float]) -> bool:
    """Whether two boxes share more than the air between lines."""
    shared = min(one[3], other[3]) - max(one[1], other[1])
    return min(one[2], other[2]) - max(one[0], other[0]) > 1 and shared > 0.4 * (one[3] - one[1])


def test_the_picture_shows_the_packets_way_through_the_chains_to_the_rule(browser: Tab, view: View) -> None:
    shown = browser.run("""(() => {
        const svg = [...document.querySelectorAll("svg")]
            .find(each => each.querySelector(".row.culprit") && each.querySelectorAll(".dot").length == 5)
        svg.scrollIntoView()
        const box = each => (({left, top, right, bottom}) => [left, top, right, bottom])(each.getBoundingClientRect())
        const dots = [...svg.querySelectorAll(".dot")]
        const middle = each => [(each[0] + each[2]) / 2, (each[1] + each[3]) / 2]
        const top = each => document.elementFromPoint(...middle(box(each))) === each
        return {
            words: [...svg.querySelectorAll(".taken")].map(each => each.textContent).join(" ").replace(/ +/g, " "),
            told: svg.querySelector("desc").textContent,
            dots: dots.map(box), row: box(svg.querySelector(".row.culprit")), end: box(svg.querySelector(".end.bad")),
            seen: dots.map(top), length: svg.querySelector(".way").getTotalLength(), page: [scrollX, scrollY],
        }})()""")
    assert shown["seen"] == [True] * 5
    assert [one[3] < other[3] for one, other in pairwise(shown["dots"])] == [True] * 4
    # Into kube-proxy's chain and out of it again, then into two chains, one in the other.
    lefts = [one[0] for one in shown["dots"]]
    assert lefts[0] == lefts[2] < lefts[1] == lefts[3] < lefts[4]
    assert shown["row"][1] < shown["dots"][-1][1] < shown["row"][3]
    assert shown["row"][3] < shown["end"][1]
    assert shown["length"] > 100
    for words in (
        "-m mark ! --mark 0x4000/0x4000 -j RETURN",
        "-j CNI-0123456789abcdef01234567",
        "-j INNER",
        "! -d 224.0.0.0/4 -j MASQUERADE",
    ):
        assert words in shown["words"]
    assert "It matches rule 1 of INNER: ! -d 224.0.0.0/4 -j MASQUERADE." in shown["told"]
    left, top, right, bottom = shown["dots"][-1]
    across, down = shown["page"]
    painted = browser.picture(left + across, top + down, right - left, bottom - top)
    middle = painted[len(painted) // 2][len(painted[0]) // 2]
    assert middle == colour(PALETTES[view.scheme]["bad"])


def test_the_screenshot_is_not_blank(browser: Tab, view: View) -> None:
    painted = browser.picture(0, 0, view.width, 200)
    palette = PALETTES[view.scheme]
    seen = {pixel for row in painted for pixel in row}
    assert {colour(palette["page"]), colour(palette["bad-fill"])} <= seen
    assert len(seen) > 20


def test_before_and_after_stand_side_by_side_where_there_is_room(browser: Tab, view: View) -> None:
    tops = browser.run("""[...document.querySelectorAll(".pictures")].filter(each => each.children.length == 2)
        .map(each => [...each.children].map(figure => figure.getBoundingClientRect().top))""")
    assert tops
    assert all((before == after) == (view.width > 1000) for before, after in tops)
    ends = browser.run("""[...document.querySelectorAll(".pictures")].map(each => [...each.querySelectorAll(".end")].map(end =>
        end.getAttribute("class")))""")
    assert ["end bad", "end good"] in ends


def test_a_screen_reader_hears_headings_in_order_and_every_picture_in_words(browser: Tab, page: Path) -> None:
    browser.show(page, VIEWS[0])
    nodes = browser.ask("Accessibility.getFullAXTree")["nodes"]
    heard = [(each["role"]["value"], each.get("name", {}).get("value", "")) for each in nodes if not each["ignored"]]
    pictures = [name for role, name in heard if role in {"image", "img", "graphics-document"}]
    assert len(pictures) == browser.run('document.querySelectorAll("svg").length')
    assert all("the way of tcp 172.7." in name for name in pictures)
    levels = browser.run('[...document.querySelectorAll("h1, h2, h3")].map(each => Number(each.tagName[1]))')
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    roles = {role for role, _ in heard}
    assert {"main", "banner", "contentinfo", "heading", "article", "table", "columnheader", "rowheader"} <= roles

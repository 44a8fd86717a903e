"""The site of the documents as people see it: in a real browser, wide and narrow, from a server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser.devtools import ADDRESS, Tab, View, chromium
from tests.site import build, copied

VIEWS = [View("dark", 1280), View("light", 390)]
# The front page with its picture, the longest tables, the widest blocks, and a page below the top.
PAGES = ("index", "troubleshooting", "commands", "compared", "routing", "fleet", "verdicts", "rules/NAT001")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    folder = copied(tmp_path_factory.mktemp("site"))
    done = build(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    with chromium(tmp_path_factory.mktemp("chromium"), served=folder / "build" / "site") as tab:
        yield tab


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: f"{view.scheme}-{view.width}")
@pytest.mark.parametrize("page", PAGES)
def test_a_page_opens_without_complaints_asks_nobody_else_and_fits(browser: Tab, page: str, view: View) -> None:
    browser.show(f"{ADDRESS}/{page}.html", view)
    dark = browser.run("document.body.getAttribute('data-md-color-scheme')") == "slate"
    assert dark == (view.scheme == "dark")
    complaints = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded", "Network.loadingFailed")
    assert browser.told(*complaints) == []
    asked = {each["request"]["url"] for each in browser.told("Network.requestWillBeSent")}
    assert {url for url in asked if not url.startswith((f"{ADDRESS}/", "data:", "blob:"))} == set()
    # 304: the browser asks anew for what it has from the page before.
    answers = {each["response"]["url"]: each["response"]["status"] for each in browser.told("Network.responseReceived")}
    assert {url: status for url, status in answers.items() if status not in {200, 304}} == {}
    assert browser.run("document.documentElement.scrollWidth") <= view.width
    # A wide table or block has a bar of its own; everything else is no wider than the window.
    wide = """[...document.querySelectorAll("article h1, article h2, article p, article li, article img, article pre")]
        .filter(each => each.getBoundingClientRect().width && !each.closest("table"))
        .filter(each => each.getBoundingClientRect().right > innerWidth + 0.5 || each.getBoundingClientRect().left < -0.5)
        .map(each => each.outerHTML.slice(0, 80))"""
    assert browser.run(wide) == []
    assert browser.run(BROKEN) == []
    # A picture is shown so large that its smallest letters, of 11.5 of its own pixels, can be read.
    shown = browser.run("""[...document.querySelectorAll("article img")].map(each => each.clientWidth / each.naturalWidth)""")
    assert all(11.5 * scale >= 8 for scale in shown)


# What is hard to read: a table's head without words, thin headings, a word of a command that is cut in a table, lines of a
# terminal that leave their block.
BROKEN = """(() => {
    const seen = each => each.getBoundingClientRect().height > 0
    const lines = each => [...each.getClientRects()].length
    const empty = [...document.querySelectorAll("article thead")].filter(each => seen(each) && !each.textContent.trim())
    const heads = [...document.querySelectorAll("article h1, article h2")]
    const thin = heads.filter(each => getComputedStyle(each).fontWeight < 400)
    const cut = [...document.querySelectorAll("article table code")].filter(each => {
        const word = document.createRange()
        return [...each.textContent.matchAll(/[^ ]+/g)].some(found => {
            if (each.childNodes.length != 1 || each.firstChild.nodeType != 3) return false
            word.setStart(each.firstChild, found.index)
            word.setEnd(each.firstChild, found.index + found[0].length)
            return !/[-/]/.test(found[0]) && lines(word) > 1
        })
    })
    const wide = [...document.querySelectorAll("article .language-console code, article p > code, article li > code")]
        .filter(each => Math.max(...[...each.getClientRects()].map(box => box.right)) > innerWidth + 0.5)
    return [...empty, ...thin, ...cut, ...wide].map(each => each.outerHTML.slice(0, 100))
})()"""


# Waits in the page until something is there that a function of the search's own tree gives.
WAIT = """new Promise(done => {
    const until = Date.now() + 50000;
    const tree = () => [...document.querySelectorAll("*")].map(each => each.shadowRoot).find(each => each);
    const look = () => {
        const found = tree() && (SOUGHT)(tree());
        found || Date.now() > until ? done(found || "") : setTimeout(look, 50);
    };
    look();
})"""


def test_the_search_finds_a_symptom(browser: Tab) -> None:
    browser.show(f"{ADDRESS}/index.html", View("light", 1280))
    field = """tree => {
        window.opened || document.querySelector(".md-search__button").click();
        window.opened = true;
        const field = tree.querySelector("input");
        field && field.focus();
        return field && tree.activeElement === field && "ready";
    }"""
    assert browser.run(WAIT.replace("SOUGHT", field)) == "ready"
    browser.ask("Input.insertText", text="vpn")
    # What was typed before the index was there is typed again.
    hit = """tree => {
        tree.querySelector("input").dispatchEvent(new InputEvent("input", {bubbles: true, composed: true}));
        return [...tree.querySelectorAll("a")].map(each => each.href).find(each => each.includes("troubleshooting.html"));
    }"""
    assert "troubleshooting.html" in browser.run(WAIT.replace("SOUGHT", hit))

"""The site of the documents: built strictly, without a dead link, and without anything from elsewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest
import yaml

from tests.site import ROOT, build, copied

# Where the reader may go by a click of his own: the program that made the site names itself.
ELSEWHERE = {"https://zensical.org/"}


class Page(HTMLParser):
    """What a page names: links, what it loads, and places that can be linked to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.places: set[str] = set()
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.places |= {value for key, value in attrs if key in {"id", "name"} and value}
        if tag == "a" and named.get("href"):
            self.links.append(str(named["href"]))
        elif tag == "link" and named.get("rel") not in {"canonical", "next", "prev"}:
            self.loaded.append(named.get("href") or "")
        elif named.get("src"):
            self.loaded.append(str(named["src"]))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copied(tmp_path_factory.mktemp("site"))
    done = build(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "build" / "site"


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    # 404.html is shown at any address, so what it names begins at the top of the server.
    return {path: Page(path) for path in site.rglob("*.html") if path.name != "404.html"}


def test_every_page_is_in_the_navigation() -> None:
    def named(part: object) -> Iterator[str]:
        if isinstance(part, str):
            yield part
        else:
            assert isinstance(part, list | dict)
            for each in part if isinstance(part, list) else part.values():
                yield from named(each)

    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    assert sorted(named(settings["nav"])) == sorted(path.name for path in (ROOT / "docs").glob("*.md"))


def test_every_link_leads_somewhere_and_to_a_place_that_is_there(site: Path, pages: dict[Path, Page]) -> None:
    dead = []
    for path, page in pages.items():
        for link in page.links:
            address, place = urldefrag(link)
            if address in ELSEWHERE:
                continue
            target = (path.parent / unquote(address)).resolve() if address else path
            target = target / "index.html" if target.is_dir() else target
            right = target.is_relative_to(site) and target.is_file()
            if not right or (place and target in pages and unquote(place) not in pages[target].places):
                dead.append(f"{path.relative_to(site)}: {link}")
    assert dead == []


def test_nothing_is_loaded_from_elsewhere(site: Path, pages: dict[Path, Page]) -> None:
    for path, page in pages.items():
        for loaded in page.loaded:
            assert (path.parent / urldefrag(loaded)[0]).is_file(), f"{path.relative_to(site)} loads {loaded}"
    for sheet in site.rglob("*.css"):
        assert re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", sheet.read_text()) == []


def test_every_page_can_be_searched(site: Path, pages: dict[Path, Page]) -> None:
    found = {item["location"].partition("#")[0] for item in json.loads((site / "search.json").read_text())["items"]}
    assert {str(path.relative_to(site)) for path in pages} <= {"index.html", *found}


def test_a_page_for_each_document_and_each_audit_rule(site: Path) -> None:
    made = {path.relative_to(site).with_suffix(".md") for path in site.rglob("*.html")} - {Path("404.md")}
    assert made == {path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")}


def test_no_list_and_no_table_is_read_as_a_paragraph(pages: dict[Path, Page]) -> None:
    prose = {path: re.sub(r"<pre.*?</pre>", "", path.read_text(), flags=re.DOTALL) for path in pages}
    assert [
        path.name for path, text in prose.items() if re.search(r"<p>(?:(?!</p>).)*?\n(?:- |\d+\. |\|)", text, re.DOTALL)
    ] == []


def test_a_dead_link_ends_the_build(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    (folder / "docs" / "limits.md").write_text("# Limits\n\n[gone](nowhere.md)\n")
    done = build(folder)
    assert done.returncode != 0
    assert "nowhere.md" in re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)

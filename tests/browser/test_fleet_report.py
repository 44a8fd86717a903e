"""The HTML report of a thousand hosts as people see it: one file that is small, folded, and leads from a fault to its hosts."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import ip_interface
from pathlib import Path

import pytest

from natfix.app.collected import Collected
from natfix.app.ports import Interface
from natfix.host.memory.files import MemorySavedRulesets
from natfix.host.memory.filtering import MemoryFilters
from natfix.host.memory.ipsets import MemoryIpSets
from natfix.host.memory.kernel_state import MemoryKernelState
from natfix.host.memory.network import MemoryLinks
from natfix.host.memory.nft import MemoryNftListing
from natfix.host.memory.rulesets import MemoryRulesetStore
from tests.browser.devtools import Tab, View, chromium
from tests.unit.app.collecting import collected, written
from tests.unit.app.twins import ETH0, NFT4, nat

HOSTS = 1000
UNREAD = 4
CIDR = "172.16.0.0/12"
VIEWS = [View(scheme, width) for scheme in ("light", "dark") for width in (1280, 390)]


def rules(number: int) -> list[str]:
    """Those of one host: every third is right, every fourth of the others has a network of its own that is wrong."""
    net = f"172.{16 + number // 250}.{number % 250}"
    right = f"-s {net}.0/24 ! -d {CIDR} ! -o docker0 -j MASQUERADE"
    if not number % 3:
        return [right]
    if not number % 4:
        return [right, f"-s {net}.128/25 ! -o br-{number:012x} -j MASQUERADE"]
    return [f"-s {net}.0/24 ! -o docker0 -j MASQUERADE"]


def host(number: int) -> Collected:
    """What natfix collect gathers of it."""
    store = MemoryRulesetStore(NFT4, nat(*rules(number)))
    net = f"172.{16 + number // 250}.{number % 250}"
    docker0 = Interface("docker0", "bridge", (ip_interface(f"{net}.1/24"),))
    network = Interface(f"br-{number:012x}", "bridge", (ip_interface(f"{net}.129/25"),))
    return collected(
        stores=lambda: (store,),
        filters=MemoryFilters({}),
        native=MemoryNftListing(),
        ipsets=MemoryIpSets(None),
        links=MemoryLinks((docker0, network, ETH0), ()),
        kernel=MemoryKernelState(),
        saved=MemorySavedRulesets({}),
    )


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a thousand hosts, of which a few broke off, and what natfix itself tells of them."""
    folder = tmp_path_factory.mktemp("fleet")
    for number in range(HOSTS):
        data = written(host(number))
        broken = number >= HOSTS - UNREAD
        (folder / f"web{number:04}.example.net.natfix").write_bytes(data[:-1] if broken else data)
    outputs = [word for form in ("html", "sarif", "json") for word in ("--output", f"{form}={folder}/report.{form}")]
    sources = sorted(path.name for path in folder.glob("*.natfix"))
    command = [sys.executable, "-m", "natfix", "check", *sources, "--cluster-cidr", CIDR, *outputs]
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2, done.stderr
    assert f"{UNREAD} sources could not be read" in done.stdout
    return folder


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with chromium(tmp_path_factory.mktemp("chromium")) as tab:
        yield tab


@pytest.fixture(params=VIEWS, ids=lambda view: f"{view.scheme}-{view.width}")
def view(request: pytest.FixtureRequest, browser: Tab, fleet: Path) -> View:
    """The page, opened in each way."""
    seen: View = request.param
    browser.show(fleet / "report.html", seen)
    return seen


def test_it_opens_without_complaints_and_asks_for_nothing(browser: Tab, fleet: Path, view: View) -> None:
    complaints = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded", "Network.loadingFailed")
    assert browser.told(*complaints) == []
    asked = {each["request"]["url"] for each in browser.told("Network.requestWillBeSent")}
    assert {url for url in asked if not url.startswith("data:")} == {(fleet / "report.html").as_uri()}
    assert (fleet / "report.html").stat().st_size < 600_000


def test_folded_and_unfolded_it_fits_the_window(browser: Tab, view: View) -> None:
    assert browser.run("document.documentElement.scrollHeight") < (4000 if view.width > 1000 else 7000)
    assert browser.run("document.documentElement.scrollWidth") <= view.width
    browser.run("document.querySelectorAll('details').forEach(each => { each.open = true })")
    wide = """[...document.querySelectorAll("main *")]
        .filter(each => each.getBoundingClientRect().width && !each.closest("thead"))
        .filter(each => each.getBoundingClientRect().right > innerWidth + 0.5 || each.getBoundingClientRect().left < -0.5)
        .map(each => each.outerHTML.slice(0, 80))"""
    assert browser.run(wide) == []


def test_one_picture_pair_stands_for_all_hosts_with_one_fault(browser: Tab, view: View) -> None:
    told = browser.run("""[...document.querySelectorAll("article")].map(each => [
        each.querySelector("h3").textContent, each.querySelector("pre").textContent, each.querySelectorAll("svg").length])""")
    found = [number for number in range(HOSTS - UNREAD) if number % 3]
    own = len([number for number in found if not number % 4])
    assert told == [
        [
            f"{len(found) - own} sources, {len(found) - own} findings",
            "-A POSTROUTING -s <network> ! -o docker0 -j MASQUERADE",
            2,
        ],
        [f"{own} sources, {own} findings", "-A POSTROUTING -s <network> ! -o br-<id> -j MASQUERADE", 2],
    ]


def test_what_could_not_be_read_comes_first(browser: Tab, view: View) -> None:
    headings = browser.run('[...document.querySelectorAll("h2")].map(each => each.textContent)')
    assert headings[0] == "Could not be read"
    assert browser.run('document.querySelector("main summary").textContent').startswith(f"{UNREAD} sources: ")


def test_a_link_to_a_host_unfolds_the_list_that_holds_it_and_leads_back_to_its_fault(browser: Tab, view: View) -> None:
    shown = """(() => {
        const list = [...document.querySelectorAll("article details")][0]
        list.open = true
        const link = [...list.querySelectorAll("a")].find(each => each.textContent.startsWith("web0701"))
        link.click()
        return new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => {
            const aim = document.querySelector(":target")
            const box = aim.getBoundingClientRect()
            const row = aim.closest("tr")
            done([aim.textContent, box.height > 0 && box.top >= 0 && box.bottom <= innerHeight, row.lastChild.textContent,
                document.querySelector(row.querySelector("a").getAttribute("href")).tagName])
        })))
    })()"""
    assert browser.run(shown) == ["web0701.example.net.natfix", True, "NAT001", "ARTICLE"]


def test_the_sarif_of_the_same_check_has_a_result_for_each_host(fleet: Path) -> None:
    (run,) = json.loads((fleet / "report.sarif").read_bytes())["runs"]
    kinds = json.loads((fleet / "report.json").read_bytes())["kinds"]
    assert {kind["id"]: kind["findings"] for kind in kinds} == {"DOC004": 166, "NAT001": 498}
    cases = [each["properties"]["case"]["id"] for each in run["results"]]
    assert [cases.count(case) for case in dict.fromkeys(cases)] == [166, 498]
    assert (fleet / "report.sarif").stat().st_size < 10 * 1024 * 1024


def test_what_comes_by_standard_input_among_others_has_its_picture_too(fleet: Path, tmp_path: Path) -> None:
    names = [f"web{number:04}.example.net.natfix" for number in range(0, 36, 3)]
    made = tmp_path / "report.html"
    command = [sys.executable, "-m", "natfix", "check", "-", *names, "--cluster-cidr", CIDR, "--output", f"html={made}"]
    with (fleet / "web0001.example.net.natfix").open("rb") as host:
        done = subprocess.run(command, cwd=fleet, check=False, stdin=host, capture_output=True, timeout=60)
    assert done.returncode == 1, done.stderr
    text = made.read_text()
    assert text.count("<svg") == 2
    assert "standard input" in text

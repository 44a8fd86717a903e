"""natfix/plan/guard_listing.py: the guard read back from what nft 1.0.6 printed of it."""

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from natfix.plan.guard_listing import read_listing
from natfix.ruleset import Family
from tests.unit.audit.guards import guard

LISTING = json.loads((Path(__file__).parents[2] / "data" / "guard.json").read_text())
GUARD = guard({"docker0": ["172.7.21.0/24", "172.7.22.5"], "br-1": ["172.7.9.0/24"], "": ["172.7.40.0/24"]})
Objects = list[dict[str, Any]]


def the(objects: Objects, kind: str, name: str) -> dict[str, Any]:
    return next(each[kind] for each in objects if each.get(kind, {}).get("name") == name)


def rules(objects: Objects, chain: str) -> list[dict[str, Any]]:
    return [each["rule"] for each in objects if each.get("rule", {}).get("chain") == chain]


def test_what_nft_prints_of_a_guard_is_that_guard() -> None:
    assert read_listing(LISTING, Family.IPV4) == GUARD


def test_reading_changes_nothing_of_what_is_read() -> None:
    before = deepcopy(LISTING)
    read_listing(LISTING, Family.IPV4)
    assert before == LISTING


def test_the_counter_tells_how_many_connections_were_kept() -> None:
    listing = deepcopy(LISTING)
    rules(listing["nftables"], "guard")[-1]["expr"][0]["counter"]["packets"] = 12
    found = read_listing(listing, Family.IPV4)
    assert found
    assert found.connections == 12


@pytest.mark.parametrize(
    "alter",
    [
        lambda objects: objects.append({"rule": {"chain": "guard", "expr": [{"accept": None}]}}),
        lambda objects: objects.insert(-2, {"rule": {"chain": "guard", "expr": [{"accept": None}]}}),
        lambda objects: objects.append({"chain": {"name": "more"}}),
        lambda objects: objects.append({"rule": {"chain": "more", "expr": []}}),
        lambda objects: objects.append({"set": {"name": "more", "type": "ipv4_addr", "flags": ["interval"], "elem": []}}),
        lambda objects: objects.append({"nonsense": {}}),
        lambda objects: objects.append({}),
        lambda objects: objects.pop(),
        lambda objects: the(objects, "chain", "guard").update(prio=100),
        lambda objects: the(objects, "chain", "guard").update(policy="drop"),
        lambda objects: the(objects, "table", "natfix").update(flags=["dormant"]),
        lambda objects: the(objects, "set", "subnets").update(flags=["interval", "timeout"]),
        lambda objects: the(objects, "set", "subnets").update(type="ipv6_addr"),
        lambda objects: the(objects, "set", "subnets")["elem"].append({"range": ["172.7.50.1", "172.7.50.9"]}),
        lambda objects: the(objects, "map", "homes")["elem"].append(["eth0", {"accept": None}]),
        lambda objects: the(objects, "map", "homes")["elem"].append(["eth0", {"jump": {"target": "home-docker0"}}]),
        lambda objects: the(objects, "map", "homes").update(elem=[["lo", {"drop": None}]]),
        lambda objects: rules(objects, "home-docker0")[0].update(expr=[{"accept": None}]),
        lambda objects: rules(objects, "guard")[0].update(comment="mine"),
        lambda objects: rules(objects, "guard")[-1]["expr"][1].update(snat={"addr": "10.4.7.21"}),
    ],
)
def test_what_natfix_would_not_have_written_is_no_guard(alter: Callable[[Objects], None]) -> None:
    listing = deepcopy(LISTING)
    alter(listing["nftables"])
    assert read_listing(listing, Family.IPV4) is None


@pytest.mark.parametrize("document", [None, {}, [], {"nftables": [[]]}, {"nftables": []}])
def test_what_is_no_listing_is_no_guard(document: object) -> None:
    assert read_listing(document, Family.IPV4) is None


def test_a_listing_of_the_other_family_is_no_guard() -> None:
    assert read_listing(LISTING, Family.IPV6) is None


def test_flags_may_come_as_one_word() -> None:
    listing = deepcopy(LISTING)
    the(listing["nftables"], "set", "cluster").update(flags="interval")
    assert read_listing(listing, Family.IPV4) == GUARD

"""natfix/report/routes.py: what the leases want beside what the kernel has."""

import json
from pathlib import Path

import jsonschema

from natfix.report.lines import plain
from natfix.report.routes import PeerRoutes, RoutesReport, routes_document, routes_lines

SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "schemas" / "routes-1.json").read_text())
ROUTE = "route 172.7.22.0/24 via 10.4.7.22 dev eth0"
RIGHT = PeerRoutes("172.7.22.0/24", "10.4.7.22", "right", (ROUTE,))
FAR = PeerRoutes("172.7.33.0/24", "10.9.9.33", "unreachable", (), ("it is not on the link\n  choose another device",))
MISSING = PeerRoutes("172.7.23.0/24", "10.4.7.23", "missing", ("route 172.7.23.0/24 via 10.4.7.23 dev eth0",), ("not there",))
STALE = PeerRoutes("172.7.40.0/24", "", "stale", notes=("no lease wants: it",))


def report(*peers: PeerRoutes) -> RoutesReport:
    return RoutesReport("172.7.21.0/24", "172.7.0.0/16", "host-gw", peers)


def test_what_is_right_is_shown_with_its_entries() -> None:
    assert plain(routes_lines(report(RIGHT, FAR))).splitlines() == [
        "172.7.21.0/24 of 172.7.0.0/16, host-gw",
        "right        172.7.22.0/24  10.4.7.22",
        f"    {ROUTE}",
        "unreachable  172.7.33.0/24  10.9.9.33",
        "    it is not on the link",
        "    choose another device",
        "the kernel has what the leases want",
    ]
    assert report(RIGHT, FAR).right
    assert report().right


def test_what_is_wrong_is_counted_and_says_what_puts_it_right() -> None:
    wrong = report(RIGHT, MISSING, STALE)
    assert not wrong.right
    assert plain(routes_lines(wrong)).splitlines()[3:] == [
        "missing      172.7.23.0/24  10.4.7.23",
        "    route 172.7.23.0/24 via 10.4.7.23 dev eth0",
        "    not there",
        "stale        172.7.40.0/24",
        "    no lease wants: it",
        "2 of 3 are not as the leases want them; an agent (natfix node run) puts them right",
    ]


def test_the_document_is_as_its_schema_says() -> None:
    document = routes_document(report(RIGHT, FAR, MISSING, STALE))
    jsonschema.validate(document, SCHEMA)
    assert [peer["verdict"] for peer in document["peers"]] == ["right", "unreachable", "missing", "stale"]
    assert (document["right"], document["peers"][3]["host"]) == (False, None)

"""Results of checks for tests of the report, and the schemas they are held to."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from natfix.app.check import look_at_text, summed_up
from natfix.app.cluster import Cluster
from natfix.audit import Finding, Subject, Suppression, audit_table
from natfix.audit.guard import Guard
from natfix.audit.subject import filtering_of
from natfix.errors import RulesetSyntaxError
from natfix.host.catalogue import read_catalogue
from natfix.packets.trace import Place
from natfix.report.gathered import Unread
from natfix.report.model import CheckedTable, CheckResult, ClusterOrigin
from natfix.ruleset import Family, parse, parse_network

SCHEMAS = Path(__file__).parents[3] / "docs" / "schemas"
# Few kinds, so that what the report is tested with stays the same when the catalogue grows.
CATALOGUE = tuple(kind for kind in read_catalogue(local="/nowhere") if kind.id[:3] == "DOC" or "NAT001" <= kind.id <= "NAT007")
CLUSTER = ClusterOrigin((parse_network("172.7.0.0/16"),), "--cluster-cidr")
GUESS = ClusterOrigin((parse_network("fd00:7::/32"), parse_network("fd00:9::/32")), "routes to peer subnets", guessed=True)
BROAD = "-s 172.7.21.0/24 ! -o docker0 -j MASQUERADE"
CORRECTED = "-s 172.7.21.0/24 ! -d 172.7.0.0/16 ! -o docker0 -j MASQUERADE"

# One finding of each kind that the report treats in its own way, and words that are hard to show.
TEXT = f"""\
*nat
:POSTROUTING ACCEPT [0:0]
:CNI-1 - [0:0]
[3:180] -A POSTROUTING {BROAD}
-A POSTROUTING -s 172.7.21.0/24 -p icmp -g CNI-1
-A POSTROUTING -m set --match-set "\udcff\x1b[2J" dst -j MASQUERADE
-A POSTROUTING -s 172.7.121.0/24 ! -d 172.7.0.0/16 ! -o br-1 -j MASQUERADE
-A POSTROUTING -s 172.7.121.0/24 ! -o br-1 -j MASQUERADE
-A POSTROUTING -s 172.3.1.0/24 ! -d 172.7.0.0/16 ! -o br-2 -j MASQUERADE
-A CNI-1 -j SNAT --to-source 10.4.7.21
COMMIT
"""


def checked(*, live: bool) -> CheckedTable:
    """TEXT as a file, or as the kernel of a host with docker0 and eth0."""
    table = parse(TEXT.encode("utf-8", "surrogateescape"), "dump.save", Family.IPV4).table("nat", Family.IPV4)
    assert table is not None
    bridges = {"docker0": (parse_network("172.7.21.0/24"),), "br-1": (parse_network("172.7.121.0/24"),)} if live else {}
    devices = {"eth0": "10.4.7.21"} if live else {}
    subject = Subject(table, CLUSTER.networks, bridges, devices)
    source = "iptables-nft" if live else "dump.save"
    return CheckedTable(source, live, Family.IPV4, len(subject.rules), CLUSTER, audit_table(subject, CATALOGUE))


def result(*, live: bool = False) -> CheckResult:
    empty = CheckedTable("ip6tables-nft", live, Family.IPV6, 1, GUESS)
    return CheckResult((checked(live=live), empty), ("look twice",))


def shielded() -> CheckResult:
    """A broad rule on a host whose guard keeps its packets from it."""
    text = f"*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING {BROAD}\nCOMMIT\n"
    table = parse(text.encode(), "iptables-nft").tables[0]
    subject = Subject(table, CLUSTER.networks)
    found = audit_table(subject, CATALOGUE, Guard.of(Family.IPV4, CLUSTER.networks, subject.localities))
    return CheckResult((CheckedTable("iptables-nft", live=True, family=Family.IPV4, rules=1, cluster=CLUSTER, findings=found),))


def dropped() -> CheckResult:
    """A host whose Docker drops what others send to a container."""
    text = f"""\
*raw
:PREROUTING ACCEPT [0:0]
-A PREROUTING -d 172.7.21.2/32 ! -i docker0 -j DROP
COMMIT
*nat
:POSTROUTING ACCEPT [0:0]
-A POSTROUTING {CORRECTED}
COMMIT
"""
    ruleset = parse(text.encode(), "dump.save", Family.IPV4)
    subject = Subject(ruleset.tables[1], CLUSTER.networks, filtering=filtering_of(ruleset, Family.IPV4))
    found = audit_table(subject, CATALOGUE)
    return CheckResult((CheckedTable("dump.save", live=False, family=Family.IPV4, rules=1, cluster=CLUSTER, findings=found),))


def findings() -> dict[str, Finding]:
    """The findings by audit rule and number, as ``NAT001 1``."""
    return {f"{each.kind.id} {each.rule.number}": each for each in checked(live=False).findings}


CLUSTERS = (Cluster(CLUSTER.networks, CLUSTER.origin),)

# Chains in chains: the packet goes through two of them, and a rule in the inner one decides first.
NESTED = f"""\
*nat
:POSTROUTING ACCEPT [0:0]
:KUBE-POSTROUTING - [0:0]
:CNI-1 - [0:0]
:INNER - [0:0]
-A POSTROUTING -j KUBE-POSTROUTING
-A POSTROUTING -s 10.0.0.1/32 -j ACCEPT
-A POSTROUTING -s 172.7.21.0/24 -m comment --comment "a comment <that> is & long" -j CNI-1
-A POSTROUTING {BROAD}
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MASQUERADE
-A CNI-1 -d 10.88.0.0/16 -j ACCEPT
-A CNI-1 -g INNER
-A INNER -j SNAT --to-source 10.4.7.21
COMMIT
"""


# A rule that packets meet because another table marks them, and one that other tables keep some packets from.
MARKED = f"""\
*raw
:PREROUTING ACCEPT [0:0]
-A PREROUTING -s 172.7.21.0/24 -p udp -j CT --notrack
COMMIT
*mangle
:PREROUTING ACCEPT [0:0]
-A PREROUTING -i docker0 -p tcp -m tcp --dport 443 -j MARK --set-xmark 0x1/0xffffffff
COMMIT
*nat
:POSTROUTING ACCEPT [0:0]
-A POSTROUTING -m mark --mark 0x1 -j MASQUERADE
-A POSTROUTING {CORRECTED}
COMMIT
"""


def first() -> CheckResult:
    """A broad rule on a host where a table of nft's own rewrites the same packets before."""
    subject = Subject(parse(simple().encode(), "iptables-nft").tables[0], CLUSTER.networks)
    chain = parse(simple("-s 172.7.0.0/16 -j MASQUERADE").encode(), "nft").tables[0]
    place = Place(chain, "POSTROUTING", "table ip mine", "POSTROUTING", 90)
    found = audit_table(replace(subject, before=(place,)), CATALOGUE)
    return CheckResult((CheckedTable("iptables-nft", live=True, family=Family.IPV4, rules=1, cluster=CLUSTER, findings=found),))


def looked_at(text: str, source: str = "dump.save", *, charts: bool = True) -> CheckResult:
    """A text as a check looks at it, with pictures."""
    data = text.encode("utf-8", "surrogateescape")
    return summed_up([look_at_text(parse(data, source, Family.IPV4), CLUSTERS, CATALOGUE, charts=charts)])


def simple(spec: str = BROAD) -> str:
    """A table of one rule."""
    return f"*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING {spec}\nCOMMIT\n"


def unread() -> Unread:
    """A dump that broke off in a rule."""
    try:
        looked_at(simple('-m comment --comment "open'), "broken,1.save")
    except RulesetSyntaxError as error:
        return Unread.of("broken,1.save", error)
    raise AssertionError


def crowd(number: int) -> CheckResult:
    """So many hosts with the same fault, one without, and one that could not be read."""
    hosts = [looked_at(simple(BROAD.replace("7.21", f"7.{place}")), f"h{place}.save") for place in range(1, number + 1)]
    return summed_up([*hosts, looked_at(simple(CORRECTED), "good.save")], [unread()])


def fleet(number: int) -> CheckResult:
    """So many hosts, each told by a file of its own: every third is right, of the others every fourth wrong in another way."""
    hosts = [_host(place) for place in range(1, number + 1)]
    return replace(summed_up(hosts, [unread()]), empty=("bare.natfix",))


def _host(place: int) -> CheckResult:
    net = f"172.7.{place}"
    spec = CORRECTED if not place % 3 else BROAD.replace("docker0", "br-0123456789ab") if not place % 4 else BROAD
    file = f"host{place:03}.example.net.natfix"
    (table,) = looked_at(simple(spec.replace("172.7.21", net).replace("0123456789ab", f"{place:012x}")), "iptables-nft").tables
    return CheckResult((replace(table, source=f"{file}: iptables-nft", file=file, live=True),))


def suppressed() -> CheckResult:
    """A table of one finding that somebody decided to live with, until a day, for a reason."""
    (table,) = looked_at(simple()).tables
    decision = Suppression("NAT001", "the <old> host | goes", date(2027, 3, 31), place="natfix.toml: suppress 1")
    return CheckResult((replace(table, findings=(), charts=(), suppressed=((table.findings[0], decision),), known=2),))


def problems(document: dict[str, Any], schema: str) -> list[str]:
    """What the schema of that name has against a document, after it was written and read."""
    held = json.loads((SCHEMAS / schema).read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(held)
    written = json.dumps(document, ensure_ascii=False).encode()
    return [error.message for error in Draft202012Validator(held).iter_errors(json.loads(written))]

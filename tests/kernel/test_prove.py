"""The kernel agrees with natfix about rulesets as real programs write them, and about the examples of its own rules."""

import json
from pathlib import Path

import pytest

from natfix.app.cluster import Cluster
from natfix.app.ports import Backend, Variant
from natfix.app.prove import prove_texts
from natfix.audit import load_rule
from natfix.audit.analyses import HIDING
from natfix.audit.example import Example
from natfix.host.catalogue import packaged_rules
from natfix.host.judge.kernel import KernelJudge
from natfix.report.proof import ProofResult
from natfix.ruleset import Family, Ruleset, family_of, parse, parse_network
from tests.kernel.hosts import WRITTEN, Host, backends, docker_host, options

pytestmark = pytest.mark.kernel("ipset")

FOLDER = Path(__file__).parents[1] / "data" / "dumps"
DUMPS = sorted(path for path in FOLDER.glob("*.save") if path.name != "incompatible-nat.save")
CATALOGUE = tuple(load_rule(path.read_bytes(), str(path)) for path in sorted(packaged_rules().glob("*/*.toml")))
CLUSTERS = (
    Cluster((parse_network("10.244.0.0/16"), parse_network("172.7.0.0/16")), "the test"),
    Cluster((parse_network("fd00::/8"),), "the test"),
)
EXAMPLES = [
    pytest.param(example, id=f"{kind.id}: {example.title}")
    for kind in CATALOGUE
    for example in kind.examples
    if kind.analysis in HIDING and example.certain
]


def proved(ruleset: Ruleset, clusters: tuple[Cluster, ...], variant: Variant) -> ProofResult:
    return prove_texts([ruleset], clusters, CATALOGUE, judge=KernelJudge(), variant=variant)


def disagreements(found: ProofResult) -> list[str]:
    return [
        f"{table.source}, corrected: {table.corrected}: {proof.claim} but saw {proof.seen}"
        for table in found.tables
        for proof in table.proofs
        if proof.verdict == "disagrees"
    ]


@pytest.mark.parametrize("path", DUMPS, ids=lambda path: path.stem)
def test_the_kernel_agrees_about_a_dump(path: Path) -> None:
    variant: Variant = "legacy" if "legacy" in path.name else "nft"
    assert disagreements(proved(parse(path.read_bytes(), path.name), CLUSTERS, variant)) == []


def test_the_dumps_have_packets_to_send() -> None:
    found = proved(parse((FOLDER / "ipv4-nft.save").read_bytes(), "ipv4-nft.save"), CLUSTERS, "nft")
    assert [(table.corrected, [proof.verdict for proof in table.proofs]) for table in found.tables] == [
        (False, ["agrees"]),
        (True, ["agrees", "agrees"]),
    ]


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_kernel_agrees_about_an_example_of_a_rule(example: Example) -> None:
    family = example.family or family_of(example.cluster[0])
    ruleset = parse(example.text.encode(), "example", family)
    networks = tuple(each for each in example.cluster if family_of(each) is family)
    found = proved(ruleset, (Cluster(networks, "the example"),) if networks else (), "nft")
    assert disagreements(found) == []


@pytest.mark.parametrize("backend", backends(), ids=str)
def test_natfix_prove_asks_about_the_host_it_runs_on_and_changes_nothing(host: Host, backend: Backend) -> None:
    docker_host(host, backend)
    before = host.counted(backend), devices(host), host.files(*WRITTEN)
    document = host.natfix_json("prove", *options(backend))
    said = [(table["corrected"], [proof["said"] for proof in table["proofs"]]) for table in document["tables"]]
    assert said == [(False, ["source-nat"]), (True, ["accept"])]
    assert document["holds"]
    assert (host.counted(backend), devices(host), host.files(*WRITTEN)) == before


@pytest.mark.parametrize("variant", ["nft", "legacy"])
def test_a_dump_with_the_line_endings_of_windows_is_loaded_as_any_other(variant: Variant) -> None:
    data = (FOLDER / "ipv4-nft.save").read_bytes().replace(b"\n", b"\r\n")
    found = proved(parse(data, "dump"), CLUSTERS, variant)
    assert [proof.verdict for table in found.tables for proof in table.proofs] == ["agrees"] * 3


@pytest.mark.parametrize("variant", ["nft", "legacy"])
def test_the_kernel_gives_the_address_that_natfix_says(variant: Variant) -> None:
    rules = [
        "-s 172.7.21.0/24 -d 172.7.22.0/24 -j SNAT --to-source 10.9.9.1-10.9.9.4",
        "-s 172.7.21.0/24 -d 172.7.23.0/24 -j NETMAP --to 10.9.0.0/24",
        "-s 172.7.21.0/24 -d 172.7.24.0/24 -p tcp -j SNAT --to-source 10.9.9.9:4000-5000",
    ]
    text = "\n".join(["*nat", ":POSTROUTING ACCEPT [0:0]", *(f"-A POSTROUTING {rule}" for rule in rules), "COMMIT", ""])
    proofs = proved(parse(text.encode(), "dump"), CLUSTERS, variant).tables[0].proofs
    said = {str(proof.claim.packet.destination): (str(proof.claim.given), proof.seen) for proof in proofs if proof.claim.given}
    assert {proof.verdict for proof in proofs} == {"agrees"}
    assert said["172.7.23.2"] == ("10.9.0.2", "10.9.0.2")
    assert said["172.7.24.2"] == ("10.9.9.9", "10.9.9.9")
    named, seen = said["172.7.22.2"]
    assert (named, str(seen).startswith("10.9.9.")) == ("10.9.9.1-10.9.9.4", True)


def test_both_backends_of_a_host_put_together_are_judged_traced_and_proved(host: Host) -> None:
    nft, legacy = Backend(Family.IPV4, "nft"), Backend(Family.IPV4, "legacy")
    host.load(nft, "-A POSTROUTING -s 172.7.21.0/24 ! -o docker0 -j MASQUERADE")
    host.load(legacy, "-A POSTROUTING -s 172.7.21.0/24 ! -d 172.7.0.0/16 ! -o docker0 -j MASQUERADE")
    for order in ((nft, legacy), (legacy, nft)):
        host.write("/mnt/both.save", "".join(host.run(f"{each}-save") for each in order).encode())
        cluster = ("--cluster-cidr", "172.7.0.0/16")
        checked = host.natfix_json("check", "/mnt/both.save", *cluster, code=1)
        found = [finding["id"] for table in checked["tables"] for finding in table["findings"]]
        assert found == ["NAT001", "HOS004"]
        traced = host.natfix_json("trace", "172.7.21.2", "172.7.22.2", "/mnt/both.save", "-o", "eth0")
        assert [end["fate"] for end in traced["ends"]] == ["source-nat"]
        proved = host.natfix_json("prove", "/mnt/both.save", *cluster)
        said = [(each["backend"], each["corrected"], [one["said"] for one in each["proofs"]]) for each in proved["tables"]]
        assert said == [
            ("iptables-nft", False, ["source-nat"]),
            ("iptables-nft", True, ["accept"]),
            ("iptables-legacy", False, ["accept"]),
        ]
        assert proved["holds"]


@pytest.mark.parametrize("variant", ["nft", "legacy"])
def test_the_kernel_sees_what_opens_a_connection_as_natfix_does(variant: Variant) -> None:
    raw = "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -m conntrack --ctstate NEW,DNAT -j CT --notrack\nCOMMIT\n"
    rules = [
        "-s 172.7.21.0/24 -d 172.7.22.0/24 -m conntrack --ctstate NEW,DNAT -j SNAT --to-source 10.9.9.1",
        "-s 172.7.21.0/24 -d 172.7.23.0/24 -m conntrack --ctdir ORIGINAL -j SNAT --to-source 10.9.9.2",
        "-s 172.7.21.0/24 -d 172.7.24.0/24 -m conntrack --ctdir REPLY -j SNAT --to-source 10.9.9.3",
    ]
    nat = "\n".join(["*nat", ":POSTROUTING ACCEPT [0:0]", *(f"-A POSTROUTING {rule}" for rule in rules), "COMMIT", ""])
    proofs = proved(parse((raw + nat).encode(), "dump"), CLUSTERS, variant).tables[0].proofs
    assert {proof.verdict for proof in proofs} == {"agrees"}
    assert {str(proof.claim.packet.destination): str(proof.claim.given) for proof in proofs} == {
        "172.7.22.2": "10.9.9.1",
        "172.7.23.2": "10.9.9.2",
        "172.7.24.2": "None",
    }


def devices(host: Host) -> list[str]:
    return sorted(each["ifname"] for each in json.loads(host.run("ip", "-j", "link")))

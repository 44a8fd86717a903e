"""natfix/audit/boot.py: files that are loaded at boot."""

from dataclasses import replace
from typing import Any

import pytest

from natfix.audit import HostFacts, Subject
from natfix.audit.boot import brought_back, frozen_chains, undone_at_boot, unsaved_correction
from natfix.audit.hit import Hit
from natfix.audit.subject import subject_of
from natfix.ruleset import Family, parse, parse_network
from tests.unit.audit.subjects import BROAD, CORRECTED, subject

PATH = "/etc/iptables/rules.v4"


def text(*rules: str, chains: tuple[str, ...] = ()) -> str:
    declared = "".join(f":{chain} - [0:0]\n" for chain in chains)
    return f"*nat\n:POSTROUTING ACCEPT [0:0]\n{declared}{''.join(f'-A POSTROUTING {rule}{chr(10)}' for rule in rules)}COMMIT\n"


def read(source: str, content: str, saved: dict[str, str] | None = None, family: Family = Family.IPV4) -> Subject:
    facts = HostFacts(saved=saved or {})
    made = subject_of(parse(content.encode(), source, family), family, [parse_network("172.7.0.0/16")], facts)
    assert made is not None
    return made


FROZEN = text("-j KUBE-POSTROUTING", CORRECTED, chains=("KUBE-POSTROUTING",))


@pytest.mark.parametrize(
    "source", [PATH, "rules.v4", "/mnt/etc/sysconfig/iptables", "sysconfig/ip6tables", "/etc/iptables/rules.v6"]
)
def test_a_file_that_is_loaded_at_boot_freezes_the_chains_of_others(source: str) -> None:
    (hit,) = frozen_chains(read(source, FROZEN))
    assert hit.rule.number == 1
    assert hit.message == "brings chains back as they were when the file was saved: KUBE-POSTROUTING"


def test_three_chains_are_named() -> None:
    names = ("CNI-1", "CNI-2", "KUBE-POSTROUTING", "ts-postrouting")
    (hit,) = frozen_chains(read(PATH, text(*(f"-j {name}" for name in (*names, "CNI-1")), chains=names)))
    assert hit.message.endswith(": CNI-1, CNI-2, KUBE-POSTROUTING and 1 more")


def test_other_texts_other_chains_and_live_tables_freeze_nothing() -> None:
    assert list(frozen_chains(read("node1.save", FROZEN))) == []
    assert list(frozen_chains(read("old-rules.v4.save", FROZEN))) == []
    assert list(frozen_chains(read(PATH, text("-j SITE", CORRECTED, chains=("SITE",))))) == []
    assert list(frozen_chains(subject(CORRECTED))) == []


def test_a_file_that_names_a_host_is_not_judged() -> None:
    assert list(brought_back(read("iptables-nft", text(CORRECTED), {PATH: text("-s node1 -j MASQUERADE", BROAD)}))) == []


def test_a_file_brings_back_what_is_corrected() -> None:
    (hit,) = brought_back(read("iptables-nft", text(CORRECTED), {PATH: text(BROAD)}))
    assert (hit.rule.spec, hit.table) == (BROAD, PATH)
    assert hit.message == (
        f"hides the addresses of 172.7.21.0/24 from the rest of the cluster from the next boot on: line 3 of {PATH}"
    )


@pytest.mark.parametrize(
    "saved",
    [
        {PATH: text(CORRECTED)},
        {PATH: text(f"-m set --match-set x src {BROAD}")},
        {PATH: "*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n"},
        {PATH: "what is this"},
        {"/etc/iptables/rules.v6": text(BROAD)},
        {"/root/backup": text(BROAD)},
        {},
    ],
)
def test_a_file_that_is_right_unsure_no_ruleset_or_not_loaded_is_passed_over(saved: dict[str, str]) -> None:
    assert list(brought_back(read("iptables-nft", text(CORRECTED), saved))) == []


def test_what_is_wrong_now_is_told_of_the_running_rule_alone() -> None:
    assert list(brought_back(read("iptables-nft", text(BROAD), {PATH: text(BROAD)}))) == []


def test_a_host_that_loads_such_a_file_freezes_them_too() -> None:
    (hit,) = frozen_chains(read("iptables-nft", text(CORRECTED), {PATH: FROZEN, "/root/backup": FROZEN}))
    assert (hit.rule.spec, hit.table) == ("-j KUBE-POSTROUTING", PATH)


def test_what_the_other_backend_runs_is_not_brought_back() -> None:
    alone = read("iptables-legacy", text(CORRECTED), {PATH: text(BROAD)})
    beside = replace(alone, beside=(read("iptables-nft", text(BROAD)).table,))
    other = replace(alone, beside=(read("ip6tables-nft", "*nat\nCOMMIT\n", family=Family.IPV6).table,))
    assert [len(list(brought_back(each))) for each in (alone, beside, other)] == [1, 0, 1]


OWN = "-s 172.7.21.0/24 ! -o docker0 -j NATFIX-0011223344556677"


@pytest.mark.parametrize("rule", [CORRECTED, OWN])
@pytest.mark.parametrize("saved", [text(), text(BROAD), "*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n", ""])
def test_a_correction_that_is_not_in_the_file_is_told(rule: str, saved: str) -> None:
    running = text(rule, chains=("NATFIX-0011223344556677",))
    (hit,) = unsaved_correction(read("iptables-nft", running, {PATH: saved}))
    assert (hit.rule.spec, hit.certain, hit.table) == (rule, False, "nat")
    assert hit.message == f"spares the cluster now, and is not in {PATH}, which is loaded at boot"


@pytest.mark.parametrize(
    ("running", "saved"),
    [
        (text(CORRECTED), {PATH: text("-o tun0 -j MASQUERADE", CORRECTED)}),
        (text(CORRECTED), {}),
        (text(CORRECTED), {"/etc/iptables/rules.v6": text()}),
        (text(CORRECTED), {PATH: "what is this"}),
        (text(BROAD), {PATH: text()}),
        (text("-s 172.7.21.0/24 ! -d 172.7.0.0/24 ! -o docker0 -j MASQUERADE"), {PATH: text()}),
        (text("-s 172.7.21.0/24 ! -d 172.7.0.0/16 ! -o docker0 -j ACCEPT"), {PATH: text()}),
        (text("-s 172.7.21.0/24 ! -d 172.7.0.0/16 ! -o virbr0 -j MASQUERADE"), {PATH: text()}),
        ("*nat\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n", {PATH: text()}),
    ],
)
def test_what_is_saved_broad_somebody_elses_or_nowhere_loaded_needs_no_saving(running: str, saved: dict[str, str]) -> None:
    assert list(unsaved_correction(read("iptables-nft", running, saved))) == []


def test_without_a_cluster_nothing_is_a_correction() -> None:
    assert list(unsaved_correction(replace(read("iptables-nft", text(CORRECTED), {PATH: text()}), cluster=()))) == []


ORDER = {"docker.service": ["netfilter-persistent.service"], "netfilter-persistent.service": []}
ON = {"iptables": True, "ip-masq": True, "nftables": False}
BACK = "-s 172.7.121.0/24 ! -d 172.7.0.0/16 ! -o br-0a1b2c3d4e5f -j MASQUERADE"


def booted(content: str = "", *, path: str = PATH, **facts: Any) -> list[Hit]:  # noqa: ANN401  (JSON)
    told = {"saved": {path: content or text(CORRECTED)}, "boot": ORDER, "daemon": ON, **facts}
    made = replace(read("iptables-nft", text(CORRECTED)), facts=HostFacts.from_json(told, "x"))
    return list(undone_at_boot(made))


def test_docker_that_starts_after_the_file_is_loaded_undoes_its_correction() -> None:
    (hit,) = booted()
    assert (hit.rule.spec, hit.certain, hit.table) == (CORRECTED, False, PATH)
    assert hit.message == (
        f"stands in {PATH}; docker.service starts after netfilter-persistent.service"
        " and puts its own rule for docker0 before it"
    )


def test_iptables_services_loads_another_file() -> None:
    order = {"docker.service": ["iptables.service"], "iptables.service": []}
    assert len(booted(path="/etc/sysconfig/iptables", boot=order)) == 1
    assert booted(path="/etc/sysconfig/iptables") == []


@pytest.mark.parametrize(
    "facts",
    [
        {"boot": {}},
        {"boot": {"netfilter-persistent.service": []}},
        {"boot": {"docker.service": [], "netfilter-persistent.service": ["docker.service"]}},
        {"boot": {**ORDER, "natfix-follow.service": []}},
        {"daemon": {}},
        {"daemon": {**ON, "iptables": False}},
        {"daemon": {**ON, "nftables": True}},
        {"daemon": {**ON, "ip-masq": False}},
        {"saved": {}},
        {"saved": {PATH: text(BROAD)}},
    ],
)
def test_another_order_a_keeper_another_docker_or_nobodys_word_undoes_nothing(facts: dict[str, Any]) -> None:
    assert booted(**facts) == []


def test_a_network_of_ones_own_has_a_switch_of_its_own() -> None:
    (hit,) = booted(text(CORRECTED, BACK), daemon={**ON, "ip-masq": False})
    assert hit.rule.spec == BACK


def test_ipv6_needs_its_own_switch() -> None:
    rule = "-s fd00:7:21::/64 ! -d fd00:7::/32 ! -o docker0 -j MASQUERADE"
    path = "/etc/iptables/rules.v6"
    for daemon, found in ((ON, 0), ({**ON, "ip6tables": True}, 1)):
        facts = HostFacts.from_json({"saved": {path: text(rule)}, "boot": ORDER, "daemon": daemon}, "x")
        made = subject_of(parse(text(rule).encode(), "x", Family.IPV6), Family.IPV6, [parse_network("fd00:7::/32")], facts)
        assert made is not None
        assert len(list(undone_at_boot(made))) == found

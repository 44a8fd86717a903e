"""natfix/audit/boot.py: files that are loaded at boot."""

import pytest

from natfix.audit import HostFacts, Subject
from natfix.audit.boot import brought_back, frozen_chains
from natfix.audit.subject import subject_of
from natfix.ruleset import Family, parse, parse_network
from tests.unit.audit.subjects import BROAD, CORRECTED, subject

PATH = "/etc/iptables/rules.v4"


def text(*rules: str, chains: tuple[str, ...] = ()) -> str:
    declared = "".join(f":{chain} - [0:0]\n" for chain in chains)
    return f"*nat\n:POSTROUTING ACCEPT [0:0]\n{declared}{''.join(f'-A POSTROUTING {rule}{chr(10)}' for rule in rules)}COMMIT\n"


def read(source: str, content: str, saved: dict[str, str] | None = None) -> Subject:
    facts = HostFacts(saved=saved or {})
    made = subject_of(parse(content.encode(), source), Family.IPV4, [parse_network("172.7.0.0/16")], facts)
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

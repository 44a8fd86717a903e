"""natfix/audit/services.py: pods that kube-proxy masquerades when they call a service."""

from collections.abc import Iterable, Mapping

import pytest

from natfix.audit import Subject
from natfix.audit.analyses import all_service_calls_hidden, service_calls_hidden
from natfix.packets.ipset import parse_ipsets
from tests.unit.audit.subjects import CORRECTED, ruleset, subject_of
from tests.unit.audit.test_arrival import behind, native

POSTROUTING = "-j KUBE-POSTROUTING"
CHAINS = {
    "PREROUTING": ["-j KUBE-SERVICES"],
    "KUBE-SERVICES": ["-j KUBE-SVC-A"],
    "KUBE-MARK-MASQ": ["-j MARK --set-xmark 0x4000/0x4000"],
    "KUBE-POSTROUTING": ["-m mark --mark 0x4000/0x4000 -j MASQUERADE"],
}
CALL = '-d 10.96.0.{0}/32 -p tcp -m comment --comment "ns/{0}:http cluster IP" -m tcp --dport 80 -j KUBE-MARK-MASQ'
SERVICES = '-m comment --comment "Kubernetes service cluster ip + port for masquerade purpose" -m set --match-set '
MARKS = "marks for masquerade what 172.7.21.0/24 sends to this service"
ELSEWHERE = "! -s 10.244.0.0/16 "


def kube(chains: Mapping[str, Iterable[str]], *rules: str) -> Subject:
    return subject_of(ruleset(*(rules or (POSTROUTING, CORRECTED)), chains={**CHAINS, **chains}))


def told(subject: Subject) -> tuple[list[str], list[str]]:
    """What each analysis says."""
    analyses = service_calls_hidden, all_service_calls_hidden
    strangers, everybody = ([hit.message for hit in analysis(subject)] for analysis in analyses)
    return strangers, everybody


@pytest.mark.parametrize("chain", ["KUBE-SVC-A", "KUBE-SVL-A", "KUBE-SERVICES"])
def test_pods_that_kube_proxy_takes_for_strangers_are_named_with_whom_it_spares(chain: str) -> None:
    for exception, spared in (("! -s 10.244.0.0/16", "10.244.0.0/16"), ("! -i veth+", "what comes in by veth+")):
        (message,), everybody = told(kube({chain: [f"{exception} {CALL.format(1)}"]}))
        assert message == f"{MARKS}; only {spared} is spared, here and at other services"
        assert everybody == []


def test_whoever_calls_is_masqueraded_under_masquerade_all() -> None:
    assert told(kube({"KUBE-SVC-A": [CALL.format(1)]})) == ([], [f"{MARKS}; nobody is spared, here and at other services"])


@pytest.mark.parametrize("exception", ["! -s 172.7.0.0/16 ", "! -s 172.7.21.0/24 ", "! -i docker0 ", "! -i docker+ "])
def test_pods_whom_kube_proxy_knows_are_no_finding(exception: str) -> None:
    assert told(kube({"KUBE-SVC-A": [exception + CALL.format(1)]})) == ([], [])


def test_one_rule_is_told_for_the_services_of_a_kind() -> None:
    each = {f"KUBE-SVC-{number}": [CALL.format(number), ELSEWHERE + CALL.format(number)] for number in range(1, 9)}
    subject = kube(each)
    (strangers,), (everybody,) = service_calls_hidden(subject), all_service_calls_hidden(subject)
    assert (strangers.rule.chain, strangers.rule.number) == ("KUBE-SVC-1", 2)
    assert (everybody.rule.chain, everybody.rule.number) == ("KUBE-SVC-1", 1)
    assert strangers.certain
    assert everybody.certain


def test_a_few_services_are_looked_at_and_no_more() -> None:
    none = {f"KUBE-SVC-{number}": ["-j KUBE-SEP-A"] for number in range(20)}
    assert told(kube({**none, "KUBE-SVC-LAST": [CALL.format(1)]})) == ([], [])
    assert told(kube({"KUBE-SERVICES": [*["-j KUBE-SVC-A"] * 20, CALL.format(1)]})) == ([], [])


def test_where_no_rule_names_the_bridge_an_exception_for_a_device_may_be_the_right_one() -> None:
    rules = POSTROUTING, "-s 172.7.21.0/24 ! -d 172.7.0.0/16 -j MASQUERADE"
    assert told(kube({"KUBE-SVC-A": ["! -i veth+ " + CALL.format(1)]}, *rules)) == ([], [])
    strangers, everybody = told(kube({"KUBE-SVC-A": [ELSEWHERE + CALL.format(1)]}, *rules))
    assert (len(strangers), len(everybody)) == (1, 0)


def test_with_ipvs_it_is_possible_until_somebody_shows_the_set() -> None:
    subject = kube({"KUBE-SERVICES": [f"{SERVICES}KUBE-CLUSTER-IP dst,dst -j KUBE-MARK-MASQ"]})
    (hit,) = all_service_calls_hidden(subject)
    assert not hit.certain
    empty = parse_ipsets("create KUBE-CLUSTER-IP hash:ip,port family inet\n", "x")
    full = parse_ipsets("create KUBE-CLUSTER-IP hash:ip,port family inet\nadd KUBE-CLUSTER-IP 10.96.0.1,tcp:80\n", "x")
    for sets, found in ((empty, []), (full, [True])):
        shown = Subject(subject.table, subject.cluster, ipsets=sets)
        assert [hit.certain for hit in all_service_calls_hidden(shown)] == found


@pytest.mark.parametrize(
    "rule",
    [
        CALL.format(1).replace("cluster IP", "external IP"),
        CALL.format(1).replace("KUBE-MARK-MASQ", "KUBE-MARK-DROP"),
        "-d 10.96.0.1/32 -j KUBE-MARK-MASQ",
        f"{SERVICES}KUBE-CLUSTER-IP src,dst -j KUBE-MARK-MASQ",
    ],
)
def test_marks_for_other_calls_are_meant(rule: str) -> None:
    assert told(kube({"KUBE-SERVICES": [rule]})) == ([], [])


def test_marks_that_no_rule_waits_for_do_no_harm() -> None:
    calls = {"KUBE-SVC-A": [CALL.format(1)]}
    assert told(kube(calls, CORRECTED)) == ([], [])
    assert told(kube(calls, POSTROUTING)) == ([], [])
    # What is accepted before meets no rule that waits.
    accepted = "-s 172.7.0.0/16 -d 172.7.0.0/16 -j ACCEPT"
    assert told(kube(calls, accepted, POSTROUTING, CORRECTED)) == ([], [])
    assert told(kube({**calls, "KUBE-MARK-MASQ": []})) == ([], [])
    assert told(kube({**calls, "PREROUTING": []})) == ([], [])
    whole = subject_of(ruleset(POSTROUTING, CORRECTED, chains={**CHAINS, **calls}), ["172.7.21.0/24"])
    assert told(whole) == ([], [])


def test_a_rule_that_only_perhaps_waits_for_the_mark_is_possible() -> None:
    waiting = {"KUBE-POSTROUTING": ["-m mark --mark 0x4000/0x4000 -m statistic --mode random --probability 0.5 -j MASQUERADE"]}
    (hit,) = all_service_calls_hidden(kube({"KUBE-SVC-A": [CALL.format(1)], **waiting}))
    assert not hit.certain


def test_what_the_host_itself_sends_is_no_call_of_a_pod() -> None:
    own = CALL.format(1).replace("-d 10", "-m addrtype --src-type LOCAL -d 10")
    assert told(kube({"KUBE-SVC-A": [own]})) == ([], [])


def test_calls_that_get_their_own_address_first_are_not_hidden() -> None:
    calls, kept = {"KUBE-SVC-A": [CALL.format(1)]}, "-j SNAT --to-source 172.7.21.0-172.7.21.255"
    assert told(behind(kube(calls), native(90, kept))) == ([], [])
    (hit,) = all_service_calls_hidden(behind(kube(calls), native(90, f"-m statistic --mode nth {kept}")))
    assert not hit.certain

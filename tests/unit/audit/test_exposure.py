"""natfix/audit/exposure.py: which packets of a finding come to its rule as things stand."""

from natfix.audit import Finding, Severity, audit_table
from natfix.audit.arrival import places_of
from natfix.audit.guard import Guard
from natfix.packets import Intervals
from natfix.packets.bits import Bits
from natfix.packets.trace import Place
from natfix.ruleset import Family
from tests.unit.audit.subjects import BROAD, CORRECTED, kind, subject
from tests.unit.audit.test_arrival import behind, mangle, native, table

KINDS = [kind("over-broad-source-nat"), kind("host-wide-source-nat")]
MARKED = "-m mark --mark 0x1 -j MASQUERADE"
SPARED = "-m mark --mark 0x1 -j ACCEPT"
ALL = "-s 172.7.21.0/24 -j MARK --set-xmark 0x1/0xffffffff"
SOME = "-p tcp -m tcp --dport 443 -j MARK --set-xmark 0x1/0xffffffff"
PERHAPS = "-m recent --rcheck --name seen --rsource -j MARK --set-xmark 0x1/0xffffffff"


def found(*rules: str, places: tuple[Place, ...] = (), guard: Guard | None = None) -> tuple[Finding, ...]:
    return audit_table(behind(subject(*rules), *places), KINDS, guard)


def raw(rule: str) -> tuple[Place, ...]:
    return places_of([table("raw", "PREROUTING", rule)])


def test_packets_whose_connection_nobody_tracks_meet_no_rule() -> None:
    (finding,) = found(BROAD, places=raw("-s 172.7.21.0/24 -j CT --notrack"))
    assert (finding.severity, finding.shielded_by) == (Severity.INFO, "rule 1 of PREROUTING in raw (iptables-nft)")
    assert "harmless now: rule 1 of PREROUTING in raw (iptables-nft) ends the tracking" in finding.message


def test_a_finding_is_about_those_that_are_left() -> None:
    (finding,) = found(BROAD, places=raw("-p udp -j NOTRACK"))
    assert (finding.severity, finding.shielded_by, finding.partial) == (Severity.HIGH, "", True)
    assert all(17 not in packets.protocol for packets in finding.packets)


def test_what_only_may_be_kept_from_a_rule_counts_as_coming() -> None:
    (finding,) = found(BROAD, places=raw("-m recent --rcheck --name seen --rsource -j CT --notrack"))
    assert (finding.severity, finding.shielded_by, finding.certain, finding.partial) == (Severity.HIGH, "", True, False)


def test_a_rule_that_only_marked_packets_meet_is_found_by_what_marks_them() -> None:
    assert found(MARKED, CORRECTED) == ()
    (finding,) = found(MARKED, CORRECTED, places=(mangle(SOME),))
    assert (finding.rule.number, finding.certain, finding.partial) == (1, True, True)
    assert [str(each) for each in finding.marked] == ["rule 1 of PREROUTING in mangle (iptables-nft)"]
    assert finding.message.endswith("as rule 1 of PREROUTING in mangle (iptables-nft) marks them")
    assert [(each.mark, each.destination_port) for each in finding.packets] == [(Bits(), Intervals.single(443))]


def test_natfix_corrects_no_rule_that_another_table_makes_a_fault() -> None:
    correcting = kind("over-broad-source-nat", "exclude-cluster")
    looked = behind(subject("-s 172.7.21.0/24 -m mark --mark 0x1 -j MASQUERADE"), mangle(ALL))
    (finding,) = audit_table(looked, [correcting])
    assert (finding.certain, finding.correctable) == (True, False)


def test_what_only_may_be_marked_is_only_possible() -> None:
    (finding,) = found(MARKED, CORRECTED, places=(mangle(PERHAPS),))
    assert (finding.certain, finding.unknown) == (False, ("-m recent --rcheck --name seen --rsource",))


def test_marked_in_several_ways_is_one_finding() -> None:
    (finding,) = found(MARKED, CORRECTED, places=(mangle(SOME, "-p udp -j MARK --set-xmark 0x1/0xffffffff"),))
    assert {tuple(each.protocol.ranges) for each in finding.packets} == {((6, 6),), ((17, 17),)}
    assert [each.rule.number for each in finding.marked] == [1, 2]


def test_what_is_marked_and_lost_is_no_finding() -> None:
    assert found(MARKED, CORRECTED, places=(*raw("-j CT --notrack"), mangle(ALL))) == ()
    assert found(MARKED, CORRECTED, places=(mangle(ALL, "-j DROP"),)) == ()


def test_a_mark_can_spare_packets() -> None:
    (finding,) = found(SPARED, BROAD, places=(mangle(ALL),))
    assert (finding.severity, finding.shielded_by) == (Severity.INFO, "rule 1 of PREROUTING in mangle (iptables-nft)")
    assert finding.message.endswith("marks them, and what has this mark does not come to this rule")
    (finding,) = found(SPARED, BROAD, places=(mangle(SOME),))
    assert (finding.severity, finding.partial) == (Severity.HIGH, True)


def test_a_mark_that_does_not_matter_changes_nothing() -> None:
    (alone,), (beside,) = found(BROAD), found(BROAD, places=(mangle(ALL),))
    assert (alone.packets, alone.certain) == (beside.packets, beside.certain)
    assert beside.correctable is alone.correctable


def test_a_mark_that_may_spare_packets_spares_none() -> None:
    (finding,) = found(SPARED, BROAD, places=(mangle(PERHAPS),))
    assert (finding.shielded_by, finding.certain, finding.partial) == ("", True, False)


def test_a_rule_behind_another_one_of_its_table_is_found_whatever_marks_packets() -> None:
    first, second = found(BROAD, "-s 172.7.21.0/24 -o eth0 -j MASQUERADE", places=(mangle(ALL),))
    assert (first.behind, second.behind) == (None, first.rule)
    assert not second.shielded_by


def test_a_table_that_rewrites_before_is_told() -> None:
    (finding,) = found(BROAD, places=(native(90, "-j MASQUERADE"),))
    assert str(finding.first) == "rule 1 of POSTROUTING in table ip own"
    (finding,) = found(BROAD, places=(native(90, "-p tcp -j MASQUERADE"),))
    assert finding.first is None, "it rewrites only some of them"
    (finding,) = found(BROAD, places=(native(90, "-m recent --rcheck --name seen --rsource -j MASQUERADE"),))
    assert finding.first is None, "it only may"
    (finding,) = found(MARKED, CORRECTED, places=(mangle(ALL), native(90, "-j MASQUERADE")))
    assert str(finding.first) == "rule 1 of POSTROUTING in table ip own"


def test_the_guard_asks_for_the_mark_that_packets_have_by_then() -> None:
    looked = subject(BROAD)
    guard = Guard.of(Family.IPV4, looked.cluster, looked.localities)
    (finding,) = found(BROAD, places=(mangle(ALL),), guard=guard)
    assert finding.shielded_by == "nft table ip natfix"
    wanted = "-s 172.7.21.0/24 -j MARK --set-xmark 0x4000/0x4000"
    (finding,) = found(BROAD, places=(mangle(wanted),), guard=guard)
    assert finding.shielded_by == "", "it leaves what kube-proxy wants to be masqueraded"
    (finding,) = found("-m mark --mark 0x1 -j MASQUERADE", CORRECTED, places=(mangle(ALL),), guard=guard)
    assert (finding.shielded_by, [each.mark for each in finding.packets]) == ("nft table ip natfix", [Bits()])


def test_the_guard_shields_what_may_be_marked_and_what_is_not_alike() -> None:
    looked = subject(BROAD)
    guard = Guard.of(Family.IPV4, looked.cluster, looked.localities)
    (finding,) = found(BROAD, places=(mangle(PERHAPS),), guard=guard)
    assert finding.shielded_by == "nft table ip natfix"


def test_what_ends_the_tracking_is_named_whatever_marks_packets_afterwards() -> None:
    (finding,) = found(BROAD, places=(*raw("-s 172.7.21.0/24 -j NOTRACK"), mangle(ALL)))
    assert finding.shielded_by == "rule 1 of PREROUTING in raw (iptables-nft)"


def test_what_may_have_any_mark_by_then_may_come_to_a_rule_or_not() -> None:
    places = (mangle("-j HMARK --hmark-tuple src --hmark-mod 4 --hmark-rnd 0x1"),)
    (finding,) = found(SPARED, BROAD, places=places)
    assert (finding.severity, finding.certain, finding.unknown) == (Severity.HIGH, False, ("--mark 0x1",))
    (finding,) = found(BROAD, places=places)
    assert (finding.certain, finding.unknown) == (True, ()), "it asks for no mark"

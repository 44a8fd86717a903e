"""natfix/report/text.py: what a check found, for people."""

from dataclasses import replace

from natfix.app.check import summed_up
from natfix.report.lines import plain
from natfix.report.model import EACH, CheckResult
from natfix.report.text import FORMS, check_lines, cluster_lines, count, finding_lines, place_of
from natfix.ruleset import Rule
from tests.unit.report.results import (
    CLUSTER,
    CORRECTED,
    GUESS,
    MARKED,
    checked,
    crowd,
    dropped,
    findings,
    first,
    fleet,
    looked_at,
    result,
    shielded,
    simple,
    unread,
)


def shown(name: str) -> list[str]:
    return plain(finding_lines(findings()[name])).split("\n")


def test_a_finding_shows_rule_packet_way_source_and_cure() -> None:
    assert shown("NAT001 1") == [
        "NAT001 high over-broad-masquerade: nat POSTROUTING, rule 1",
        "    -A POSTROUTING -s 172.7.21.0/24 ! -o docker0 -j MASQUERADE",
        "  hides the addresses of 172.7.21.0/24 from the rest of the cluster",
        "  packet   tcp 172.7.21.2:40000 -> 172.7.22.2:80 out eth0",
        "  way      POSTROUTING rule 1 -j MASQUERADE",
        "  source   172.7.21.2 becomes the address of eth0",
        "  cure     natfix apply excludes the cluster from it",
        "",
    ]


def test_the_way_shows_every_jump() -> None:
    assert "  way      POSTROUTING rule 2 -g CNI-1 -> CNI-1 rule 1 -j SNAT" in shown("NAT002 1")


def test_a_rule_that_stands_behind_another_names_it() -> None:
    assert "  behind   rule 1 of POSTROUTING, which comes first as long as it stands" in shown("NAT002 1")


def test_a_rule_beside_its_corrected_form_is_deleted() -> None:
    assert "  cure     natfix apply deletes it" in shown("NAT003 5")


def test_a_possible_finding_says_what_it_depends_on_and_shows_no_controls() -> None:
    lines = shown("NAT006 3")
    assert lines[0] == "NAT006 high (possible) host-wide-source-nat: nat POSTROUTING, rule 3"
    assert '  depends  on what natfix cannot evaluate: -m set --match-set "\udcff\ufffd[2J" dst' in lines
    assert "\x1b" not in "".join(lines)


def test_what_natfix_does_not_correct_is_cured_by_a_person() -> None:
    lines = shown("NAT005 6")
    assert lines[-3].startswith("  cure     Write the rule again with the cluster's CIDR, aligned to its prefix, ")
    assert [line for line in lines if line.startswith("     ")] == [
        "           the cluster CIDR it works with and where it comes from.",
    ]


def test_a_cure_is_not_promised_for_what_is_only_possible() -> None:
    possible = next(iter(findings().values()))
    doubted = type(possible)(possible.kind, possible.rule, possible.message, certain=False)
    (cure,) = (line.text for line in finding_lines(doubted) if "cure" in line.text)
    assert cure == "  cure     none by natfix apply, which leaves alone what is only possible: look at what it depends on"


def test_a_rule_of_a_file_is_named_by_its_line_and_one_of_a_host_by_its_number() -> None:
    for live, place in (
        (False, "dump.save, line 4 (nat POSTROUTING, rule 1)"),
        (True, "iptables-nft, nat POSTROUTING, rule 1"),
    ):
        table = checked(live=live)
        assert next(iter(finding_lines(table.findings[0], table))).text == f"NAT001 high over-broad-masquerade: {place}"


def test_a_packet_that_is_dropped_has_an_end_and_a_place_in_its_own_table() -> None:
    lines = plain(check_lines(dropped())).split("\n")
    assert "DOC001 high direct-traffic-dropped: dump.save, line 3 (raw PREROUTING, rule 1)" in lines
    assert "  packet   tcp 172.7.22.2:40000 -> 172.7.21.2:80 in eth0" in lines
    assert "  end      dropped, and nobody is told" in lines
    (finding,) = dropped().findings
    assert next(iter(finding_lines(finding))).text == "DOC001 high direct-traffic-dropped: raw PREROUTING, rule 1"


def test_severities_have_their_colours() -> None:
    styles = {finding.kind.severity.name: next(iter(finding_lines(finding))).style for finding in checked(live=True).findings}
    assert styles == {"HIGH": "bad", "MEDIUM": "warn", "LOW": "warn"}


def test_a_check_names_clusters_tables_notes_findings_and_their_number() -> None:
    lines = plain(check_lines(result())).split("\n")
    assert lines[:7] == [
        "cluster 172.7.0.0/16 (from --cluster-cidr)",
        "cluster fd00:7::/32, fd00:9::/32 (from routes to peer subnets; a guess)",
        "dump.save: 7 rules in nat POSTROUTING and what it reaches",
        "ip6tables-nft: 1 rule in nat POSTROUTING and what it reaches",
        "note: look twice",
        "",
        "NAT001 high over-broad-masquerade: dump.save, line 4 (nat POSTROUTING, rule 1)",
    ]
    assert lines[-3:] == ["", "5 findings: 4 high, 1 medium", ""]


def test_a_check_that_found_nothing_says_so() -> None:
    assert list(check_lines(CheckResult(())))[-1] == ("no rule hides a container address inside the cluster", "good")


def test_a_finding_behind_the_guard_is_told_without_alarm() -> None:
    lines = list(check_lines(shielded()))
    assert "  source   172.7.21.2 would become the address of eth0" in [line.text for line in lines]
    assert lines[-1] == ("1 finding: 1 info; harmless behind the guard, no container address is hidden", "good")


def test_what_other_tables_do_before_is_told() -> None:
    lines = plain(check_lines(looked_at(MARKED))).split("\n")
    marks = "-A PREROUTING -i docker0 -p tcp -m tcp --dport 443 -j MARK --set-xmark 0x1/0xffffffff"
    assert f"  marked   by rule 1 of PREROUTING in mangle (dump.save): {marks}" in lines
    assert lines[-4].startswith(
        "  cure     none by natfix apply, which leaves other tables alone: exclude the cluster where rule 1 of"
    )
    assert "  behind   rule 1 of POSTROUTING in table ip mine, which comes first as long as it stands" in plain(
        check_lines(first())
    )


def test_what_other_tables_keep_from_a_rule_is_told_without_alarm() -> None:
    text = simple().replace("*nat", "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j CT --notrack\nCOMMIT\n*nat")
    assert list(check_lines(looked_at(text)))[-1] == (
        "1 finding: 1 info; harmless as things stand, no container address is hidden",
        "good",
    )


def test_of_many_sources_each_kind_is_told_once_with_the_first_case() -> None:
    lines = plain(check_lines(crowd(EACH))).split("\n")
    assert lines[1] == "12 sources, 11 nat tables, 11 rules looked at"
    assert sum("  packet   " in line for line in lines) == 1
    assert "  also     h2.save, line 3 (nat POSTROUTING, rule 1); h3.save, line 3 (nat POSTROUTING, rule 1); h4" in "\n".join(
        lines
    )
    assert "           and 6 more; --format json has them all" in lines
    assert "NAT001 high over-broad-masquerade: 10 findings in 10 sources" in lines
    assert lines[-3].startswith("not read: broken,1.save: ")
    assert lines[-2] == "10 findings: 10 high; 1 source could not be read"


def test_of_few_sources_every_finding_is_told_and_summed_up() -> None:
    lines = plain(check_lines(crowd(2))).split("\n")
    assert sum("  packet   " in line for line in lines) == 2
    assert "NAT001 high over-broad-masquerade: 2 findings in 2 sources" in lines


def test_many_sources_with_few_findings_name_them_all() -> None:
    hosts = [looked_at(simple(CORRECTED), f"h{number}.save") for number in range(EACH)]
    lines = plain(check_lines(summed_up([*hosts, looked_at(simple(), "one"), looked_at(simple(), "two")]))).split("\n")
    assert "  also     two, line 3 (nat POSTROUTING, rule 1)" in lines
    lines = plain(check_lines(summed_up([*hosts, looked_at(simple(), "one")]))).split("\n")
    assert not any(line.startswith("  also") for line in lines)


def test_what_many_sources_have_in_common_is_told_and_forms_beyond_a_few_are_counted() -> None:
    lines = plain(check_lines(fleet(24))).split("\n")
    assert "  alike    -A POSTROUTING -s <network> ! -o docker0 -j MASQUERADE" in lines
    assert "26 sources, 24 nat tables, 24 rules looked at" in lines
    rules = [f"-s 172.7.21.0/24 ! -o bridge{'x' * number} -j MASQUERADE" for number in range(FORMS + 6)]
    lines = plain(check_lines(summed_up([looked_at(simple(rule), rule) for rule in rules]))).split("\n")
    assert sum("  packet   " in line for line in lines) == FORMS
    assert "NAT001 in 6 more forms, 6 findings; --format json has them all" in lines
    assert not any(line.startswith("  alike") for line in lines)


def test_many_notes_are_cut_with_a_word() -> None:
    many = CheckResult(crowd(EACH).tables, tuple(f"note {number}" for number in range(EACH + 2)))
    lines = plain(check_lines(many)).split("\n")
    assert "note: 2 more notes; --format json has them all" in lines
    assert f"note: note {EACH}" not in lines


def test_a_source_that_could_not_be_read_is_never_all_well() -> None:
    for held in (CheckResult((), (), (unread(),)), CheckResult(shielded().tables, (), (unread(),))):
        assert list(check_lines(held))[-1].style == "bad"


def test_what_is_no_rule_has_a_place_without_a_number() -> None:
    table = checked(live=False)
    setting = replace(table.findings[0], rule=Rule("", "net.ipv4.ip_forward = 0"), table="sysctl")
    assert place_of(table, setting) == "dump.save, sysctl"
    assert (
        place_of(table, replace(setting, rule=Rule("FORWARD", "-P FORWARD DROP"), table="filter"))
        == "dump.save, filter FORWARD"
    )


def test_a_guessed_cluster_stands_out() -> None:
    assert [line.style for line in cluster_lines([CLUSTER, GUESS])] == ["dim", "warn"]


def test_things_are_counted_in_english() -> None:
    assert [count(number, "rule") for number in (0, 1, 2)] == ["0 rules", "1 rule", "2 rules"]

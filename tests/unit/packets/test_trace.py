"""natfix/packets/trace.py: following packets through the tables of a host."""

from ipaddress import IPv4Address, IPv6Address

from natfix.packets import Fate, Intervals, Names, PacketSet
from natfix.packets.bits import Bits
from natfix.packets.ipset import parse_ipsets
from natfix.packets.trace import OUT, THROUGH, Place, Trace, follow, in_order, passed
from natfix.ruleset import Family, Table, parse
from tests.unit.packets.tables import addresses


def packet(source: str = "172.7.21.2", destination: str = "172.7.22.2", **fields: object) -> PacketSet:
    one = PacketSet(
        Family.IPV4,
        Intervals.single(int(IPv4Address(source))),
        Intervals.single(int(IPv4Address(destination))),
        out_interface=Names("eth0"),
        protocol=Intervals.single(6),
        source_port=Intervals.single(40000),
        destination_port=Intervals.single(80),
        source_type=frozenset({"UNICAST"}),
        destination_type=frozenset({"UNICAST"}),
        state=frozenset({"NEW"}),
        in_interface=Names("docker0"),
    )
    for name, value in fields.items():
        one = one.having(name, value)
    return one


def tables(text: str, origin: str = "dump", family: Family = Family.IPV4) -> list[tuple[str, Table]]:
    return [(origin, table) for table in parse(text.encode(), origin, family).tables]


def traced(text: str, one: PacketSet | None = None, way: tuple[tuple[str, str], ...] = THROUGH, sets: str = "") -> Trace:
    return follow(passed(tables(text), way), one or packet(), ipsets=parse_ipsets(sets, "sets"))


def save(*blocks: str) -> str:
    return "\n".join(f"*{block.strip()}\nCOMMIT" for block in blocks) + "\n"


DOCKER = "nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -s 172.7.21.0/24 ! -o docker0 -j MASQUERADE"
INTO = save(
    "nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n"
    "-A PREROUTING -p tcp -m tcp --dport 8080 -m addrtype --dst-type LOCAL -j DNAT --to-destination 172.7.21.9:80\n"
    "-A INPUT -s 172.7.22.0/24 -j SNAT --to-source 10.4.7.22\n"
    "-A POSTROUTING -m addrtype --dst-type LOCAL -j MASQUERADE",
    "filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]",
)


def here(**fields: object) -> PacketSet:
    """A packet from another host to this one."""
    coming = packet("172.7.22.2", "10.4.7.21", in_interface=Names("eth0"), out_interface=Names())
    for name, value in {"destination_type": frozenset({"LOCAL"}), **fields}.items():
        coming = coming.having(name, value)
    return coming


def chains(trace: Trace) -> list[tuple[str, str]]:
    return [(stage.place.table.name, stage.place.chain) for stage in trace.stages]


def test_a_packet_that_is_masqueraded_is_told_by_rule() -> None:
    trace = traced(save(DOCKER))
    ((stage,), (end,)) = (trace.stages, trace.ends)
    assert (stage.place.origin, stage.place.table.name, stage.place.chain) == ("dump", "nat", "POSTROUTING")
    (step,) = stage.steps
    assert (step.depth, step.missed, step.unknown, step.refused) == (0, (), (), "")
    assert step.matched == (packet(in_interface=None),)
    assert (end.fate, end.rule, end.doubts) == (Fate.SOURCE_NAT, step.rule, ())
    assert end.packets == packet()


def test_a_rule_that_does_not_match_tells_why_not() -> None:
    trace = traced(save(DOCKER), packet(source="172.7.30.2"))
    (step,) = trace.stages[0].steps
    assert (step.matched, step.refused) == ((), "-s 172.7.21.0/24")
    (end,) = trace.ends
    assert (end.fate, end.rule) == (Fate.ACCEPT, None)


def test_tables_are_passed_in_the_kernels_order() -> None:
    hooks = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"]
    names = ["nat", "filter", "mangle", "raw", "security"]
    text = save(*("\n".join([name, *(f":{hook} ACCEPT [0:0]" for hook in hooks)]) for name in names))
    assert chains(traced(text)) == [each for each in THROUGH if str(each[1]) != "INPUT"]
    assert chains(traced(text, here())) == [each for each in THROUGH if each[1] in {"PREROUTING", "INPUT"}]
    assert tuple((s.place.table.name, s.place.chain) for s in traced(text, way=OUT).stages) == OUT


def test_a_host_without_rules_leaves_everything_alone() -> None:
    trace = follow(passed([], THROUGH), packet())
    assert trace.stages == ()
    assert [(end.fate, end.packets) for end in trace.ends] == [(Fate.ACCEPT, packet())]


def test_marks_are_followed_from_table_to_table() -> None:
    mangle = "mangle\n:FORWARD ACCEPT [0:0]\n-A FORWARD -j MARK --set-xmark 0x4000/0x4000"
    nat = "nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -m mark --mark 0x4000/0x4000 -j MASQUERADE"
    (end,) = traced(save(mangle, nat)).ends
    assert (end.fate, end.packets.mark, end.doubts) == (Fate.SOURCE_NAT, Bits(0x4000), ())
    (end,) = traced(save(nat)).ends
    assert end.fate is Fate.ACCEPT


WAITING = "nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -m mark --mark 0x1/0x1 -j MASQUERADE"


def test_a_mark_that_is_restored_from_a_connection_of_which_nobody_knows_it_leaves_a_doubt() -> None:
    mangle = "mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j CONNMARK --restore-mark"
    ends = traced(save(mangle, WAITING)).ends
    assert [(end.fate, end.doubts) for end in ends] == [
        (Fate.SOURCE_NAT, ("--mark 0x1/0x1",)),
        (Fate.ACCEPT, ("--mark 0x1/0x1",)),
    ]
    ends = traced(save(mangle, WAITING), packet().having("connmark", Bits())).ends
    assert [(end.fate, end.doubts) for end in ends] == [(Fate.ACCEPT, ())]


def test_the_mark_of_a_connection_is_followed_from_table_to_table() -> None:
    opening = packet().having("connmark", Bits())
    mangle = "mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j CONNMARK --set-xmark 0x1/0xffffffff"
    restoring = WAITING.replace("-A POST", "-A POSTROUTING -j CONNMARK --restore-mark\n-A POST")
    (end,) = traced(save(mangle, restoring), opening).ends
    assert (end.fate, end.doubts, [each.rule.target for each in end.changed]) == (Fate.SOURCE_NAT, (), ["CONNMARK", "CONNMARK"])
    # Before it is tracked a connection has no mark to set or to restore, whatever the rule says.
    raw = mangle.replace("mangle", "raw")
    (end,) = traced(save(raw, restoring), opening).ends
    assert (end.fate, end.packets.connmark) == (Fate.ACCEPT, Bits())


def test_a_drop_ends_the_way() -> None:
    text = save("filter\n:FORWARD DROP [0:0]\n-A FORWARD -s 172.7.30.0/24 -j ACCEPT", DOCKER)
    trace = traced(text)
    (end,) = trace.ends
    assert (end.fate, end.rule, len(trace.stages)) == (Fate.DROP, None, 1)
    trace = traced(save("filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -d 172.7.22.0/24 -j REJECT", DOCKER))
    assert [(end.fate, end.rule is not None) for end in trace.ends] == [(Fate.DROP, True)]


def test_a_new_destination_counts_from_there_on() -> None:
    dnat = "-A PREROUTING -d 10.96.0.1 -p tcp -m tcp --dport 443 -j DNAT --to-destination 172.7.22.9:6443"
    nat = f"nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n{dnat}\n-A POSTROUTING -d 172.7.22.9 -j MASQUERADE"
    service = packet(destination="10.96.0.1", destination_port=Intervals.single(443))
    (end,) = traced(save(nat), service).ends
    assert end.packets.destination == addresses("172.7.22.9/32")
    assert end.packets.destination_port == Intervals.single(6443)
    assert end.fate is Fate.SOURCE_NAT


def test_a_new_destination_may_leave_the_port_alone() -> None:
    nat = "nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j DNAT --to-destination 172.7.22.9"
    (end,) = traced(save(nat)).ends
    assert end.packets.destination_port == Intervals.single(80)
    assert (end.fate, end.rule) == (Fate.ACCEPT, None)


def test_a_destination_that_the_kernel_chooses_leaves_a_doubt() -> None:
    for words in ("172.7.22.2-172.7.22.9", "172.7.22.2:80-90", ""):
        option = f"--to-destination {words}" if words else "--random"
        (end,) = traced(save(f"nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j DNAT {option}")).ends
        assert end.packets.destination.size == 2**32
        assert end.doubts == (f"-j DNAT --to-destination {words}",)


def test_ipv6_destinations_stand_in_brackets_before_a_port() -> None:
    one = packet().having("family", Family.IPV6)
    one = one.having("source", Intervals.single(int(IPv6Address("fd00::2"))))
    one = one.having("destination", Intervals.single(int(IPv6Address("fd00::53"))))
    for words, port in (("[fd00:22::9]:6443", 6443), ("fd00:22::9", 80), ("[fd00:22::9]", 80)):
        text = save(f"nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j DNAT --to-destination {words}")
        trace = follow(passed(tables(text, family=Family.IPV6), THROUGH), one)
        (end,) = trace.ends
        assert end.packets.destination == Intervals.single(int(IPv6Address("fd00:22::9")))
        assert end.packets.destination_port == Intervals.single(port)
    text = save("nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j DNAT --to-destination 10.0.0.1")
    (end,) = follow(passed(tables(text, family=Family.IPV6), THROUGH), one).ends
    assert end.doubts


def test_redirect_hands_the_packet_to_this_host() -> None:
    nat = "nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 8080"
    trace = traced(save(nat, "filter\n:FORWARD ACCEPT [0:0]"))
    (end,) = trace.ends
    assert (end.fate, len(trace.stages)) == (Fate.DESTINATION_NAT, 1)
    assert end.rule is not None


def test_a_connection_is_bound_once() -> None:
    identity = "nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -s 172.7.21.0/24 -j SNAT --to-source 172.7.21.2"
    both = [*tables(save(identity), "iptables-nft"), *tables(save(DOCKER), "iptables-legacy")]
    trace = follow(passed(both, THROUGH), packet())
    assert [stage.place.origin for stage in trace.stages] == ["iptables-nft"]
    assert [(end.fate, end.rule is not None) for end in trace.ends] == [(Fate.ACCEPT, True)]
    plain = [*tables(save("nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -j ACCEPT"), "iptables-nft"), both[1]]
    trace = follow(passed(plain, THROUGH), packet())
    assert [stage.place.origin for stage in trace.stages] == ["iptables-nft", "iptables-legacy"]
    assert [end.fate for end in trace.ends] == [Fate.SOURCE_NAT], "accept is no binding"


def test_what_is_not_tracked_meets_no_nat() -> None:
    for target in ("NOTRACK", "CT --notrack"):
        raw = f"raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -s 172.7.21.0/24 -j {target}"
        trace = traced(save(raw, DOCKER))
        (end,) = trace.ends
        assert (end.fate, end.untracked, len(trace.stages)) == (Fate.ACCEPT, True, 1)
    raw = "raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j CT --helper ftp"
    (end,) = traced(save(raw, DOCKER)).ends
    assert (end.fate, end.untracked) == (Fate.SOURCE_NAT, False)


def test_a_set_of_packets_is_parted_and_a_chain_is_gone_into() -> None:
    text = save(
        "nat\n:POSTROUTING ACCEPT [0:0]\n:POD - [0:0]\n-A POSTROUTING -s 172.7.21.0/24 -j POD\n"
        "-A POD -d 172.7.22.0/24 -j RETURN\n-A POD -j MASQUERADE"
    )
    some = packet(destination="172.7.22.2").having("destination", addresses("172.7.0.0/16"))
    trace = traced(text, some)
    assert [(step.depth, len(step.matched), len(step.missed)) for step in trace.stages[0].steps] == [
        (0, 1, 0),
        (1, 1, 1),
        (1, 1, 0),
    ]
    assert [(end.fate, end.packets.destination) for end in trace.ends] == [
        (Fate.SOURCE_NAT, addresses("172.7.0.0/16") - addresses("172.7.22.0/24")),
        (Fate.ACCEPT, addresses("172.7.22.0/24")),
    ]


def test_before_it_is_routed_a_packet_leaves_by_no_device_and_afterwards_by_its_own() -> None:
    text = save("mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -i docker0 -j MARK --set-xmark 0x1/0xffffffff", DOCKER)
    trace = traced(text)
    assert trace.stages[0].came.out_interface == Names("")
    assert trace.stages[1].came.in_interface is None
    assert (trace.ends[0].packets.in_interface, trace.ends[0].packets.out_interface) == (Names("docker0"), Names("eth0"))
    out = traced(save("mangle\n:OUTPUT ACCEPT [0:0]", DOCKER), way=OUT)
    assert out.stages[0].came.in_interface == Names("")


def test_sets_and_doubts_go_along() -> None:
    nat = "nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -m set --match-set pods dst -j ACCEPT\n-A POSTROUTING -j MASQUERADE"
    assert [(end.fate, end.doubts) for end in traced(save(nat)).ends] == [
        (Fate.ACCEPT, ("-m set --match-set pods dst",)),
        (Fate.SOURCE_NAT, ("-m set --match-set pods dst",)),
    ]
    sets = "create pods hash:net family inet\nadd pods 172.7.0.0/16"
    assert [(end.fate, end.doubts) for end in traced(save(nat), sets=sets).ends] == [(Fate.ACCEPT, ())]


def test_chains_with_hooks_of_their_own_are_asked_by_their_priority() -> None:
    text = save("nat\n:own - [0:0]\n-A own -i docker0 -m set --match-set pods dst -j SNAT --to-source 172.7.21.2")
    ((_, own),) = tables(text)
    sets = parse_ipsets("create pods hash:net family inet\nadd pods 172.7.0.0/16", "sets")
    first = Place(own, "own", "table ip own", "POSTROUTING", 99, sets)
    built_in = list(passed(tables(save("mangle\n:POSTROUTING ACCEPT [0:0]", DOCKER)), THROUGH))
    places = in_order([*built_in, first], THROUGH)
    assert [(place.where, place.order) for place in places] == [
        ("POSTROUTING", -150),
        ("POSTROUTING", 99),
        ("POSTROUTING", 100),
    ]
    trace = follow(places, packet())
    assert [end.fate for end in trace.ends] == [Fate.ACCEPT], "it is bound to the address it has"
    assert trace.stages[1].came.in_interface == Names("docker0")
    last = in_order([*built_in, Place(own, "own", "x", "POSTROUTING", 110, sets)], THROUGH)
    assert [end.fate for end in follow(last, packet()).ends] == [Fate.SOURCE_NAT]
    assert in_order([Place(own, "own", "x", "INGRESS", 0)], THROUGH) == ()
    assert [place.order for place in in_order(passed(tables(save("filter\n:FORWARD ACCEPT [0:0]")), THROUGH), THROUGH)] == [0]


def test_what_is_for_this_host_comes_to_input_and_not_to_forward() -> None:
    trace = traced(INTO, here())
    assert chains(trace) == [("nat", "PREROUTING"), ("filter", "INPUT"), ("nat", "INPUT")]
    (end,) = trace.ends
    assert (end.fate, end.rule and end.rule.chain) == (Fate.SOURCE_NAT, "INPUT")


def test_what_is_not_for_this_host_comes_to_no_input() -> None:
    trace = traced(INTO, packet("172.7.22.2", "172.7.23.2"))
    assert chains(trace) == [("nat", "PREROUTING"), ("filter", "FORWARD")]


def test_what_dnat_sends_on_is_for_this_host_no_more() -> None:
    trace = traced(INTO.replace("FORWARD DROP", "FORWARD ACCEPT"), here(destination_port=Intervals.single(8080)))
    assert chains(trace) == [("nat", "PREROUTING"), ("filter", "FORWARD"), ("nat", "POSTROUTING")]
    (end,) = trace.ends
    assert (end.fate, end.packets.destination_type) == (Fate.ACCEPT, frozenset({"UNICAST"}))


def test_a_destination_that_the_kernel_chooses_is_taken_for_another_host() -> None:
    ranged = INTO.replace("172.7.21.9:80", "172.7.21.9-172.7.21.12").replace("FORWARD DROP", "FORWARD ACCEPT")
    (end,) = traced(ranged, here(destination_port=Intervals.single(8080))).ends
    assert (end.packets.destination_type, bool(end.doubts)) == (frozenset({"UNICAST"}), True)


def test_what_this_host_sends_to_itself_leaves_it() -> None:
    sent = here(in_interface=Names(""), source_type=frozenset({"LOCAL"}))
    assert chains(traced(INTO, sent, OUT)) == [("nat", "POSTROUTING")]


def test_who_asks_for_no_steps_gets_the_same_ends() -> None:
    places = list(passed(tables(save(DOCKER)), THROUGH))
    told, brief = follow(places, packet()), follow(places, packet(), steps=False)
    assert brief.ends == told.ends
    assert [len(stage.steps) for stage in told.stages] == [1]
    assert [stage.steps for stage in brief.stages] == [()]


def test_the_device_that_a_rule_tells_packets_by_is_remembered() -> None:
    text = save(
        "mangle\n:PREROUTING ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n"
        "-A PREROUTING -i docker0 -j MARK --set-xmark 0x1/0x1\n-A FORWARD ! -i docker0 -m mark --mark 0x1/0x1 -j DROP"
    )
    ends = traced(text, packet(in_interface=Names())).ends
    assert {(end.fate, end.packets.mark) for end in ends} == {(Fate.ACCEPT, Bits(1)), (Fate.ACCEPT, Bits())}


def test_a_connection_that_only_may_be_untracked_meets_nat_in_the_other_case() -> None:
    seen = "-m recent --rcheck --name seen --rsource"
    ends = traced(save(f"raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING {seen} -j CT --notrack", DOCKER)).ends
    assert {(end.fate, end.untracked, end.doubts) for end in ends} == {
        (Fate.ACCEPT, True, (seen,)),
        (Fate.SOURCE_NAT, False, (seen,)),
    }

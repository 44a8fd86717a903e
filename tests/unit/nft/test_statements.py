"""natfix/nft/statements.py: what a rule of nft does, in the words of iptables."""

from typing import Any

import pytest

from natfix.nft.matches import Matches
from natfix.nft.statements import decided, effect, translation, verdict
from natfix.nft.step import EVERYBODY, How, Step, Way
from natfix.packets.bits import Change
from natfix.ruleset import Family

MARK: dict[str, Any] = {"meta": {"key": "mark"}}
SADDR: dict[str, Any] = {"payload": {"protocol": "ip", "field": "saddr"}}
DADDR: dict[str, Any] = {"payload": {"protocol": "ip", "field": "daddr"}}
DPORT: dict[str, Any] = {"payload": {"protocol": "tcp", "field": "dport"}}
NAMED: dict[str, list[Any]] = {"m": [["10.0.0.1", "10.0.0.2"]], "filled": [["10.0.0.1", "10.0.0.2"]]}
NETS = [[{"prefix": {"addr": "10.0.0.0", "len": 24}}, {"prefix": {"addr": "10.1.0.0", "len": 24}}]]
CONNMARK: dict[str, Any] = {"ct": {"key": "mark"}}
LOST = Change.to_unknown()
UNKNOWN = "-m nft --expression "


def matches() -> Matches:
    return Matches(Family.IPV4, "t/p#1", NAMED, frozenset({"filled"}))


def mapped(key: Any, *elements: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"map": {"key": key, "data": {"set": list(elements)}}}


def effects(one: dict[str, Any]) -> list[Step]:
    return effect(one, matches())


def mangled(value: Any, key: Any = None) -> list[Step]:  # noqa: ANN401
    return effects({"mangle": {"key": key or MARK, "value": value}})


def words(step: Step | None) -> tuple[str, ...] | None:
    """The words of each way, those of what nobody knows in short."""
    return None if step is None else tuple(f"{'? ' if UNKNOWN in way.test else way.test} {way.does}".strip() for way in step)


def test_verdicts() -> None:
    assert verdict({"accept": None}) == Way(does="-j ACCEPT", how=How.END)
    assert verdict({"return": None}) == Way(does="-j RETURN", how=How.LEAVE)
    assert verdict({"jump": {"target": "x"}}) == Way(does="-j x", how=How.CALL)
    assert verdict({"goto": {"target": "x"}}) == Way(does="-g x", how=How.LEAVE)
    assert verdict({"continue": None}) == Way()
    assert verdict({"counter": None}) is None


@pytest.mark.parametrize("target", ["", " ", "a b", "*nat\n", 1, None, []])
def test_no_verdict_leads_to_what_is_no_name(target: Any) -> None:  # noqa: ANN401
    with pytest.raises(ValueError, match=r".*"):
        verdict({"jump": {"target": target}})


def test_a_verdict_map_is_a_way_for_each_key() -> None:
    iifname = {"meta": {"key": "iifname"}}
    elements = [["a", {"jump": {"target": "x"}}], ["b", {"continue": None}], ["*", {"return": None}]]
    assert decided({"key": iifname, "data": {"set": elements}}, matches()) == (
        Way("-i a", "-j x", How.CALL),
        Way("-i b"),
        Way("! -i a ! -i b", "-j RETURN", How.LEAVE),
    )
    (way,) = decided({"key": iifname, "data": "@gone"}, matches())
    assert (way.test, way.does, way.change) == (f'{UNKNOWN}"iifname vmap @gone"', "-j nft:iifname_vmap_@gone", LOST)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ({"masquerade": None}, ("-j MASQUERADE",)),
        ({"masquerade": {"flags": "fully-random"}}, ("-j MASQUERADE",)),
        ({"redirect": {"port": 8080}}, ("-j REDIRECT",)),
        ({"redirect": {"port": mapped(DPORT, [80, 8080])}}, ("-p tcp -m multiport --dports 80 -j REDIRECT",)),
        ({"snat": {"addr": "10.0.0.1"}}, ("-j SNAT --to-source 10.0.0.1",)),
        ({"snat": {"family": "ip", "addr": "10.0.0.1"}}, ("-j SNAT --to-source 10.0.0.1",)),
        ({"snat": {"family": "ip6", "addr": "fd00::1"}}, ()),
        ({"snat": {"addr": {"range": ["10.0.0.1", "10.0.0.9"]}}}, ("-j SNAT --to-source 10.0.0.1-10.0.0.9",)),
        (
            {"snat": {"addr": NETS[0][1], "flags": ["random"]}},
            ("-j SNAT --to-source 10.1.0.0-10.1.0.255 --random",),
        ),
        ({"snat": {"addr": NETS[0][1], "type_flags": "prefix"}}, ("-j NETMAP --to 10.1.0.0/24",)),
        ({"dnat": {"addr": NETS[0][1], "type_flags": "prefix"}}, ("?  -j DNAT",)),
        ({"snat": {"addr": "10.0.0.1", "port": {"range": [1, 9]}}}, ("-j SNAT --to-source 10.0.0.1:1-9",)),
        ({"dnat": {"addr": "fd00::1", "port": 80}}, ("-j DNAT --to-destination [fd00::1]:80",)),
        ({"dnat": {"port": 80}}, ("-j DNAT --to-destination :80",)),
        ({"dnat": {"addr": "10.0.0.1", "port": {"numgen": {}}}}, ("?  -j DNAT",)),
        ({"dnat": {"addr": {"numgen": {}}}}, ("?  -j DNAT",)),
        ({"dnat": None}, ("-j DNAT",)),
        ({"snat": None}, ("-j NETMAP --to 0.0.0.0/0",)),
        ({"snat": {"port": {"range": [1, 9]}}}, ("-j NETMAP --to 0.0.0.0/0",)),
        ({"snat": {"addr": SADDR}}, ("-j NETMAP --to 0.0.0.0/0",)),
        ({"snat": {"addr": DADDR}}, ("-j SNAT",)),
        ({"dnat": {"addr": SADDR}}, ("-j DNAT",)),
        ({"counter": None}, None),
    ],
)
def test_statements_that_rewrite_addresses(statement: dict[str, Any], said: tuple[str, ...] | None) -> None:
    assert words(translation(statement, matches())) == said


@pytest.mark.parametrize(
    ("address", "options", "said"),
    [
        (mapped(SADDR, ["10.0.0.0", "10.1.0.0"]), {}, ("-s 10.0.0.0 -j SNAT --to-source 10.1.0.0",)),
        (mapped(SADDR, *NETS), {"type_flags": "prefix"}, ("-s 10.0.0.0/24 -j NETMAP --to 10.1.0.0/24",)),
        (mapped(SADDR, *NETS), {}, ("-s 10.0.0.0/24 -j SNAT --to-source 10.1.0.0-10.1.0.255",)),
        (
            mapped(DADDR, ["10.0.0.1", "10.1.0.1"], ["*", "10.1.0.2"]),
            {},
            (
                "-d 10.0.0.1 -j SNAT --to-source 10.1.0.1",
                "-m set ! --match-set t/p#1.1 dst -j SNAT --to-source 10.1.0.2",
            ),
        ),
        (
            mapped({"concat": [SADDR, DPORT]}, [{"concat": ["10.0.0.1", 80]}, {"concat": ["10.1.0.1", 81]}]),
            {},
            ("-p tcp -m set --match-set t/p#1.1 src,dst -j SNAT --to-source 10.1.0.1:81",),
        ),
        (mapped(MARK), {}, ()),
        ({"map": {"key": SADDR, "data": "@m"}}, {}, ("-s 10.0.0.1 -j SNAT --to-source 10.0.0.2",)),
        ({"map": {"key": SADDR, "data": "@filled"}}, {}, ("?  -j SNAT --to-source 10.0.0.2", "?  -j SNAT")),
        ({"map": {"key": SADDR, "data": "@gone"}}, {}, ("?  -j SNAT",)),
        (mapped({"numgen": {"mod": 2}}, [0, "10.0.0.1"]), {}, ("?  -j SNAT --to-source 10.0.0.1",)),
    ],
)
def test_a_map_gives_an_address_to_who_meets_a_key(address: Any, options: dict[str, Any], said: tuple[str, ...]) -> None:  # noqa: ANN401
    assert words(translation({"snat": {"addr": address, **options}}, matches())) == said


@pytest.mark.parametrize(
    ("value", "said", "change"),
    [
        (16384, "-j MARK --set-xmark 0x4000/0xffffffff", Change(0x4000, 0xFFFFFFFF)),
        ({"|": [MARK, 1]}, "-j MARK --set-xmark 0x1/0x1", Change(1, 1)),
        ({"&": [MARK, 1]}, "-j MARK --set-xmark 0x0/0xfffffffe", Change(0, 0xFFFFFFFE)),
        ({"^": [MARK, 1]}, "-j MARK --set-xmark 0x1/0x0", Change(1, 0)),
        ({"|": [{"&": [MARK, 0xFF00FFFF]}, 0x40000]}, "-j MARK --set-xmark 0x40000/0xff0000", Change(0x40000, 0xFF0000)),
        ({"^": [{"&": [MARK, 0xFF00FFFF]}, 0x40000]}, "-j MARK --set-xmark 0x40000/0xff0000", Change(0x40000, 0xFF0000)),
    ],
)
def test_marks_are_changed(value: Any, said: str, change: Change) -> None:  # noqa: ANN401
    assert mangled(value) == [(Way(does=said, change=change),)]


def test_a_map_gives_a_mark_to_who_meets_a_key() -> None:
    (step,) = mangled(mapped(SADDR, ["10.0.0.1", 1], ["10.0.0.2", {"odd": 1}]))
    assert words(step) == ("-s 10.0.0.1 -j MARK --set-xmark 0x1/0xffffffff", "-s 10.0.0.2 -j nft:mark")
    (step,) = mangled({"map": {"key": SADDR, "data": "@gone"}})
    assert words(step) == ("?  -j nft:mark",)


@pytest.mark.parametrize("value", ["x", {"<<": [MARK, 1]}, {"|": [{"numgen": {}}, 1]}, {"a": 1, "b": 2}])
def test_a_mark_that_nobody_can_follow_is_lost_and_what_comes_then_may_not_be_done(value: Any) -> None:  # noqa: ANN401
    does, perhaps = mangled(value)
    assert does == (Way(does="-j nft:mark", change=LOST),)
    assert words(perhaps) == ("?",)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (CONNMARK, ("-j CONNMARK --restore-mark",)),
        ({"&": [CONNMARK, 255]}, ("-j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xff",)),
        (
            {"|": [CONNMARK, 1]},
            ("-j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xfffffffe", "-j MARK --set-xmark 0x1/0x0"),
        ),
    ],
)
def test_the_mark_of_the_connection_is_taken(value: Any, said: tuple[str, ...]) -> None:  # noqa: ANN401
    *steps, perhaps = mangled(value)
    assert tuple(way.does for step in steps for way in step) == said
    assert steps[0][0].change == LOST
    assert words(perhaps) == ("?",), "a packet that nobody tracks has none"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (5, ["-j CONNMARK --set-xmark 0x5/0xffffffff"]),
        ({"|": [CONNMARK, 1]}, ["-j CONNMARK --set-xmark 0x1/0x1"]),
        (MARK, ["-j CONNMARK --save-mark"]),
        ({"&": [MARK, 255]}, ["-j CONNMARK --save-mark --nfmask 0xff --ctmask 0xffffffff"]),
        ({"^": [MARK, 255]}, ["-j CONNMARK --save-mark", "-j CONNMARK --set-xmark 0xff/0x0"]),
        (DADDR, ["-j CONNMARK", "?"]),
    ],
)
def test_the_mark_of_the_connection_is_set(value: Any, said: list[str]) -> None:  # noqa: ANN401
    assert [each for step in mangled(value, CONNMARK) for each in words(step) or ()] == said


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ({"meta": {"key": "priority"}}, "1:2", ("",)),
        ({"meta": {"key": "nftrace"}}, 1, ("",)),
        ({"ct": {"key": "zone"}}, 5, ("",)),
        ({"ct": {"key": "label"}}, mapped(SADDR, ["10.0.0.1", 1]), ("?",)),
        ({"payload": {"protocol": "ip", "field": "dscp"}}, "cs1", ("?",)),
        ({"tcp option": {"name": "maxseg", "field": "size"}}, {"rt": {"key": "mtu"}}, ("?",)),
    ],
)
def test_what_is_set_beside_is_no_target(key: Any, value: Any, said: tuple[str, ...]) -> None:  # noqa: ANN401
    assert [words(step) for step in mangled(value, key)] == [said]


@pytest.mark.parametrize("key", [SADDR, {"meta": {"key": "broute"}}, {"x": {}}])
def test_what_else_is_set_is_a_target_that_nobody_can_evaluate(key: Any) -> None:  # noqa: ANN401
    ((way,),) = mangled(1, key)
    assert way.does.startswith("-j nft:")
    assert way.does.count(" ") == 1
    assert (UNKNOWN in way.test, way.change) == (True, LOST)


def test_what_changes_nothing_stops_the_rule_or_never_does() -> None:
    assert [effects({kind: {}}) for kind in ("counter", "log", "last")] == [[EVERYBODY]] * 3
    stopping = [effects({kind: {}}) for kind in ("limit", "ct count", "set", "meter")]
    assert [[words(step) for step in steps] for steps in stopping] == [[("?",)]] * 4
    assert [words(step) for step in effects({"counter": mapped(SADDR, ["10.0.0.1", "seen"])})] == [("?",)]
    assert effects({"notrack": None}) == [(Way(does="-j NOTRACK"),)]
    ((way,),) = effects({"queue": {"num": 1}})
    assert (way.does, way.change) == ("-j nft:{'queue':{'num':1}}", LOST)
    assert UNKNOWN in way.test

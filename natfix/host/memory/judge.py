"""The twin of a kernel that is asked what it does with packets: natfix's own walk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from natfix.app.prove_ports import Judge, Trial
from natfix.errors import HostError, RulesetSyntaxError
from natfix.nft import parse_nft
from natfix.nft.opaque import WORDS
from natfix.packets import Fate, Intervals, Names, Packet, PacketSet
from natfix.packets.bits import Bits
from natfix.packets.ipset import parse_ipsets
from natfix.packets.packetset import ANY_PORT, PROTOCOLS
from natfix.packets.trace import THROUGH, End, follow, in_order, passed
from natfix.ruleset import Family, parse

_SPARE = {Family.IPV4: "192.0.2.1", Family.IPV6: "2001:db8::1"}


@dataclass
class MemoryJudge(Judge):
    """A kernel that does what natfix says; see natfix.app.prove_ports.Judge.

    Attributes:
        contrary: whether it keeps every source instead, as a kernel would about which natfix is wrong.
        trials: what it was asked.
    """

    contrary: bool = False

    def __post_init__(self) -> None:
        self.trials: list[Trial] = []

    def judge(self, trial: Trial) -> Sequence[str | None]:
        """Walk the rules with each packet."""
        self.trials.append(trial)
        family = trial.backend.family
        try:
            tables = [("trial", table) for table in parse(trial.rules.encode(), "trial", family).tables] if trial.rules else []
        except RulesetSyntaxError as error:
            raise HostError(f"the rules cannot be loaded here: {error.message}") from error
        sets = parse_ipsets(trial.ipsets, "ipsets")
        bases = parse_nft(_loaded(trial), "trial").chains if trial.native else ()
        native = [base.place for base in bases if base.table.family is family]
        places = in_order([*passed(tables, THROUGH), *native], THROUGH)
        if self.contrary:
            return [str(packet.source) for packet in trial.packets]
        return [_seen(follow(places, _single(packet), ipsets=sets).ends[0], packet, trial) for packet in trial.packets]


def _loaded(trial: Trial) -> bytes:
    """Nft's own tables with iptables' own rules in their places."""
    listing = json.loads(trial.native)
    for command in trial.replacing:
        program, _, table, _, chain, number, words = command.split(" ", 6)
        family = "ip" if program.startswith("iptables") else "ip6"
        rules = [each["rule"] for each in listing["nftables"] if "rule" in each]
        alike = [each for each in rules if (each["family"], each["table"], each["chain"]) == (family, table, chain)]
        alike[int(number) - 1][WORDS] = words
    return json.dumps(listing).encode()


def _seen(end: End, packet: Packet, trial: Trial) -> str | None:
    if end.fate is Fate.DROP:
        return None
    if end.fate is not Fate.SOURCE_NAT or end.rule is None:
        return str(packet.source)
    option = end.rule.option("to-source", "SNAT")
    own = trial.addresses.get(packet.out_interface, ())
    return option.value if option else next((each.partition("/")[0] for each in own), _SPARE[trial.backend.family])


def _single(packet: Packet) -> PacketSet:
    ports = [ANY_PORT if port is None else Intervals.single(port) for port in (packet.source_port, packet.destination_port)]
    return PacketSet(
        Family(packet.source.version),
        Intervals.single(int(packet.source)),
        Intervals.single(int(packet.destination)),
        out_interface=Names(packet.out_interface),
        protocol=Intervals.single(PROTOCOLS.get(packet.protocol) or int(packet.protocol)),
        source_port=ports[0],
        destination_port=ports[1],
        source_type=frozenset({"UNICAST"}),
        destination_type=frozenset({"UNICAST"}),
        state=frozenset({"NEW"}),
        connmark=Bits(),
        in_interface=Names(packet.in_interface),
    )

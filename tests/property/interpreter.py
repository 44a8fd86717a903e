"""What the kernel does with one concrete packet, written straight from the man pages and apart from natfix's own walk.

It reads words, not options, and knows only the forms that :mod:`tests.property.rulesets` writes. A test that natfix
cannot evaluate is answered by a table of answers that the caller makes up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

Answers = Mapping[int, bool]
Chains = Mapping[str, list[tuple[int, str]]]


@dataclass
class Datagram:
    """One packet; the mark changes on its way."""

    source: str
    destination: str
    out_interface: str
    protocol: str
    source_port: int
    destination_port: int
    mark: int


def fate(chains: Chains, policy: str, packet: Datagram, answers: Answers) -> str:
    """Walk POSTROUTING and say ``ACCEPT``, ``DROP`` or ``SNAT``; *answers* are by the number of the rule."""
    verdict = run(chains, "POSTROUTING", packet, answers)
    return policy if verdict == "RETURN" else verdict


def run(chains: Chains, chain: str, packet: Datagram, answers: Answers) -> str:
    """Walk one chain; ``RETURN`` means that the caller goes on."""
    for number, spec in chains[chain]:
        words = spec.split()
        if not all(test(words, packet, answers.get(number, False)) for test in TESTS):
            continue
        verdict = act(words, chains, packet, answers)
        if verdict:
            return verdict
    return "RETURN"


def act(words: list[str], chains: Chains, packet: Datagram, answers: Answers) -> str:
    """Apply the target; empty when the next rule is to be looked at."""
    if "-g" in words:
        return run(chains, after(words, "-g"), packet, answers)
    target = after(words, "-j") if "-j" in words else ""
    if target in chains:
        verdict = run(chains, target, packet, answers)
        return "" if verdict == "RETURN" else verdict
    if target == "MARK":
        value, mask = (int(text, 0) for text in after(words, "--set-xmark").split("/"))
        packet.mark = (packet.mark & ~mask) ^ value
    if target == "MASQUERADE":
        return "SNAT"
    if target == "SNAT":
        return "ACCEPT" if after(words, "--to-source") == packet.source else "SNAT"
    return target if target in {"ACCEPT", "DROP", "RETURN"} else ""


def after(words: list[str], name: str) -> str:
    return words[words.index(name) + 1]


def asked(words: list[str], *names: str) -> Iterator[tuple[str, bool]]:
    """Every value of the options, with whether a match is wanted or refused."""
    for place, word in enumerate(words):
        if word in names:
            yield words[place + 1], words[place - 1] != "!"


def addresses(words: list[str], packet: Datagram, _: bool) -> bool:  # noqa: FBT001
    return all(
        (ip_address(address) in ip_network(text)) is wanted
        for name, address in (("-s", packet.source), ("-d", packet.destination))
        for text, wanted in asked(words, name)
    )


def devices(words: list[str], packet: Datagram, _: bool) -> bool:  # noqa: FBT001
    name = packet.out_interface
    return all(
        (name.startswith(text[:-1]) if text.endswith("+") else name == text) is wanted for text, wanted in asked(words, "-o")
    )


def protocols(words: list[str], packet: Datagram, _: bool) -> bool:  # noqa: FBT001
    return all((text == packet.protocol) is wanted for text, wanted in asked(words, "-p"))


def ports(words: list[str], packet: Datagram, _: bool) -> bool:  # noqa: FBT001
    sides = {"--sport": [packet.source_port], "--dport": [packet.destination_port]}
    many = {f"{name}s": values for name, values in sides.items()}
    either = {"--ports": [packet.source_port, packet.destination_port]}
    return all(
        any(within(port, text) for port in values) is wanted
        for name, values in (sides | many | either).items()
        for text, wanted in asked(words, name)
    )


def within(port: int, text: str) -> bool:
    ends = [[int(end) for end in part.split(":")] for part in text.split(",")]
    return any(first <= port <= last for first, *_, last in ([*end, end[-1]] for end in ends))


def marks(words: list[str], packet: Datagram, _: bool) -> bool:  # noqa: FBT001
    pairs = (([int(part, 0) for part in text.split("/")], wanted) for text, wanted in asked(words, "--mark"))
    return all((packet.mark & mask == value) is wanted for (value, mask), wanted in pairs)


def unknown(words: list[str], _: Datagram, answer: bool) -> bool:  # noqa: FBT001
    return answer if "--match-set" in words else True


TESTS: tuple[Callable[[list[str], Datagram, bool], bool], ...] = (
    addresses, devices, protocols, ports, marks, unknown,
)  # fmt: skip

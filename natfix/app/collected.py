"""What ``natfix collect`` writes down of a host, as a value with a JSON form; docs/schemas/collected-1.json.

It holds what each port said, word for word, so that the use cases that asked the host can ask the file: natfix.app.replay.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_interface
from typing import Any, Final, Self

from natfix.app.cluster import Cluster
from natfix.app.docker_ports import DockerNetwork
from natfix.app.json_reader import Reader
from natfix.app.ports import Backend, Interface, Route
from natfix.audit import HostFacts
from natfix.errors import BusyError, HostError, NatfixError, UnsupportedError, UsageError
from natfix.ruleset import Family, parse_network

KIND: Final = "natfix-collected"
SCHEMA: Final = 1
SUFFIX: Final = ".natfix"
RULESETS: Final = "rulesets"
GATHERED: Final = frozenset({"settings", "counters", "saved", "boot", "daemon"})
"""The facts of natfix.audit.facts.HostFacts that a file tells; interfaces and routes tell the others."""

UNSUPPORTED: Final = "unsupported"
_ERRORS: Final[Mapping[str, type[NatfixError]]] = {"busy": BusyError, UNSUPPORTED: UnsupportedError, "host": HostError}
ABSENT: Final = "absent"
_BACKENDS: Final = {str(each): each for family in Family for each in (Backend(family, "nft"), Backend(family, "legacy"))}


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that could not be gathered.

    Attributes:
        part: what: ``nft``, ``docker``, ``iptables-nft: nat``.
        kind: what the error of the host was: ``host``, ``unsupported`` or ``busy``; ``absent`` where it was none, as the host
            has nothing that could be asked.
        reason: its message.
        hint: what to do about it; may be empty.
    """

    part: str
    kind: str
    reason: str
    hint: str = ""

    @classmethod
    def of(cls, part: str, error: NatfixError) -> Self:
        """Keep what *error* says about *part*."""
        kind = next((name for name, each in _ERRORS.items() if isinstance(error, each)), "host")
        return cls(part, kind, error.message, error.hint or "")

    def error(self, source: str) -> NatfixError:
        """The error that the host met, said of the file *source*; not for what is absent."""
        return _ERRORS[self.kind](f"{source}: {self.reason}", hint=self.hint or None)


@dataclass(frozen=True, slots=True)
class CollectedRuleset:
    """What one backend that has a nat table said; None where it could not be read.

    Attributes:
        backend: which one.
        nat: POSTROUTING and what it reaches, with counters.
        filtering: what can drop packets on their way to a container; empty where nothing can.
        save: the whole ruleset, as the save program prints it.
    """

    backend: Backend
    nat: str | None
    filtering: str | None
    save: str | None


@dataclass(frozen=True, slots=True)
class Collected:
    """One host at one time.

    Attributes:
        natfix: the version that gathered it.
        time: when, in ISO 8601 with its time zone.
        host: the host's name; empty when it was left out.
        kernel: its kernel's version.
        clusters: the networks of the cluster, and what told them.
        rulesets: of each backend that has a nat table.
        native: nft's own tables as ``nft -j`` prints them, natfix's guard among them; None when there are none.
        ipsets: what ``ipset save`` prints; None where nothing can.
        interfaces: every device, sorted by name.
        routes: the unicast routes of the main tables.
        policies: for each family the routing rules, in the words of ``ip rule`` with tables as numbers.
        docker: the networks of the driver ``bridge``; None where there is no Docker, or it did not answer.
        facts: kernel settings, counters, files that are loaded at boot, and what starts then in which order.
        missing: what could not be gathered.
    """

    natfix: str
    time: str
    host: str = ""
    kernel: str = ""
    clusters: tuple[Cluster, ...] = ()
    rulesets: tuple[CollectedRuleset, ...] = ()
    native: Mapping[str, Any] | None = None
    ipsets: str | None = None
    interfaces: tuple[Interface, ...] = ()
    routes: tuple[Route, ...] = ()
    policies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    docker: tuple[DockerNetwork, ...] | None = None
    facts: HostFacts = field(default_factory=HostFacts)
    missing: tuple[Missing, ...] = ()

    def lacks(self, part: str) -> Missing | None:
        """Why *part* could not be gathered; None when it was."""
        return next((each for each in self.missing if each.part == part), None)

    def to_json(self) -> dict[str, Any]:
        """The document; the same host gives the same, but for the time."""
        facts = self.facts.to_json()
        return {
            "schema": SCHEMA,
            "natfix": self.natfix,
            "kind": KIND,
            "time": self.time,
            "host": {"name": self.host or None, "kernel": self.kernel or None},
            "clusters": [_cluster(each) for each in self.clusters],
            RULESETS: [_ruleset(each) for each in self.rulesets],
            "nft": self.native,
            "ipsets": self.ipsets,
            "interfaces": [_interface(each) for each in self.interfaces],
            "routes": [{"to": str(each.destination), "via": each.gateway, "device": each.interface} for each in self.routes],
            "policies": {family: list(lines) for family, lines in sorted(self.policies.items())},
            "docker": None if self.docker is None else [_network(each) for each in self.docker],
            "settings": facts["settings"],
            "counters": facts["counters"],
            "saved": facts["saved"],
            "boot": facts["boot"],
            "daemon": facts["daemon"],
            "missing": [
                {"part": each.part, "kind": each.kind, "reason": each.reason, "hint": each.hint or None}
                for each in self.missing
            ],
        }

    @classmethod
    def parse(cls, data: bytes, source: str) -> Self:
        """Read the document of the file *source*; what this natfix does not know in it is left alone.

        Raises:
            RulesetSyntaxError: it is no JSON; points at the place.
            UsageError: it is another document, of a later form, or says something impossible; names the place.
        """
        document = Reader.of_text(data, source, "Make one with: natfix collect")
        if document.optional("kind", str) != KIND:
            raise document.wrong("kind", f"this is no file of natfix collect, whose kind is {KIND}")
        schema, version = document.take("schema", int), document.take("natfix", str)
        if schema > SCHEMA:
            raise UsageError(
                f"{source}: it was written in form {schema} by natfix {version}, and this natfix reads forms up to {SCHEMA}",
                hint=f"Read it with natfix {version} or later.",
            )
        host = document.part("host")
        return cls(
            natfix=version,
            time=document.take("time", str),
            host=host.optional("name", str) or "",
            kernel=host.optional("kernel", str) or "",
            clusters=tuple(_read_cluster(each) for each in document.parts("clusters")),
            rulesets=tuple(_read_ruleset(each) for each in document.parts(RULESETS)),
            native=_read_native(document),
            ipsets=document.optional("ipsets", str),
            interfaces=tuple(_read_interface(each) for each in document.parts("interfaces")),
            routes=tuple(_read_route(each) for each in document.parts("routes")),
            policies=_read_policies(document),
            docker=tuple(map(_read_network, document.parts("docker")))
            if document.optional("docker", list) is not None
            else None,
            facts=_read_facts(document),
            missing=tuple(_read_missing(each) for each in document.parts("missing")),
        )


def _cluster(each: Cluster) -> dict[str, Any]:
    return {
        "networks": list(map(str, each.networks)),
        "origin": each.origin,
        "guessed": each.guessed,
        "local": list(map(str, each.local)),
    }


def _ruleset(each: CollectedRuleset) -> dict[str, Any]:
    return {"backend": str(each.backend), "nat": each.nat, "filtering": each.filtering, "save": each.save}


def _interface(each: Interface) -> dict[str, Any]:
    return {"name": each.name, "kind": each.kind, "bridge": each.bridge, "addresses": list(map(str, each.addresses))}


def _network(each: DockerNetwork) -> dict[str, Any]:
    return {
        "name": each.name,
        "bridge": each.bridge,
        "subnets": [{"subnet": subnet, "gateway": gateway} for subnet, gateway in each.subnets],
        "options": dict(sorted(each.options.items())),
        "internal": each.internal,
        "ipv6": each.ipv6,
    }


def _read_cluster(part: Reader) -> Cluster:
    networks = tuple(part.each("networks", parse_network))
    if not networks or len({each.version for each in networks}) > 1:
        raise part.wrong("networks", "a cluster has networks, all of one family")
    local = tuple(part.each("local", parse_network))
    return Cluster(networks, part.take("origin", str), part.take("guessed", bool), local)


def _read_ruleset(part: Reader) -> CollectedRuleset:
    backend = _BACKENDS.get(part.take("backend", str))
    if backend is None:
        raise part.wrong("backend", f"it is none of {', '.join(_BACKENDS)}")
    return CollectedRuleset(backend, *(part.optional(name, str) for name in ("nat", "filtering", "save")))


def _read_native(document: Reader) -> Mapping[str, Any] | None:
    if document.optional("nft", dict) is None:
        return None
    listing = document.part("nft")
    listing.take("nftables", list)
    return {**listing.data, "nftables": [each.data for each in listing.parts("nftables")]}


def _read_interface(part: Reader) -> Interface:
    addresses = tuple(part.each("addresses", ip_interface))
    return Interface(part.take("name", str), part.take("kind", str), addresses, part.take("bridge", str))


def _read_route(part: Reader) -> Route:
    return Route(part.read("to", parse_network), part.take("via", str), part.take("device", str))


def _read_policies(document: Reader) -> dict[str, tuple[str, ...]]:
    policies = document.part("policies")
    return {family: tuple(policies.each(family, str)) for family in policies.data}


def _read_network(part: Reader) -> DockerNetwork:
    return DockerNetwork(
        name=part.take("name", str),
        bridge=part.take("bridge", str),
        subnets=tuple((each.take("subnet", str), each.take("gateway", str)) for each in part.parts("subnets")),
        options=dict(_texts(part.part("options"))),
        internal=part.take("internal", bool),
        ipv6=part.take("ipv6", bool),
    )


def _read_facts(document: Reader) -> HostFacts:
    # A file of a natfix that did not know one of them has none of it, and nothing is judged by that.
    counters, boot, daemon = map(document.part, ("counters", "boot", "daemon"))
    return HostFacts(
        settings=dict(_texts(document.part("settings"))),
        saved=dict(_texts(document.part("saved"))),
        counters={name: counters.take(name, int) for name in counters.data},
        boot={name: tuple(boot.each(name, str)) for name in boot.data},
        daemon={name: daemon.take(name, bool) for name in daemon.data},
    )


def _texts(part: Reader) -> Iterator[tuple[str, str]]:
    return ((name, part.take(name, str)) for name in part.data)


def _read_missing(part: Reader) -> Missing:
    kind = part.take("kind", str)
    # A later natfix may know of further kinds; all of them keep the host from answering.
    known = kind if kind in {*_ERRORS, ABSENT} else "host"
    return Missing(part.take("part", str), known, part.take("reason", str), part.optional("hint", str) or "")

"""Audit rules are data: one TOML file each, read strictly.

The format is explained in rules/TEMPLATE.toml. Nothing in a file is executed: ``analysis`` names a function of
natfix/audit/analyses.py, ``match`` narrows what it finds by fields, ``fix`` names one of the corrections natfix knows.
"""

from __future__ import annotations

import enum
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from natfix.audit.actor import ACTORS
from natfix.audit.analyses import ANALYSES
from natfix.audit.facts import HostFacts
from natfix.errors import ConfigError
from natfix.ruleset import Family, Network, parse_network

if TYPE_CHECKING:  # Start-up time: an audit reads no examples.
    from natfix.audit.example import Example

FixKind: TypeAlias = Literal["none", "exclude-cluster", "delete"]


class Severity(enum.IntEnum):
    """How much a finding matters; higher is worse."""

    INFO = 1
    LOW = 2
    MEDIUM = 3
    HIGH = 4

    def __str__(self) -> str:
        """Spell it in lower case."""
        return self.name.lower()

    @classmethod
    def parse(cls, text: str) -> Severity:
        """Read ``high`` and its like.

        Raises:
            ConfigError: *text* names no severity.
        """
        try:
            return cls[text.upper()]
        except KeyError:
            names = ", ".join(str(each) for each in reversed(cls))
            raise ConfigError(f"{text!r} is no severity", hint=f"The severities are: {names}.") from None


@dataclass(frozen=True, slots=True)
class AuditRule:
    """One kind of finding.

    Attributes:
        id: ``NAT001``; stable for ever.
        name: ``over-broad-masquerade``.
        severity: of its findings.
        summary: one line.
        rationale: why it matters.
        remediation: what to do, for a person.
        false_positives: where it speaks and is not meant, and what it does not see; empty when its author did not say.
        references: where the facts come from.
        analysis: a name in natfix.audit.analyses.
        area: what it is about, in one word: the folder its file lies in.
        targets: targets of the rules it is about; empty for any.
        actors: programs that wrote the rules it is about; empty for any.
        families: the families it is about.
        fix: what ``natfix apply`` does about it.
        examples: executed by the tests.
    """

    id: str
    name: str
    severity: Severity
    summary: str
    rationale: str
    remediation: str
    references: tuple[str, ...]
    analysis: str
    targets: frozenset[str]
    families: frozenset[Family]
    fix: FixKind
    examples: tuple[Example, ...]
    area: str = "site"
    actors: frozenset[str] = frozenset()
    false_positives: str = ""


def load_rule(data: bytes, source: str, *, examples: bool = True) -> AuditRule:
    """Read one rule file.

    Args:
        data: TOML.
        source: the file's name, for errors.
        examples: whether to read the examples, which stand last in a file and take most of the time.

    Raises:
        ConfigError: it is not TOML, or a field is missing, unknown, of the wrong type, or names what does not exist.
    """
    if not examples:
        data = data.partition(b"\n[[example]]")[0]
    try:
        table = tomllib.loads(data.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{source}: {error}", hint="A rule file is TOML; see rules/TEMPLATE.toml.") from error
    return _Fields(table, source).rule()


class _Fields:
    """Takes fields out of a TOML table and complains about what is left."""

    def __init__(self, table: Mapping[str, Any], source: str, place: str = "") -> None:
        self.left = dict(table)
        self.source = source
        self.place = place

    def rule(self) -> AuditRule:
        match, fix = self.table("match"), self.table("fix")
        made = AuditRule(
            id=self.take("id", str),
            name=self.take("name", str),
            severity=self.severity(),
            summary=self.take("summary", str),
            rationale=self.take("rationale", str).strip(),
            remediation=self.take("remediation", str).strip(),
            references=self.strings("references"),
            analysis=self.one_of("analysis", tuple(ANALYSES)),
            area=self.take("area", str, "site"),
            false_positives=self.take("false_positives", str, "").strip(),
            targets=frozenset(match.strings("target", ())),
            actors=frozenset(match.choices("actor", ACTORS)),
            families=frozenset(match.family(text) for text in match.strings("family", ("ipv4", "ipv6"))),
            fix=fix.one_of("kind", get_args(FixKind), "none"),
            examples=tuple(_Fields(each, self.source, "example.").example() for each in self.take("example", list, [])),
        )
        for fields in (match, fix, self):
            fields.finish()
        return made

    def example(self) -> Example:
        title = self.take("title", str)
        family = self.take("family", str, "")
        from natfix.audit.example import Example  # noqa: PLC0415  (as above: an audit reads none)

        made = Example(
            title=title,
            cluster=tuple(self.network(text) for text in self.strings("cluster")),
            text=self.take("text", str),
            finds=self.strings("finds"),
            certain=self.take("certain", bool, default=True),
            fixed=self.take("fixed", str, default="") or None,
            family=self.family(family) if family else None,
            source=self.take("source", str, title),
            facts=HostFacts.from_json(self.take("facts", dict, {}), f"{self.source}: {self.place}facts"),
        )
        self.finish()
        return made

    def take(self, name: str, kind: type, default: Any = None) -> Any:  # noqa: ANN401  (the caller names the type)
        value = self.left.pop(name, default)
        if value is None:
            raise self.error(name, "is missing")
        if type(value) is not kind:
            raise self.error(name, f"must be a {kind.__name__}, not {value!r}")
        return value

    def strings(self, name: str, default: Sequence[str] | None = None) -> tuple[str, ...]:
        values = self.take(name, list, None if default is None else list(default))
        if not all(isinstance(value, str) for value in values):
            raise self.error(name, "must be a list of texts")
        return tuple(values)

    def choices(self, name: str, known: Sequence[str]) -> tuple[str, ...]:
        values = self.strings(name, ())
        for value in values:
            if value not in known:
                raise self.error(name, f"is {value!r}; the choices are {', '.join(known)}")
        return values

    def table(self, name: str) -> _Fields:
        return _Fields(self.take(name, dict, {}), self.source, f"{name}.")

    def one_of(self, name: str, choices: Sequence[str], default: str | None = None) -> Any:  # noqa: ANN401
        value = self.take(name, str, default)
        if value not in choices:
            raise self.error(name, f"is {value!r}; the choices are {', '.join(choices)}")
        return value

    def severity(self) -> Severity:
        try:
            return Severity.parse(self.take("severity", str))
        except ConfigError as error:
            raise ConfigError(f"{self.source}: severity: {error.message}", hint=error.hint) from None

    def family(self, text: str) -> Family:
        if text not in {"ipv4", "ipv6"}:
            raise self.error("family", f"is {text!r}; the choices are ipv4, ipv6")
        return Family[text.upper()]

    def network(self, text: str) -> Network:
        try:
            return parse_network(text)
        except ValueError as error:
            raise self.error("cluster", str(error)) from error

    def finish(self) -> None:
        if self.left:
            raise self.error(min(self.left), "is not a field of a rule file")

    def error(self, name: str, problem: str) -> ConfigError:
        return ConfigError(f"{self.source}: {self.place}{name} {problem}", hint="See rules/TEMPLATE.toml.")

"""Examples of audit rules: what they must find, and what they must not; for tests of rules alone."""

from __future__ import annotations

from dataclasses import dataclass, field

from natfix.audit.facts import HostFacts
from natfix.ruleset import Family, Network


@dataclass(frozen=True, slots=True)
class Example:
    """A ruleset that comes with an audit rule and is executed by the tests.

    Attributes:
        title: what it shows.
        cluster: the cluster CIDRs.
        text: an iptables-save text.
        finds: the specs of the rules that must be found; empty for an example that must stay silent.
        certain: whether they must be found certain, or possible.
        fixed: what the text must become, when the rule has a fix; None where no fix is meant.
        family: of the nat table it is about; that of the cluster unless it says so.
        source: the name of the text.
        facts: what is known of the host.
    """

    title: str
    cluster: tuple[Network, ...]
    text: str
    finds: tuple[str, ...]
    certain: bool = True
    fixed: str | None = None
    family: Family | None = None
    source: str = ""
    facts: HostFacts = field(default_factory=HostFacts)

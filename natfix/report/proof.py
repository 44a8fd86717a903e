"""What the kernel did with packets, beside what natfix said of them: for people and for programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Literal, TypeAlias

from natfix.audit.claims import Claim
from natfix.packets import Fate
from natfix.report.document import cluster_document, headed, readable
from natfix.report.lines import Line, Style, shown
from natfix.report.model import ClusterOrigin
from natfix.report.text import cluster_lines, count

Verdict: TypeAlias = Literal["agrees", "disagrees", "open"]


@dataclass(frozen=True, slots=True)
class Proof:
    """One claim and what the kernel did.

    Attributes:
        claim: what natfix says of a packet.
        seen: the source address that arrived; None when nothing did.
        expected: the addresses that natfix would accept; empty for any of the range that a rule names, and where none is named
            for any other than the packet's own.
    """

    claim: Claim
    seen: str | None
    expected: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """Whether the kernel agrees; open where natfix itself says that it cannot tell."""
        if self.claim.doubts:
            return "open"
        return "agrees" if self._agrees else "disagrees"

    @property
    def _agrees(self) -> bool:
        own = str(self.claim.packet.source)
        if self.claim.fate is Fate.SOURCE_NAT:
            if self.claim.given is not None:
                return self.seen is not None and self.claim.given.has(ip_address(self.seen))
            return self.seen in self.expected if self.expected else self.seen not in {None, own}
        return self.seen == (None if self.claim.fate is Fate.DROP else own)


@dataclass(frozen=True, slots=True)
class ProvedTable:
    """The rules of one source, as they are or as ``natfix apply`` would leave them.

    Attributes:
        source: a file's name or a backend.
        backend: which iptables loaded them: ``iptables-nft``.
        corrected: whether natfix corrected them first.
        proofs: one for each packet that was sent.
    """

    source: str
    backend: str
    corrected: bool
    proofs: tuple[Proof, ...]


@dataclass(frozen=True, slots=True)
class ProofResult:
    """What ``natfix prove`` found.

    Attributes:
        tables: in the order they were tried.
        clusters: the clusters that decided which packets are sent.
        notes: what else the reader should know.
    """

    tables: tuple[ProvedTable, ...]
    clusters: tuple[ClusterOrigin, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether the kernel disagrees nowhere."""
        return not any(proof.verdict == "disagrees" for table in self.tables for proof in table.proofs)


def joined(results: Iterable[ProofResult]) -> ProofResult:
    """What was found of several sources, as one result; what several say is said once."""
    several = tuple(results)
    return ProofResult(
        tuple(table for each in several for table in each.tables),
        tuple(dict.fromkeys(cluster for each in several for cluster in each.clusters)),
        tuple(dict.fromkeys(note for each in several for note in each.notes)),
    )


_SIGNS: dict[Verdict, tuple[str, Style]] = {
    "agrees": ("proved", "good"),
    "disagrees": ("WRONG", "bad"),
    "open": ("open", "warn"),
}


def proof_lines(result: ProofResult) -> Iterator[Line]:
    """Every packet that was sent, what natfix said, and what arrived."""
    yield from cluster_lines(result.clusters)
    yield from (Line(shown(f"note: {note}"), "warn") for note in result.notes)
    for table in result.tables:
        yield Line()
        state = "as natfix apply would leave it" if table.corrected else "as it is"
        yield Line(shown(f"{table.source}, {state}, loaded with {table.backend}"), "strong")
        for proof in table.proofs:
            yield from _proof_lines(proof)
    yield Line()
    yield _sum(result)


def _proof_lines(proof: Proof) -> Iterator[Line]:
    sign, style = _SIGNS[proof.verdict]
    yield Line(f"  {sign:<7} {proof.claim.packet}", style)
    rule = proof.claim.rule
    decides = f"rule {rule.number} of {rule.home}" if rule else "no rule decides"
    yield Line(shown(f"          natfix says: {_said(proof.claim)} ({decides}){_doubt(proof.claim)}"))
    yield Line(f"          the far end saw: {proof.seen or 'nothing'}")


def _said(claim: Claim) -> str:
    if claim.fate is Fate.SOURCE_NAT:
        return f"its source becomes {_given(claim)}"
    return "it is dropped" if claim.fate is Fate.DROP else "it keeps its source"


def _given(claim: Claim) -> str:
    if claim.given is None:
        masked = claim.rule is None or claim.rule.target == "MASQUERADE"
        return "the address of the device it leaves by" if masked else "another"
    return str(claim.given) if claim.given.first == claim.given.last else f"one of {claim.given}"


def _doubt(claim: Claim) -> str:
    return f", perhaps: it depends on {'; '.join(claim.doubts)}" if claim.doubts else ""


def _sum(result: ProofResult) -> Line:
    verdicts = [proof.verdict for table in result.tables for proof in table.proofs]
    if not verdicts:
        return Line("nothing to prove: no packet goes from a container subnet of this host to the rest of the cluster", "warn")
    left = f"; {verdicts.count('open')} open, as natfix says itself" if "open" in verdicts else ""
    if not result.holds:
        wrong = verdicts.count("disagrees")
        return Line(f"the kernel disagrees about {count(wrong, 'packet')}: a defect of natfix, please report it{left}", "bad")
    return Line(f"the kernel agrees about {count(verdicts.count('agrees'), 'packet')}{left}", "good")


def proof_document(result: ProofResult) -> dict[str, Any]:
    """Every packet that was sent; docs/schemas/proof-1.json."""
    return headed(
        holds=result.holds,
        clusters=[cluster_document(cluster) for cluster in result.clusters],
        notes=[readable(note) for note in result.notes],
        tables=[
            {
                "source": readable(table.source),
                "backend": table.backend,
                "corrected": table.corrected,
                "proofs": [_proof_document(proof) for proof in table.proofs],
            }
            for table in result.tables
        ],
    )


def _proof_document(proof: Proof) -> dict[str, Any]:
    claim, packet = proof.claim, proof.claim.packet
    return {
        "packet": str(packet),
        "source": str(packet.source),
        "destination": str(packet.destination),
        "in_interface": packet.in_interface,
        "out_interface": packet.out_interface,
        "said": claim.fate.value,
        "rule": readable(str(claim.rule)) if claim.rule else None,
        "doubts": [readable(doubt) for doubt in claim.doubts],
        "expected": list(proof.expected),
        "becomes": str(claim.given) if claim.given else None,
        "seen": proof.seen,
        "verdict": proof.verdict,
    }

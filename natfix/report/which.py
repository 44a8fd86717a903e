"""What a finding says, and of which packets, where it is about some of those alone that must keep their source."""

from __future__ import annotations

from natfix.audit import Finding

_NAMED = 3


def said(finding: Finding) -> str:
    """The message of a finding; of one that some packets alone meet, with the words that tell these from the others."""
    if not finding.partial:
        return finding.message
    from natfix.report.packets import described  # noqa: PLC0415  (start-up time: most findings are about all packets)

    which = list(dict.fromkeys(described(each, finding.whole) for each in finding.packets))
    more = f"; or {len(which) - _NAMED} more sets of packets" if len(which) > _NAMED else ""
    return f"{finding.message}; only these packets: {'; or '.join(which[:_NAMED])}{more}"

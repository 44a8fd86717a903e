"""natfix/nft/overlap.py: keys of a map of which a packet can meet two."""

from typing import Any

import pytest

from natfix.nft import overlap
from natfix.nft.overlap import overlapping


def net(addr: str, length: int) -> dict[str, Any]:
    return {"prefix": {"addr": addr, "len": length}}


def span(first: Any, last: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"range": [first, last]}


def key(*parts: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"concat": list(parts)}


@pytest.mark.parametrize(
    ("one", "other", "is_shared"),
    [
        (key(net("10.0.0.0", 8), span(1, 100)), key(net("10.1.0.0", 16), 50), True),
        (key(net("10.0.0.0", 8), span(1, 100)), key(net("10.1.0.0", 16), 101), False),
        (key(net("10.0.0.0", 8), 80), key("10.0.0.1", 80), True),
        (key(net("10.0.0.0", 8), 80), key("11.0.0.1", 80), False),
        (key(span("10.0.0.1", "10.0.0.9"), 80), key("10.0.0.9", 80), True),
        (key("10.0.0.1", "eth*"), key("10.0.0.1", "eth0"), True),
        (key("10.0.0.1", "eth*"), key("10.0.0.1", "docker0"), False),
        (key(net("10.0.0.0", 8), "tcp"), key("10.0.0.1", "udp"), False),
        (key(net("10.0.0.0", 8), 6), key("10.0.0.1", "udp"), True),
        # What is no range is there once.
        (key("10.0.0.1", 6), key("10.0.0.1", "tcp"), False),
        (net("10.0.0.0", 8), "10.0.0.1", False),
    ],
)
def test_keys_share_a_packet_where_each_of_their_parts_does(one: Any, other: Any, is_shared: bool) -> None:  # noqa: ANN401, FBT001
    found = overlapping([one, other])
    assert [each in found for each in (one, other)] == [is_shared, is_shared]
    assert overlapping([one]) == []


def test_too_many_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlap, "_MOST_PAIRS", 1)
    keys = [key(net("10.0.0.0", 8), 1), key("11.0.0.1", 1), "x"]
    assert overlapping(keys) == keys[:2]

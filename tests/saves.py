"""What the save programs of iptables print, as tests compare it."""

import re

# A chain with its policy and what it has counted, which any packet of anybody's changes.
_COUNTED = re.compile(r"^(:\S+ \S+ )\[\d+:\d+]")


def comparable(saved: str) -> list[str]:
    """Return the lines of what was saved, but for the time of day and what chains have counted."""
    return [_COUNTED.sub(r"\1[0:0]", line) for line in saved.splitlines() if not line.startswith("#")]

"""natfix/packets/sets.py: what sets are called, without what reads them."""

import subprocess
import sys
from collections.abc import Mapping
from typing import get_origin

from natfix.packets.sets import IpSets


def test_sets_are_known_by_their_names() -> None:
    assert get_origin(IpSets) is Mapping


def test_who_walks_a_table_needs_nothing_that_reads_sets() -> None:
    code = "import sys, natfix.packets.trace; sys.exit('natfix.packets.ipset' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

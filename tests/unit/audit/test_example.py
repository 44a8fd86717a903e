"""natfix/audit/example.py: what a rule file's examples say."""

import subprocess
import sys

from natfix.audit import HostFacts
from natfix.audit.example import Example


def test_an_example_says_as_little_as_it_needs() -> None:
    example = Example("silent", (), "*nat\nCOMMIT\n", ())
    assert (example.certain, example.fixed, example.family, example.source, example.facts) == (
        True,
        None,
        None,
        "",
        HostFacts(),
    )


def test_an_audit_reads_none() -> None:
    code = "import sys, natfix.audit; sys.exit('natfix.audit.example' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

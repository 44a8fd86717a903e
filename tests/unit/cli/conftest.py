"""Tests here run the command line."""

from tests.unit.cli.program import natfix as natfix  # noqa: PLC0414  (a fixture is found by its name in here)

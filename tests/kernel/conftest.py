"""Tests here can run in a network namespace of their own."""

from tests.netns import netns as netns  # noqa: PLC0414  (a fixture is found by its name in here)

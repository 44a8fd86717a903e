"""Tests here can run in a network namespace, or on a whole host, of their own."""

from tests.kernel.hosts import host as host  # noqa: PLC0414  (a fixture is found by its name in here)
from tests.netns import netns as netns  # noqa: PLC0414

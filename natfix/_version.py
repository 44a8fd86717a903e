"""The version of natfix, in one place: packaging, ``natfix --version`` and reports read it from here."""

__version__ = "0.1.0"

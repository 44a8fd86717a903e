"""``python -m natfix``."""

from __future__ import annotations

from natfix.cli.start import main

if __name__ == "__main__":
    main()

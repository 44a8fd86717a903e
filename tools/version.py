"""Give natfix another version, in each place that says it.

From the root of the repository::

    .venv/bin/python -m tools.version 0.2.0 2026-12-01

The day is that of the heading in CHANGELOG.md under which everything unreleased comes. Without it the changelog stays.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Where it is told; the version stands between the two groups.
PLACES = {
    "natfix/_version.py": r'^(__version__ = ")[^"]+(")$',
    "packaging/rpm/natfix.spec": r"^(Version: +)\S+()$",
}
UNRELEASED = "## [Unreleased]\n"


def change(root: Path, version: str, day: str = "") -> list[Path]:
    """Write *version* everywhere in the tree *root*, and return the files that say it.

    Raises:
        ValueError: a file does not say its version as it should, or the changelog has nothing unreleased.
    """
    changed = []
    for name, pattern in PLACES.items():
        path = root / name
        text, found = re.subn(pattern, rf"\g<1>{version}\g<2>", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        if found != 1:
            raise ValueError(f"{path} does not say its version once")
        path.write_text(text, encoding="utf-8")
        changed.append(path)
    if day:
        path = root / "CHANGELOG.md"
        before, heading, after = path.read_text(encoding="utf-8").partition(UNRELEASED)
        if not after.strip() or after.lstrip().startswith("## "):
            raise ValueError(f"{path} has nothing unreleased")
        path.write_text(f"{before}{heading}\n## [{version}] - {day}\n{after}", encoding="utf-8")
        changed.append(path)
    return changed


if __name__ == "__main__":
    for written in change(ROOT, *sys.argv[1:]):
        print(written.relative_to(ROOT))

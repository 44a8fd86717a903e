"""Write docs/rules/, a page for each audit rule, and the table of docs/rules.md, from the rule files.

    python tools/rule_pages.py

The tests say when this must be run again.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from natfix.host.catalogue import packaged_rules, read_catalogue
from natfix.report.rules import markdown, markdown_table

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- rules: written by tools/rule_pages.py -->\n", "<!-- end of rules -->\n"


def pages() -> Mapping[Path, str]:
    """Every page, by its path below docs/."""
    catalogue = read_catalogue(local=str(packaged_rules() / "none"), examples=True)
    index = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
    before, _, rest = index.partition(BEGIN)
    _, _, after = rest.partition(END)
    made = {Path("rules.md"): f"{before}{BEGIN}{markdown_table(catalogue)}{END}{after}"}
    return made | {Path("rules", f"{kind.id}.md"): markdown(kind) for kind in catalogue}


def main() -> None:
    """Write what differs, and remove pages of rules that are gone."""
    made = pages()
    folder = ROOT / "docs" / "rules"
    folder.mkdir(exist_ok=True)
    for path, text in made.items():
        (ROOT / "docs" / path).write_text(text, encoding="utf-8")
    for path in folder.glob("*.md"):
        if path.relative_to(ROOT / "docs") not in made:
            path.unlink()
    print(f"{len(made) - 1} pages in docs/rules")


if __name__ == "__main__":
    main()

"""docs/rules/ is what tools/rule_pages.py writes from the rule files."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
_SPEC = importlib.util.spec_from_file_location("rule_pages", ROOT / "tools" / "rule_pages.py")
assert _SPEC is not None
assert _SPEC.loader is not None
rule_pages = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(rule_pages)
PAGES: dict[Path, str] = dict(rule_pages.pages())


def test_every_page_is_as_the_rule_files_say() -> None:
    wrong = [str(path) for path, text in PAGES.items() if (ROOT / "docs" / path).read_text(encoding="utf-8") != text]
    assert wrong == [], "run: python tools/rule_pages.py"


def test_no_page_is_of_a_rule_that_is_gone() -> None:
    assert sorted((ROOT / "docs" / "rules").glob("*.md")) == sorted(ROOT / "docs" / path for path in PAGES if path.parent.name)


@pytest.mark.parametrize("path", PAGES, ids=str)
def test_a_page_has_no_line_that_markdown_would_misread(path: Path) -> None:
    outside = re.sub(r"```text\n.*?```", "", PAGES[path], flags=re.DOTALL)
    assert [line for line in outside.splitlines() if re.match(r"\s*#", line) and not re.match(r"#{1,3} \S", line)] == []
    assert outside.count("```") % 2 == 0

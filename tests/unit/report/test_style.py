"""natfix/report/style.py: the look of the page."""

import re

import pytest

from natfix.report.style import DARK, LIGHT, PAIRS, sheet


def luminance(colour: str) -> float:
    """The relative luminance of ``#rrggbb`` (WCAG 2.2)."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("letters", "ground"), PAIRS)
def test_letters_can_be_read_on_what_they_stand_on(palette: dict[str, str], letters: str, ground: str) -> None:
    darker, lighter = sorted((luminance(palette[letters]), luminance(palette[ground])))
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5


def test_the_contrast_that_is_asked_for_is_that_of_the_guidelines() -> None:
    assert (luminance("#ffffff") + 0.05) / (luminance("#000000") + 0.05) == pytest.approx(21)


def test_both_palettes_have_the_same_colours_and_the_sheet_uses_no_other() -> None:
    assert LIGHT.keys() == DARK.keys()
    assert set(re.findall(r"var\(--([\w-]+)\)", sheet())) == LIGHT.keys()


def test_the_dark_palette_is_for_dark_systems() -> None:
    light, _, dark = sheet().partition("@media (prefers-color-scheme:dark)")
    assert f"--page:{LIGHT['page']}" in light
    assert f"--page:{DARK['page']}" in dark


def test_the_sheet_loads_nothing() -> None:
    assert "url(" not in sheet()
    assert "@import" not in sheet()

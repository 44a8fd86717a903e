"""The picture of the two hosts is what its script draws."""

import xml.etree.ElementTree as ET

import pytest

from tools.draw_hosts import PICTURE, draw
from tools.draw_hosts_narrow import NARROW, draw_narrow


def test_the_picture_in_the_repository_is_the_one_that_the_script_draws() -> None:
    assert PICTURE.read_bytes() == draw().encode(), "run: python tools/draw_hosts.py"
    assert NARROW.read_bytes() == draw_narrow().encode(), "run: python tools/draw_hosts_narrow.py"


@pytest.mark.parametrize("text", [draw(), draw_narrow()], ids=["wide", "narrow"])
def test_the_picture_is_well_formed_and_tells_its_content_in_words(text: str) -> None:
    root = ET.fromstring(text)  # noqa: S314 - it is our own text.
    named = {element.tag.rpartition("}")[2]: element.text for element in root}
    assert named["title"]
    assert "10.4.7.21" in str(named["desc"])

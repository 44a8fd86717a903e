"""natfix/report/svg.py: the way of a packet as a picture."""

import re
from xml.etree import ElementTree as ET

import pytest

from natfix.report.chart import Box, Row, Way
from natfix.report.svg import WIDTH, described_way, draw, printable
from tests.unit.report.results import NESTED, looked_at

SVG = "{http://www.w3.org/2000/svg}"
PACKET = "tcp 172.7.21.2:40000 -> 172.7.22.2:80 out eth0"
INNER = Box("INNER", 3, (Row("2 more rules"), Row("-j MASQUERADE", 3, taken=True, mark="culprit")))
OUTER = Box("OUTER", 2, (Row("-s 172.7.21.0/24 -j INNER", 1, taken=True, box=INNER), Row("-j OTHER", 2, box=Box("OTHER", 1))))


def drawn(way: Way) -> ET.Element:
    """The picture, read as XML."""
    text = draw(way, PACKET, "f1", "the <way>")
    return ET.fromstring(text.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))  # noqa: S314


def of(picture: ET.Element, name: str, kind: str) -> list[ET.Element]:
    """The shapes of a class."""
    return [each for each in picture.iter(f"{SVG}{name}") if kind in str(each.get("class")).split()]


def corners(path: str) -> list[tuple[float, float]]:
    """The points of a path of M, V, H and a tip."""
    points: list[tuple[float, float]] = []
    left = top = 0.0
    for letter, numbers in re.findall(r"([MVH])([\d. ]+)", path.partition(" m")[0]):
        values = [float(number) for number in numbers.split()]
        left = values[0] if letter in "MH" else left
        top = values[-1] if letter in "MV" else top
        points.append((left, top))
    return points


def test_the_way_touches_each_rule_it_matches_and_ends_at_its_end() -> None:
    picture = drawn(Way(OUTER, decided=True, good=False, end="172.7.21.2 leaves as 10.4.7.21"))
    (line,) = of(picture, "path", "way")
    way = corners(str(line.get("d")))
    dots = [(float(each.get("cx", 0)), float(each.get("cy", 0))) for each in of(picture, "circle", "dot")]
    assert len(dots) == 2
    assert set(dots) <= set(way)
    (culprit,) = of(picture, "rect", "culprit")
    top, height = float(culprit.get("y", 0)), float(culprit.get("height", 0))
    assert top < dots[-1][1] < top + height
    (end,) = of(picture, "rect", "end")
    assert way[-1][1] == float(end.get("y", 0))
    assert {str(each.get("class")) for each in (line, end)} == {"way bad", "end bad"}


def test_the_way_goes_downwards_only() -> None:
    for place in looked_at(NESTED).places:
        assert place.chart is not None
        for way in filter(None, (place.chart.before, place.chart.after)):
            (line,) = of(drawn(way), "path", "way")
            heights = [top for _, top in corners(str(line.get("d")))]
            assert heights == sorted(heights)


def test_a_packet_that_passes_goes_through_to_the_end() -> None:
    passing = Way(
        Box("POSTROUTING", 1, (Row("-s 10.0.0.1/32 -j ACCEPT", 1),)), decided=False, good=True, end="leaves as it came"
    )
    picture = drawn(passing)
    (line,) = of(picture, "path", "way")
    assert {left for left, _ in corners(str(line.get("d")))} == {13.0}
    assert of(picture, "circle", "dot") == []
    assert len(of(picture, "rect", "good")) == 1


def test_a_packet_that_comes_back_from_a_chain_passes_in_the_outer_one() -> None:
    picture = drawn(Way(OUTER, decided=False, good=True, end="leaves"))
    (line,) = of(picture, "path", "way")
    assert corners(str(line.get("d")))[-1][0] == 13.0


def test_everything_lies_inside_the_picture_and_no_box_covers_another_that_is_not_in_it() -> None:
    for place in looked_at(NESTED).places:
        assert place.chart is not None
        picture = drawn(place.chart.before)
        height = float(str(picture.get("viewBox")).split()[-1])
        boxes = [
            tuple(float(each.get(name, 0)) for name in ("x", "y", "width", "height")) for each in of(picture, "rect", "box")
        ]
        for left, top, wide, high in boxes:
            assert left >= 0
            assert left + wide <= WIDTH
            assert top + high <= height
        for one in boxes:
            for other in boxes:
                assert _within(one, other) or _within(other, one) or _apart(one, other)


def _within(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return (
        other[0] <= one[0]
        and one[0] + one[2] <= other[0] + other[2]
        and other[1] <= one[1]
        and one[1] + one[3] <= other[1] + other[3]
    )


def _apart(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[1] + one[3] <= other[1] or other[1] + other[3] <= one[1]


def test_no_line_of_words_is_wider_than_its_box() -> None:
    long = Box("CHAIN", 1, (Row(f'-m comment --comment "{"x" * 300}" -j MASQUERADE', 1, taken=True, mark="new"),))
    nested = long
    for depth in range(10):
        nested = Box(f"C{depth}", 1, (Row("-j NEXT", 1, taken=True, box=nested),))
    picture = drawn(Way(nested, decided=True, good=True, end="end"))
    for each in picture.iter(f"{SVG}text"):
        assert float(each.get("x", 0)) + len(str(each.text)) * 6.65 <= WIDTH


def test_the_picture_is_told_in_words_too() -> None:
    picture = drawn(Way(OUTER, decided=True, good=False, end="172.7.21.2 leaves as 10.4.7.21"))
    title, words = picture[0], picture[1]
    assert (picture.get("role"), picture.get("aria-labelledby")) == ("img", f"{title.get('id')} {words.get('id')}")
    assert title.text == "the <way>"
    assert words.text == (
        f"{PACKET} comes to OUTER. It matches rule 1 of OUTER: -s 172.7.21.0/24 -j INNER. "
        "It matches rule 3 of INNER: -j MASQUERADE. 172.7.21.2 leaves as 10.4.7.21."
    )
    assert list(described_way(Way(Box("A", 0), decided=False, good=True, end="x"), "p")) == ["p comes to A.", "x."]


def test_a_policy_is_the_last_row_and_the_way_ends_below_it() -> None:
    box = Box("FORWARD", 1, (Row("-j DOCKER-USER", 1, taken=True), Row("policy DROP", mark="culprit")))
    way = Way(box, decided=False, good=False, end="dropped, and nobody is told")
    picture = drawn(way)
    words = [each.text for each in picture.iter(f"{SVG}text")]
    assert words[-3:] == ["policy DROP", "what this is about", "dropped, and nobody is told"]
    (line,) = of(picture, "path", "way")
    assert corners(str(line.get("d")))[-1][0] == corners(str(line.get("d")))[0][0]
    assert "No rule of FORWARD decides, and its policy DROP does." in list(described_way(way, "p"))


@pytest.mark.parametrize(
    ("mark", "note"),
    [("culprit", "the rule this is about"), ("new", "put there by natfix apply"), ("first", "decides first, as things stand")],
)
def test_no_colour_speaks_alone(mark: str, note: str) -> None:
    picture = drawn(Way(Box("A", 1, (Row("-j X", 1, mark=mark),)), decided=False, good=True, end="x"))  # type: ignore[arg-type]
    assert note in [each.text for each in picture.iter(f"{SVG}text")]


def test_what_xml_cannot_hold_is_shown_as_such() -> None:
    assert printable("a\x1b\udcff\tb") == "a\ufffd\ufffd b"

"""natfix/app/json_reader.py: what is wrong with a document is named by its place."""

from collections.abc import Callable
from typing import Any

import pytest

from natfix.app.json_reader import Reader
from natfix.errors import RulesetSyntaxError, UsageError
from natfix.ruleset import parse_network


def reader(**data: Any) -> Reader:  # noqa: ANN401  (JSON)
    return Reader(data, "x.natfix", hint="Make it again.")


def test_what_is_no_json_is_pointed_at() -> None:
    with pytest.raises(RulesetSyntaxError) as caught:
        Reader.of_text(b'{"a": 1,\n "b" 2}', "x.natfix", "Make it again.")
    assert (caught.value.line, caught.value.column, caught.value.hint) == (2, 6, "Make it again.")
    assert caught.value.message.endswith(' "b" 2}\n         ^')


@pytest.mark.parametrize("text", [b"[1]", b"7", b"null", b'{"a":' + b"[" * 200_000])
def test_what_is_json_and_no_object_is_refused(text: bytes) -> None:
    with pytest.raises(UsageError, match=r"x\.natfix: it is"):
        Reader.of_text(text, "x.natfix", "")


@pytest.mark.parametrize(
    ("ask", "place"),
    [
        (lambda one: one.take("gone", str), "gone: it is missing"),
        (lambda one: one.take("number", str), "number: it must be text"),
        (lambda one: one.take("text", int), "text: it must be a number"),
        (lambda one: one.take("yes", int), "yes: it must be a number"),
        (lambda one: one.optional("text", list), "text: it must be a list"),
        (lambda one: one.part("text"), "text: it must be an object"),
        (lambda one: list(one.parts("part")), "part: it must be a list"),
        (lambda one: list(one.parts("mixed")), r"mixed\[1\]: it must be an object"),
        (lambda one: next(one.parts("mixed")).take("b", str), r"mixed\[0\]\.b: it is missing"),
        (lambda one: one.part("part").part("inner").take("c", bool), r"part\.inner\.c: it is missing"),
        (lambda one: one.read("text", parse_network), "text: Expected 4 octets"),
        (lambda one: one.read("networks", parse_network), "networks: it must be text"),
        (lambda one: list(one.each("networks", parse_network)), r"networks\[1\]: it must be text"),
        (lambda one: list(one.each("words", parse_network)), r"words\[0\]: Expected 4 octets"),
        (lambda one: list(one.each("text", parse_network)), "text: it must be a list"),
        (lambda one: list(one.each("gone", parse_network)), "gone: it is missing"),
    ],
)
def test_what_is_of_another_kind_is_named_by_its_place(ask: Callable[[Reader], object], place: str) -> None:
    document = reader(
        text="word", number=1, yes=True, part={"inner": {}}, mixed=[{}, 1], networks=["10.0.0.0/8", 7], words=["word"],
    )  # fmt: skip
    with pytest.raises(UsageError, match=f"x.natfix: {place}") as caught:
        ask(document)
    assert caught.value.hint == "Make it again."


def test_what_may_be_left_out_is_empty() -> None:
    document = reader(none=None)
    assert (document.optional("none", str), document.optional("gone", str)) == (None, None)
    assert (document.part("none").data, list(document.parts("gone"))) == ({}, [])


def test_texts_are_read_one_or_many() -> None:
    document = reader(one="10.0.0.0/8", many=["10.0.0.0/8", "fd00::/8"], none=[])
    assert document.read("one", parse_network) == parse_network("10.0.0.0/8")
    assert list(document.each("many", str.upper)) == ["10.0.0.0/8", "FD00::/8"]
    assert list(document.each("none", parse_network)) == []

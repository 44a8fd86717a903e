"""Read JSON that somebody else may have written: what is wrong with it is named by its place, such as ``routes[2].to``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from natfix.errors import RulesetSyntaxError, UsageError

Taken = TypeVar("Taken")

_CALLED = {str: "text", int: "a number", bool: "true or false", dict: "an object", list: "a list"}


@dataclass(frozen=True, slots=True)
class Reader:
    """One object of a document.

    Attributes:
        data: the object.
        source: the name of the document.
        place: where the object stands in it; empty for the whole.
        hint: what to do about a document that is wrong.
    """

    data: Mapping[str, Any]
    source: str
    place: str = ""
    hint: str = ""

    @classmethod
    def of_text(cls, text: bytes, source: str, hint: str) -> Self:
        """Read a document that is one object.

        Raises:
            RulesetSyntaxError: *text* is no JSON; points at the place.
            UsageError: it is JSON, and no object.
        """
        decoded = text.decode("utf-8", "surrogateescape")
        try:
            data = json.loads(decoded)
        except json.JSONDecodeError as error:
            lines = decoded.split("\n")
            raise RulesetSyntaxError(
                f"this is no JSON: {error.msg}",
                source=source,
                line=error.lineno,
                column=error.colno,
                text=lines[error.lineno - 1],
                hint=hint,
            ) from error
        except RecursionError as error:
            raise UsageError(f"{source}: it is nested too deeply", hint=hint) from error
        if not isinstance(data, dict):
            raise UsageError(f"{source}: it is JSON, and no object", hint=hint)
        return cls(data, source, hint=hint)

    def take(self, name: str, kind: type[Taken]) -> Taken:
        """What *name* holds.

        Raises:
            UsageError: it is not there, or of another kind.
        """
        if name not in self.data:
            raise self.wrong(name, "it is missing")
        value = self.data[name]
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self.wrong(name, f"it must be {_CALLED[kind]}")
        return value

    def optional(self, name: str, kind: type[Taken]) -> Taken | None:
        """What *name* holds; None when it is null or not there.

        Raises:
            UsageError: it is of another kind.
        """
        return None if self.data.get(name) is None else self.take(name, kind)

    def part(self, name: str) -> Self:
        """The object that *name* holds; an empty one when it is not there.

        Raises:
            UsageError: it is no object.
        """
        return type(self)(self.optional(name, dict) or {}, self.source, f"{self._at(name)}.", self.hint)

    def parts(self, name: str) -> Iterator[Self]:
        """The objects of the list that *name* holds; none when it is not there.

        Raises:
            UsageError: it is no list of objects.
        """
        for number, each in enumerate(self.optional(name, list) or ()):
            if not isinstance(each, dict):
                raise self.wrong(f"{name}[{number}]", "it must be an object")
            yield type(self)(each, self.source, f"{self._at(name)}[{number}].", self.hint)

    def read(self, name: str, reading: Callable[[str], Taken]) -> Taken:
        """What *reading* makes of the text that *name* holds.

        Raises:
            UsageError: it is no text, or *reading* raises ValueError.
        """
        return self._read(name, self.take(name, str), reading)

    def each(self, name: str, reading: Callable[[str], Taken]) -> Iterator[Taken]:
        """What *reading* makes of each text of the list that *name* holds.

        Raises:
            UsageError: it is no list of texts, or *reading* raises ValueError.
        """
        for number, text in enumerate(self.take(name, list)):
            yield self._read(f"{name}[{number}]", text, reading)

    def _read(self, place: str, text: object, reading: Callable[[str], Taken]) -> Taken:
        if not isinstance(text, str):
            raise self.wrong(place, "it must be text")
        try:
            return reading(text)
        except ValueError as error:
            raise self.wrong(place, str(error)) from error

    def wrong(self, name: str, problem: str) -> UsageError:
        """The error that says what is wrong with *name*."""
        return UsageError(f"{self.source}: {self._at(name)}: {problem}", hint=self.hint or None)

    def _at(self, name: str) -> str:
        return f"{self.place}{name}"

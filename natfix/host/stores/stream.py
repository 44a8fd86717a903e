"""An answer that goes on and on, read line by line."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from natfix.errors import HostError
from natfix.host.stores.reasons import reason

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

_CHUNK = 1 << 16


class Stream:
    """The answer, for one thread; another may end it.

    Args:
        response: of which the headers are there.
        url: where it comes from.
        name: what that is, for errors.

    Attributes:
        status: of HTTP.
        headers: of HTTP.
        url: see above.
    """

    def __init__(self, response: BaseHTTPResponse, url: str, name: str) -> None:
        self.status = response.status
        self.headers = response.headers
        self.url = url
        self._response = response
        self._name = name

    def lines(self) -> Iterator[bytes]:
        """Give each line when it is there, without its ending; the last one also when none ends it.

        Raises:
            TimeoutError: nothing came for as long as was said.
            HostError: the connection broke.
        """
        rest = b""
        for chunk in self._chunks():
            *lines, rest = (rest + chunk).split(b"\n")
            yield from lines
        if rest:
            yield rest

    def end(self) -> None:
        """Let whoever waits for a line find the end, from any thread; a second time does nothing."""
        with contextlib.suppress(OSError, RuntimeError, ValueError):  # It has come to its end by itself.
            self._response.shutdown()

    def drop(self) -> None:
        """Close the connection; only the thread that reads may do so."""
        self._response.close()

    def _chunks(self) -> Iterator[bytes]:
        from urllib3.exceptions import HTTPError  # noqa: PLC0415
        from urllib3.exceptions import TimeoutError as NoAnswer  # noqa: PLC0415

        try:
            yield from self._response.stream(_CHUNK)
        except NoAnswer as error:
            raise TimeoutError from error
        except (HTTPError, OSError) as error:
            raise HostError(f"the connection to {self._name} at {self.url} broke: {reason(error)}") from error

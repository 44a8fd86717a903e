"""The plain words in what an HTTP library complains of."""

from __future__ import annotations

from collections.abc import Iterator


def reason(error: BaseException) -> str:
    """Find the plain words in a chain of errors: the system's, or those about a certificate."""
    chain = list(_chain(error))
    for one in chain:
        if words := getattr(one, "verify_message", None):
            return f"its certificate is not believed: {words}"
    for one in reversed(chain):
        if isinstance(one, OSError) and one.strerror:
            return one.strerror
    return str(error)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__

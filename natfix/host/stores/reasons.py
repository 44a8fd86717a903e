"""The plain words in what an HTTP library complains of."""

from __future__ import annotations

from collections.abc import Iterator


def reason(error: BaseException) -> str:
    """Find the plain words in a chain of errors: the system's, or those about a certificate."""
    chain = list(_chain(error))
    for one in chain:
        if words := getattr(one, "verify_message", None):
            return f"its certificate is not believed: {words}"
    if any(type(one).__module__ == "ssl" for one in chain):
        return f"the encrypted connection failed: it speaks no TLS, or wants another certificate from us ({chain[-1]})"
    if any(type(one).__name__ == "RemoteDisconnected" for one in chain):
        return "it hung up without an answer, as one does that wants https:// and hears http://"
    for one in reversed(chain):
        if isinstance(one, OSError) and one.strerror:
            return one.strerror
    return str(error)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__

"""Read nft's own tables while natfix is still importing what looks at them.

On a host with 36,000 chains the kernel takes 33 ms to list them, and Python as long to import what a check needs.
"""

from __future__ import annotations

import threading
from collections.abc import Collection

from natfix.app.ports import NftListing
from natfix.ruleset import Family


class ReadAhead(NftListing):
    """A listing that is read from now on, by another thread, and given to the first who asks.

    Args:
        listing: what is read.
    """

    def __init__(self, listing: NftListing) -> None:
        self._listing = listing
        self._data: bytes | None = None
        self._error: Exception | None = None
        self._thread: threading.Thread | None = threading.Thread(target=self._read)
        self._thread.start()

    def read(self, also: Collection[Family] = ()) -> bytes | None:
        """What was read; whoever asks once more, or for more, has it read anew."""
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()
        if also or thread is None:
            return self._listing.read(also)
        if self._error is not None:
            raise self._error
        return self._data

    def _read(self) -> None:
        try:
            self._data = self._listing.read()
        except Exception as error:  # noqa: BLE001  (whoever asks gets it)
            self._error = error

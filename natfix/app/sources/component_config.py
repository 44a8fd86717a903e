"""One top-level text out of a Kubernetes component's configuration file, YAML or JSON.

PyYAML costs 21 to 27 ms to import, a fifth of the time a whole check of a host may take, and reads aliases that grow without
bound from files that pods mount. natfix needs one scalar of the top level, and what YAML 1.2 says about those is little:

* a key of a top-level block mapping stands at column 0, and nothing else of it does: the lines of a nested mapping, of a
  block scalar and of a scalar that goes on are indented (section 8.2.2, 6.1);
* a plain scalar ends at the line's end or at `` #`` (section 7.3.3); a quoted one at its quote.

A value written with a tag, an anchor or over several lines is not read: it is no network, and then another source is asked.
"""

from __future__ import annotations

import re

_EMPTY = frozenset({"", "~", "null", "Null", "NULL"})


def top_level_text(data: bytes, key: str) -> str:
    """Find the text that *key* has in any document of *data*.

    Returns:
        The first that is not empty; an empty text when there is none, or it is something else than a text.
    """
    text = data.decode("utf-8-sig", "replace")
    if text.lstrip().startswith("{"):
        return _from_json(text, key)
    found = re.finditer(rf"^([\"']?){re.escape(key)}\1[ \t]*:(?:[ \t]+(.*))?$", text, re.MULTILINE)
    values = (_scalar(match[2] or "") for match in found)
    return next((value for value in values if value), "")


def _scalar(written: str) -> str:
    written = written.strip()
    if written[:1] in {'"', "'"}:
        return written[1:].partition(written[0])[0]
    plain = "" if written.startswith("#") else re.split(r"[ \t]#", written, maxsplit=1)[0].rstrip()
    return "" if plain in _EMPTY else plain


def _from_json(text: str, key: str) -> str:
    import json  # noqa: PLC0415  (few hosts have a configuration in JSON)

    try:
        value = json.loads(text).get(key)
    except (ValueError, RecursionError):
        return ""
    return value if isinstance(value, str) else ""

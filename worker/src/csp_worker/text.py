"""What may be in the text of an event: valid Unicode, and not too much of it.

Tools print anything: lone surrogates, megabytes, NUL bytes. PostgreSQL's json type takes all but
the surrogates, which become U+FFFD; NUL stays, as its escape. What is too long keeps its head and
its tail, since errors stand at the end.
"""

from __future__ import annotations

import re
from typing import Any

_SURROGATES = re.compile("[\ud800-\udfff]")
TEXT_LIMIT = 256 * 1024


def clean(text: str) -> str:
    """The same text with lone surrogates replaced; the usual case costs one scan."""
    try:
        text.encode()
    except UnicodeEncodeError:
        # A pair that was split in two code units is one character; only what is left is broken.
        joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return _SURROGATES.sub("\ufffd", joined)
    return text


def clean_json(value: Any) -> Any:
    """`clean` in every string and key of a JSON value."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(str(key)): clean_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean_json(item) for item in value]
    return value


def cap(text: str, limit: int = TEXT_LIMIT) -> tuple[str, int]:
    """At most `limit` bytes of UTF-8, and how many bytes were cut out of the middle."""
    if len(text) * 4 <= limit:
        return text, 0
    raw = text.encode("utf-8", "replace")
    if len(raw) <= limit:
        return text, 0
    half = limit // 2
    head = raw[:half].decode("utf-8", "ignore")
    tail = raw[len(raw) - half :].decode("utf-8", "ignore")
    cut = len(raw) - len(head.encode()) - len(tail.encode())
    return f"{head}\n[... {cut} bytes left out ...]\n{tail}", cut


def cap_json(value: Any, limit: int) -> tuple[Any, int]:
    """`cap` for every string of a JSON value; returns how many bytes were cut in all."""
    if isinstance(value, str):
        return cap(value, limit)
    if isinstance(value, dict):
        pairs = {key: cap_json(item, limit) for key, item in value.items()}
        return {key: item for key, (item, _) in pairs.items()}, sum(n for _, n in pairs.values())
    if isinstance(value, list):
        items = [cap_json(item, limit) for item in value]
        return [item for item, _ in items], sum(n for _, n in items)
    return value, 0

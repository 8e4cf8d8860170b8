"""Reads the usage out of an answer while it passes by, without changing a byte of it.

A stream is scanned line by line; only the few lines that carry usage are parsed. What was generated
before a stream broke off is estimated from the size of its deltas.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

# A line this long is no message_start or message_delta: its beginning is forgotten, not kept.
_MAX_LINE = 256 * 1024
_DELTA = b'"content_block_delta"'
# What JSON and field names take up in a delta's line beside its text, and bytes of text per token.
_DELTA_FRAME = 90
_BYTES_PER_TOKEN = 3
_MAX_COUNT = 2**40


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one request, as the provider bills them."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_creation_5m_input_tokens: int = 0
    cache_creation_1h_input_tokens: int = 0
    web_searches: int = 0
    us_only: bool = False
    fast: bool = False

    @property
    def cache_creation_input_tokens(self) -> int:
        return self.cache_creation_5m_input_tokens + self.cache_creation_1h_input_tokens

    @property
    def prompt_tokens(self) -> int:
        """Everything that was read, cached or not."""
        return self.input_tokens + self.cache_read_input_tokens + self.cache_creation_input_tokens


class Meter:
    """What an answer has cost so far."""

    def __init__(self, *, streamed: bool) -> None:
        self._streamed = streamed
        self._raw: dict[str, Any] = {}
        self._rest = b""
        self._body: list[bytes] = []
        self._deltas = 0
        self._delta_bytes = 0
        self._final = False

    @property
    def started(self) -> bool:
        """Whether any usage has been seen."""
        return bool(self._raw)

    @property
    def complete(self) -> bool:
        """Whether the answer's last usage has been seen."""
        return self._final

    def feed(self, data: bytes) -> None:
        """The next bytes of the answer, cut anywhere."""
        if not self._streamed:
            self._body.append(data)
            return
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > _MAX_LINE:
            self._count_delta(self._rest)
            self._rest = b""
        for line in lines:
            if _DELTA in line:
                self._count_delta(line)
            elif b'"usage"' in line and line.startswith(b"data:"):
                self._take(line[5:])

    def end(self) -> None:
        """The answer is over: a whole body can be parsed."""
        if not self._streamed:
            self._take(b"".join(self._body))
            self._final = self.started
            self._body.clear()

    def usage(self) -> Usage:
        """Exact when complete; else the input exactly and the output as far as it was seen."""
        usage = read_usage(self._raw)
        if self._final or not self._streamed:
            return usage
        text = max(0, self._delta_bytes - self._deltas * _DELTA_FRAME)
        seen = max(self._deltas, -(-text // _BYTES_PER_TOKEN))
        return Usage(
            input_tokens=usage.input_tokens,
            output_tokens=max(usage.output_tokens, seen),
            cache_read_input_tokens=usage.cache_read_input_tokens,
            cache_creation_5m_input_tokens=usage.cache_creation_5m_input_tokens,
            cache_creation_1h_input_tokens=usage.cache_creation_1h_input_tokens,
            web_searches=usage.web_searches,
            us_only=usage.us_only,
            fast=usage.fast,
        )

    def _count_delta(self, line: bytes) -> None:
        self._deltas += 1
        self._delta_bytes += len(line)

    def _take(self, data: bytes) -> None:
        try:
            event = orjson.loads(data)
        except orjson.JSONDecodeError:
            return
        if not isinstance(event, dict):
            return
        message = event.get("message")
        found = message.get("usage") if isinstance(message, dict) else event.get("usage")
        if isinstance(found, dict):
            # Later counts are cumulative; fields that are absent or null keep their value.
            self._raw.update({k: v for k, v in found.items() if v is not None})
            self._final = self._final or event.get("type") == "message_delta"


def read_usage(raw: dict[str, Any]) -> Usage:
    """A usage object of the API. Anything of an unexpected shape counts as nothing."""
    written = _count(raw, "cache_creation_input_tokens")
    lifetimes = raw.get("cache_creation")
    hourly = _count(lifetimes, "ephemeral_1h_input_tokens")
    return Usage(
        input_tokens=_count(raw, "input_tokens"),
        output_tokens=_count(raw, "output_tokens"),
        cache_read_input_tokens=_count(raw, "cache_read_input_tokens"),
        cache_creation_5m_input_tokens=max(0, written - hourly),
        cache_creation_1h_input_tokens=min(hourly, written),
        web_searches=_count(raw.get("server_tool_use"), "web_search_requests"),
        us_only=raw.get("inference_geo") == "us",
        fast=raw.get("speed") == "fast",
    )


def _count(raw: object, key: str) -> int:
    value = raw.get(key) if isinstance(raw, dict) else None
    if isinstance(value, int) and not isinstance(value, bool):
        return min(max(value, 0), _MAX_COUNT)
    return 0

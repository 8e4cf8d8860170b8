"""What was asked of the scripted model lately, so that a test can look at it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

_HEADERS = (
    "x-api-key",
    "authorization",
    "user-agent",
    "traceparent",
    "tracestate",
    "baggage",
    "anthropic-beta",
    "anthropic-version",
    "x-app",
    "x-claude-code-session-id",
    "x-stainless-retry-count",
    "x-stainless-timeout",
    "accept-encoding",
    "connection",
    "host",
)
_BODY = ("model", "system", "thinking", "max_tokens", "stream", "output_config", "metadata")
_MAX_MESSAGES_BYTES = 1_000_000


class Recorder:
    """The last requests, oldest first; bounded in number, and in size by leaving out messages."""

    def __init__(self, most: int) -> None:
        self._kept: deque[dict[str, Any]] = deque(maxlen=most)
        self._total = 0

    def add(
        self, method: str, path: str, headers: Mapping[str, str], body: Mapping[str, Any], size: int
    ) -> dict[str, Any]:
        """The entry, to which what became of the request can be added."""
        self._total += 1
        tools = body.get("tools")
        entry: dict[str, Any] = {
            "number": self._total,
            "method": method,
            "path": path,
            "headers": {name: headers[name] for name in _HEADERS if name in headers},
            "size": size,
            **{key: body[key] for key in _BODY if key in body},
            "tools": [t.get("name") for t in tools if isinstance(t, Mapping)]
            if isinstance(tools, list)
            else None,
        }
        if size <= _MAX_MESSAGES_BYTES:
            entry["messages"] = body.get("messages")
        self._kept.append(entry)
        return entry

    def entries(self) -> list[dict[str, Any]]:
        return list(self._kept)

    def clear(self) -> None:
        self._kept.clear()

"""What people sent, in the order of the log: a cursor, and the messages that still wait.

Several gateways may deliver the same input. What is not beyond the cursor has been seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Message:
    """A `user.message` that waits for its turn."""

    id: str
    seq: int
    content: list[dict[str, Any]]
    lines: Mapping[str, str | None] = field(default_factory=dict)
    """What log lines about its turn carry: who sent it, and in which request."""


class Inputs:
    """The queue and the cursor."""

    def __init__(self, cursor: int) -> None:
        self.cursor = cursor
        self._queue: dict[str, Message] = {}

    def advance(self, seq: int) -> bool:
        """False: this input was here before."""
        if seq <= self.cursor:
            return False
        self.cursor = seq
        return True

    def add(self, message: Message) -> None:
        self._queue[message.id] = message

    def edit(self, message_id: str, content: list[dict[str, Any]]) -> None:
        """Changes a message that still waits."""
        if message := self._queue.get(message_id):
            message.content = content

    def cancel(self, message_id: str) -> None:
        self._queue.pop(message_id, None)

    def take(self) -> Message | None:
        """The oldest message, which waits no more."""
        if not self._queue:
            return None
        return self._queue.pop(next(iter(self._queue)))


def api_content(content: Any) -> list[dict[str, Any]]:
    """Blocks of a `user.message` as the Messages API takes them."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    blocks = []
    for block in content if isinstance(content, list) else ():
        if not isinstance(block, dict):
            continue
        if block.get("type") == "text":
            blocks.append({"type": "text", "text": str(block.get("text", ""))})
        elif block.get("type") in ("image", "document"):
            allowed = ("type", "source", "title", "context")
            blocks.append({key: block[key] for key in allowed if block.get(key) is not None})
    return blocks or [{"type": "text", "text": ""}]

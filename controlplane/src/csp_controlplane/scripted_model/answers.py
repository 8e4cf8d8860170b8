"""What the scripted model can answer, as plain values.

Scripts build these; `wire` turns them into bytes. A value says what is streamed and how the stream
ends, so that a fault is an answer like any other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

_WORD = re.compile(r"\S+\s*|\s+")

Ending = Literal["complete", "cut", "stall", "malformed", "sse_error"]
"""How a stream ends: as it should, by a closed connection, in silence, with a broken JSON line, or
with an `event: error`."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text block, in the pieces in which it is streamed."""

    pieces: tuple[str, ...]

    def whole(self) -> str:
        return "".join(self.pieces)


@dataclass(frozen=True, slots=True)
class Thinking:
    """A thinking block; its signature is made on the wire."""

    pieces: tuple[str, ...]

    def whole(self) -> str:
        return "".join(self.pieces)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool_use block."""

    name: str
    input: Mapping[str, Any]


Block = Text | Thinking | ToolCall


@dataclass(frozen=True, slots=True)
class Message:
    """An answer with content."""

    blocks: tuple[Block, ...]
    stop_reason: str | None = None  # None: tool_use or end_turn, by the content
    before_s: float = 0.0  # silence before the first byte
    word_s: float | None = None  # pause between pieces; None: the server's setting
    usage: Mapping[str, int] = field(default_factory=dict)  # overrides of the counted usage
    headers: Mapping[str, str] = field(default_factory=dict)
    ending: Ending = "complete"
    ending_s: float = 0.0  # how long a stall lasts
    error_type: str = "overloaded_error"  # of an ending by `event: error`

    def reason(self) -> str:
        if self.stop_reason:
            return self.stop_reason
        calls = any(isinstance(block, ToolCall) for block in self.blocks)
        return "tool_use" if calls else "end_turn"


@dataclass(frozen=True, slots=True)
class Failure:
    """An HTTP error in the API's shape."""

    status: int
    message: str
    type: str | None = None  # None: the type that goes with the status
    headers: Mapping[str, str] = field(default_factory=dict)
    before_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Hang:
    """The request is accepted and nothing is sent."""

    seconds: float


Answer = Message | Failure | Hang


def words(text: str) -> tuple[str, ...]:
    """The text in pieces of one word each; joined they are the text."""
    return tuple(_WORD.findall(text))


def say(text: str) -> Message:
    """An answer of one text."""
    return Message((Text(words(text)),))


def call(name: str, tool_input: Mapping[str, Any], *, saying: str = "") -> Message:
    """An answer that calls one tool, with a sentence before it."""
    before: tuple[Block, ...] = (Text(words(saying)),) if saying else ()
    return Message((*before, ToolCall(name, tool_input)))

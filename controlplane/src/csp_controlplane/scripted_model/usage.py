"""Token counts as the API reports them, estimated at four characters a token.

The prompt cache is played too: what was sent before the current turn counts as read from the cache,
the first request of a conversation as written to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from csp_controlplane.scripted_model.answers import Message, Text, Thinking, ToolCall

_CHARACTERS = 4


def tokens(value: object) -> int:
    """Of a text or of JSON."""
    size = len(value) if isinstance(value, str) else len(orjson.dumps(value))
    return max(1, size // _CHARACTERS)


def input_tokens(body: Mapping[str, Any]) -> int:
    """Of a whole request, as count_tokens answers."""
    return tokens([body.get(key) for key in ("system", "tools", "messages")])


def input_usage(body: Mapping[str, Any]) -> dict[str, Any]:
    """The input fields of a usage object."""
    messages = body.get("messages")
    messages = messages if isinstance(messages, list) else []
    prefix = tokens([body.get("system"), body.get("tools")])
    cached = b'"cache_control"' in orjson.dumps([body.get("system"), body.get("tools"), messages])
    fresh = tokens(messages[-1:])
    read = written = 0
    if not cached:
        fresh = input_tokens(body)
    elif len(messages) > 2:
        read, written = prefix + tokens(messages[:-2]), tokens(messages[-2:-1])
    else:
        written = prefix
    return {
        "input_tokens": fresh,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "cache_creation": {"ephemeral_5m_input_tokens": written, "ephemeral_1h_input_tokens": 0},
        "service_tier": "standard",
    }


def output_tokens(message: Message) -> int:
    """Of everything in an answer."""
    total = 0
    for block in message.blocks:
        match block:
            case Text() | Thinking():
                total += tokens(block.whole())
            case ToolCall():
                total += tokens(block.name) + tokens(dict(block.input))
    return max(1, total)

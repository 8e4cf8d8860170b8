"""Answers as the bytes of the Messages API: a stream of server-sent events, or one JSON object."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from csp_controlplane.scripted_model.answers import Block, Message, Text, Thinking, ToolCall
from csp_controlplane.scripted_model.usage import input_usage, output_tokens

_ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_JSON_PIECE: Final = 24
_BROKEN: Final = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"del\n\n'
)
PING: Final = b'event: ping\ndata: {"type":"ping"}\n\n'


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes to send, and whether a word's pause follows them."""

    data: bytes
    pause: bool = False


def new_identifier(prefix: str) -> str:
    """As the API's: msg_01..., toolu_01..., req_01..."""
    return f"{prefix}_01" + "".join(secrets.choice(_ALPHABET) for _ in range(22))


def error_body(type_: str, message: str, request_id: str) -> bytes:
    return orjson.dumps(
        {
            "type": "error",
            "error": {"type": type_, "message": message},
            "request_id": request_id,
        }
    )


def whole(message: Message, body: Mapping[str, Any]) -> bytes:
    """The answer to a request that does not stream."""
    return orjson.dumps(
        {
            **_envelope(body),
            "content": [_finished(block) for block in message.blocks],
            "stop_reason": message.reason(),
            "usage": _usage(message, body),
        }
    )


def stream(message: Message, body: Mapping[str, Any]) -> Iterator[Chunk]:
    """The events of the answer. An ending other than `complete` stops after the content."""
    start = {**_envelope(body), "usage": {**_usage(message, body), "output_tokens": 1}}
    yield Chunk(_event("message_start", {"message": start}))
    for index, block in enumerate(message.blocks):
        opened = {"index": index, "content_block": _opened(block)}
        yield Chunk(_event("content_block_start", opened))
        if index == 0:
            yield Chunk(PING)
        for delta in _deltas(block):
            event = _event("content_block_delta", {"index": index, "delta": delta})
            yield Chunk(event, pause=True)
        if message.ending == "complete":
            yield Chunk(_event("content_block_stop", {"index": index}))
    if message.ending == "malformed":
        yield Chunk(_BROKEN)
    elif message.ending == "sse_error":
        error = {"type": message.error_type, "message": "Scripted error in the middle of a stream."}
        yield Chunk(_event("error", {"error": error}))
    elif message.ending == "complete":
        yield from _end(message, body)


def _end(message: Message, body: Mapping[str, Any]) -> Iterator[Chunk]:
    usage = _usage(message, body)
    usage.pop("cache_creation", None)
    usage.pop("service_tier", None)
    delta = {"stop_reason": message.reason(), "stop_sequence": None}
    yield Chunk(_event("message_delta", {"delta": delta, "usage": usage}))
    yield Chunk(_event("message_stop", {}))


def _envelope(body: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": new_identifier("msg"),
        "type": "message",
        "role": "assistant",
        "model": body.get("model"),
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def _usage(message: Message, body: Mapping[str, Any]) -> dict[str, Any]:
    return {**input_usage(body), "output_tokens": output_tokens(message), **message.usage}


def _opened(block: Block) -> dict[str, Any]:
    match block:
        case Text():
            return {"type": "text", "text": ""}
        case Thinking():
            return {"type": "thinking", "thinking": "", "signature": ""}
        case ToolCall():
            return {
                "type": "tool_use",
                "id": new_identifier("toolu"),
                "name": block.name,
                "input": {},
            }


def _finished(block: Block) -> dict[str, Any]:
    match block:
        case Text():
            return {"type": "text", "text": block.whole()}
        case Thinking():
            return {"type": "thinking", "thinking": block.whole(), "signature": _signature()}
        case ToolCall():
            return {**_opened(block), "input": dict(block.input)}


def _deltas(block: Block) -> Iterator[dict[str, Any]]:
    match block:
        case Text():
            for piece in block.pieces:
                yield {"type": "text_delta", "text": piece}
        case Thinking():
            for piece in block.pieces:
                yield {"type": "thinking_delta", "thinking": piece}
            yield {"type": "signature_delta", "signature": _signature()}
        case ToolCall():
            yield {"type": "input_json_delta", "partial_json": ""}
            text = orjson.dumps(dict(block.input)).decode()
            for begin in range(0, len(text), _JSON_PIECE):
                piece = text[begin : begin + _JSON_PIECE]
                yield {"type": "input_json_delta", "partial_json": piece}


def _signature() -> str:
    return base64.b64encode(b"scripted " + secrets.token_bytes(48)).decode()


def _event(name: str, data: Mapping[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), orjson.dumps({"type": name, **data}))

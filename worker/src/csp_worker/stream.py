"""Model requests as they stream: previews while text arrives, spans around each request.

The CLI announces a finished block (an `assistant` message) before it closes the block's stream,
and a request that is cut or retried ends without announcing the rest. So a preview ends when its
fact is taken, and what is still open when the request stops is withdrawn.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from csp_worker.eventlog import EventLog
from csp_worker.previews import PreviewType

_PREVIEWED: dict[str, PreviewType] = {"text": "agent.message", "thinking": "agent.thinking"}
_USAGE_KEYS = (
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
)


@dataclass(slots=True)
class _Block:
    index: int
    kind: PreviewType
    event_id: str


@dataclass(slots=True)
class _Request:
    """One request of one thread of the conversation."""

    message_id: str
    model: str
    start_id: str | None = None
    usage: dict[str, int] = field(default_factory=dict)
    stop_reason: str | None = None
    blocks: list[_Block] = field(default_factory=list)


class ModelStream:
    """Streams of the main thread and of subagents, kept apart by the call that started them."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._requests: dict[str | None, _Request] = {}
        self._windows: dict[str, int] = {}

    def learn_windows(self, model_usage: dict[str, Any] | None) -> None:
        """Context windows, which the CLI tells with a result."""
        for model, usage in (model_usage or {}).items():
            if isinstance(usage, dict) and usage.get("contextWindow"):
                self._windows[model] = int(usage["contextWindow"])

    def on_event(self, event: dict[str, Any], parent: str | None, parent_event: str | None) -> None:
        """One stream event of the Messages API; `parent` is the model's id, None on the main."""
        kind = event.get("type")
        if kind == "content_block_delta":
            self._delta(event, parent)
        elif kind == "content_block_start":
            self._block_start(event, parent, parent_event)
        elif kind == "message_start":
            self._start(event.get("message") or {}, parent)
        elif kind == "message_delta":
            request = self._requests.get(parent)
            if request is not None:
                request.stop_reason = (event.get("delta") or {}).get("stop_reason")
                _merge_usage(request, event.get("usage"))
        elif kind == "message_stop":
            self.close(parent)

    def take(self, kind: PreviewType, parent: str | None) -> str | None:
        """The id under which a finished block was previewed, if it was."""
        request = self._requests.get(parent)
        for block in request.blocks if request else ():
            if block.kind == kind and request is not None:
                request.blocks.remove(block)
                return block.event_id
        return None

    def whole_message(self, message: dict[str, Any]) -> bool:
        """Opens a span for a message that came without a stream; True if it did.

        After a cut stream the CLI may ask again without streaming.
        """
        request = self._requests.get(None)
        if request is not None and request.message_id == message.get("id"):
            return False
        if message.get("stop_reason") is None:
            return False
        self._start(message, None)
        self._requests[None].stop_reason = message["stop_reason"]
        return True

    def close(self, parent: str | None) -> None:
        """The request has ended: what has no fact by now never gets one."""
        request = self._requests.pop(parent, None)
        if request is None:
            return
        for block in request.blocks:
            self._log.preview_withdraw(block.event_id)
        if request.start_id is not None:
            self._log.emit(
                "span.model_request_end",
                {
                    "model_request_start_id": request.start_id,
                    "is_error": request.stop_reason is None,
                    "model_usage": request.usage,
                    "stop_reason": request.stop_reason,
                    "model": request.model,
                    "context_window": self._windows.get(request.model),
                },
            )

    def close_all(self) -> None:
        """The CLI is gone."""
        for parent in list(self._requests):
            self.close(parent)

    def _start(self, message: dict[str, Any], parent: str | None) -> None:
        self.close(parent)
        request = _Request(str(message.get("id", "")), str(message.get("model", "")))
        _merge_usage(request, message.get("usage"))
        self._requests[parent] = request
        if parent is None:
            fields = {"model": request.model}
            request.start_id = self._log.emit("span.model_request_start", fields).id

    def _block_start(
        self, event: dict[str, Any], parent: str | None, parent_event: str | None
    ) -> None:
        block = event.get("content_block") or {}
        kind = _PREVIEWED.get(str(block.get("type")))
        request = self._requests.get(parent)
        if kind is not None and request is not None:
            event_id = self._log.preview_start(kind, parent_event)
            request.blocks.append(_Block(int(event.get("index", 0)), kind, event_id))

    def _delta(self, event: dict[str, Any], parent: str | None) -> None:
        delta = event.get("delta") or {}
        text = delta.get("text") or delta.get("thinking")
        request = self._requests.get(parent)
        if not text or request is None:
            return
        index = event.get("index")
        for block in request.blocks:
            if block.index == index:
                self._log.preview_text(block.event_id, text)


def _merge_usage(request: _Request, usage: dict[str, Any] | None) -> None:
    for key in _USAGE_KEYS:
        value = (usage or {}).get(key)
        if isinstance(value, int):
            request.usage[key] = max(value, request.usage.get(key, 0))

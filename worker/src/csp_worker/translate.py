"""From what the CLI says to what the log keeps: one message in, facts and previews out.

Messages are taken as the CLI wrote them. What this module does not know is noted at debug level
and left out: new versions add kinds, and none of them may break a session.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog

from csp_worker.eventlog import EventLog
from csp_worker.outputs import Outputs
from csp_worker.sentences import Failure, model_failure
from csp_worker.stream import ModelStream
from csp_worker.tasks import BackgroundTasks
from csp_worker.text import TEXT_LIMIT, cap, clean
from csp_worker.toolbook import Call, ToolBook
from csp_worker.toolresult import shape
from csp_worker.turns import Turns

_SILENT_TEXTS = frozenset({"", "(no content)", "No response requested."})
_OUTCOME_UNKNOWN = "The agent's process ended before this finished. Its outcome is unknown."
_log = structlog.get_logger(__name__)


class Translator:
    """Translates one CLI's messages; lives as long as the session, over several CLIs."""

    def __init__(
        self,
        log: EventLog,
        book: ToolBook,
        turns: Turns,
        outputs: Outputs,
        clock: Callable[[], float],
    ) -> None:
        self._log = log
        self._book = book
        self._turns = turns
        self._outputs = outputs
        self._clock = clock
        self._stream = ModelStream(log)
        self._failure: Failure | None = None
        self.tasks = BackgroundTasks(log, book)
        self.model: str | None = None
        self.on_mirror_error: Callable[[], None] = lambda: None
        """What was lost is found in the CLI's own file, or said there."""

    def on_message(self, message: dict[str, Any]) -> None:
        """Never raises for a shape that it does not expect."""
        kind = message.get("type")
        try:
            if kind == "stream_event":
                parent = message.get("parent_tool_use_id")
                self._stream.on_event(message["event"], parent, self._book.event_id(parent))
            elif kind == "assistant":
                self._assistant(message)
            elif kind == "user":
                self._user(message)
            elif kind == "system":
                self._system(message)
            elif kind == "result":
                self._result(message)
        except (KeyError, TypeError, ValueError, AttributeError):
            _log.warning("message of the CLI not understood", kind=kind, exc_info=True)

    def on_cli_gone(self) -> list[dict[str, str]]:
        """Closes what its death leaves open; returns the text that was visible without a fact."""
        partial = self._log.partial()
        self._stream.close_all()
        self._failure = None
        for call in self._book.unfinished():
            self._book.finish(call, True, shape(_OUTCOME_UNKNOWN, None), self._clock())
        return partial

    # ---- the model's messages -------------------------------------------------------------------

    def _assistant(self, message: dict[str, Any]) -> None:
        body = message["message"]
        if message.get("is_api_error_message"):
            text = " ".join(str(b.get("text", "")) for b in body["content"])
            self._failed(message.get("api_error_status"), text)
            return
        parent = message.get("parent_tool_use_id")
        whole = parent is None and body.get("model") != "<synthetic>"
        whole = whole and self._stream.whole_message(body)
        for block in body["content"]:
            self._block(block, parent)
        if whole:
            self._stream.close(None)

    def _block(self, block: dict[str, Any], parent: str | None) -> None:
        kind = block.get("type")
        if kind == "text":
            self._text(str(block["text"]), parent)
        elif kind == "thinking":
            self._thinking(str(block.get("thinking", "")), parent)
        elif kind in ("tool_use", "server_tool_use"):
            call = self._book.add(block, parent)
            if kind == "server_tool_use":
                self._book.emit(call, "allow", "run by the model service", self._clock())

    def _text(self, text: str, parent: str | None) -> None:
        event_id = self._stream.take("agent.message", parent)
        if text.strip() in _SILENT_TEXTS:
            if event_id is not None:
                self._log.preview_withdraw(event_id)
            return
        kept, cut = cap(clean(text), TEXT_LIMIT * 3)
        fields = {"content": [{"type": "text", "text": kept}], **self._place(parent)}
        self._log.emit("agent.message", fields | {"truncated_bytes": cut or None}, event_id)

    def _thinking(self, text: str, parent: str | None) -> None:
        event_id = self._stream.take("agent.thinking", parent)
        if not text:
            if event_id is not None:
                self._log.preview_withdraw(event_id)
            return
        kept, _ = cap(clean(text), TEXT_LIMIT)
        self._log.emit("agent.thinking", {"thinking": kept, **self._place(parent)}, event_id)

    def _place(self, parent: str | None) -> dict[str, Any]:
        return {
            "parent_tool_use_id": self._book.event_id(parent),
            "session_thread_id": self._book.thread(parent),
        }

    def _failed(self, status: int | None, text: str) -> None:
        _log.warning("model request failed", status=status, text=text[:500])
        self._failure = model_failure(status, text)

    # ---- tools ----------------------------------------------------------------------------------

    def _user(self, message: dict[str, Any]) -> None:
        content = message["message"]["content"]
        for block in content if isinstance(content, list) else ():
            if block.get("type") == "tool_result":
                call = self._book.get(block.get("tool_use_id"))
                if call is not None:
                    self._tool_result(call, block, message.get("tool_use_result"))

    def _tool_result(self, call: Call, block: dict[str, Any], extra: Any) -> None:
        if call.emitted is None:
            # Refused by the CLI before the policy was asked: an unknown tool, an invalid input.
            self._book.emit(call, "deny", "not run: the call is not valid", self._clock())
        is_error = bool(block.get("is_error"))
        result = shape(block.get("content"), extra)
        if (whole := self._outputs.keep(call.event_id, extra)) is not None:
            result.refer_to(whole)
        self._book.finish(call, is_error, result, self._clock())
        if call.name == "TodoWrite" and not is_error:
            self._log.emit("agent.todos", {"todos": todos(call.input.get("todos"))})

    # ---- everything else ------------------------------------------------------------------------

    def _system(self, message: dict[str, Any]) -> None:
        subtype = str(message.get("subtype"))
        if subtype == "init":
            self.model = message.get("model")
            self._turns.on_init(message)
        elif subtype == "api_retry":
            self._retry(message)
        elif subtype.startswith("task_"):
            self.tasks.on_message(subtype, message)
        elif subtype == "compact_boundary":
            metadata = message.get("compact_metadata") or {}
            fields = {"pre_tokens": metadata.get("pre_tokens")}
            self._log.emit("agent.thread_context_compacted", fields)
        elif subtype == "mirror_error":
            _log.warning("the SDK's mirror has lost lines", error=str(message.get("error"))[:500])
            self.on_mirror_error()
        else:
            _log.debug("message of the CLI left out", subtype=subtype)

    def _retry(self, message: dict[str, Any]) -> None:
        failure = model_failure(message.get("error_status"), str(message.get("error", "")))
        self._log.failure(
            failure.type,
            f"{failure.message.split('. ')[0].rstrip('.')}. Trying again by itself.",
            "retrying",
            attempt=message.get("attempt"),
            max_retries=message.get("max_retries"),
            retry_delay_ms=message.get("retry_delay_ms"),
            status=message.get("error_status"),
        )

    def _result(self, message: dict[str, Any]) -> None:
        self._stream.learn_windows(message.get("modelUsage"))
        self._stream.close(None)
        failure, self._failure = self._failure, None
        if failure is None and message.get("api_error_status"):
            failure = model_failure(message["api_error_status"], str(message.get("result", "")))
        self._turns.on_result(message, failure)


def todos(value: Any) -> list[dict[str, str]]:
    """The whole to-do list, from the tool's input."""
    items = value if isinstance(value, list) else []
    return [
        {
            "content": clean(str(item.get("content", ""))),
            "status": str(item.get("status", "pending")),
            "active_form": clean(str(item.get("activeForm", ""))),
        }
        for item in items
        if isinstance(item, dict)
    ]

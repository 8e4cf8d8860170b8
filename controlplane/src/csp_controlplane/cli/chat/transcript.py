"""From the socket's messages to what a terminal shows: a fold without input or output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import orjson

from csp_controlplane.cli.chat.socket import ResumePoint

Kind = Literal[
    "answer", "answer_end", "thinking", "tool", "result", "problem", "note", "todos", "data"
]
RESULT_LINES = 8
LONGEST_SUMMARY = 160

_SUBJECT = {
    "Bash": "command",
    "Read": "file_path",
    "Write": "file_path",
    "Edit": "file_path",
    "NotebookEdit": "notebook_path",
    "Glob": "pattern",
    "Grep": "pattern",
    "WebFetch": "url",
    "WebSearch": "query",
    "Agent": "description",
}


@dataclass(frozen=True, slots=True)
class Piece:
    """Something to show. `answer` pieces are parts of running text, the others are lines."""

    kind: Kind
    text: str


class Transcript:
    """Knows how far the log and each preview have been shown."""

    def __init__(self, seq: int = 0) -> None:
        self._seq = seq
        self._shown: dict[str, int] = {}
        self._types: dict[str, str] = {}

    def resume_point(self) -> ResumePoint:
        return ResumePoint(self._seq, dict(self._shown))

    def events(self, message: dict[str, Any]) -> list[dict[str, Any]]:
        """The facts of an `events` message that are new here, each with its `seq`."""
        first = message["first_seq"]
        numbered = [{"seq": first + n, **event} for n, event in enumerate(message["events"])]
        fresh = [event for event in numbered if event["seq"] > self._seq]
        if fresh:
            self._seq = fresh[-1]["seq"]
        return fresh

    def previews(self, message: dict[str, Any]) -> list[Piece]:
        """What a `previews` or `preview_withdrawn` message adds."""
        if message["type"] == "preview_withdrawn":
            had = self._shown.pop(message["event_id"], 0)
            return [Piece("note", "(cut off; the model is asked again)")] if had else []
        pieces = []
        for event in message["events"]:
            if event["type"] == "event_start":
                self._types[event["event"]["id"]] = event["event"]["type"]
                if event.get("parent_tool_use_id"):
                    self._types[event["event"]["id"]] = "other"
            elif event["type"] == "event_delta":
                pieces += self._delta(event)
        return pieces

    def fact(self, event: dict[str, Any]) -> list[Piece]:
        """What one fact adds to what its previews have shown."""
        match event["type"]:
            case "agent.message" if not event.get("parent_tool_use_id"):
                return self._answer(event)
            case "agent.thinking":
                self._shown.pop(event["id"], None)
                return []
            case "agent.tool_use" | "agent.mcp_tool_use":
                return [Piece("tool", _indented(event, tool_line(event)))]
            case "agent.tool_result" | "agent.mcp_tool_result":
                return [_result(event)]
            case "agent.todos":
                return [Piece("todos", _todos(event["todos"]))]
            case "session.notice" if event["level"] != "info":
                return [Piece("note", event["message"])]
            case "session.error":
                return [Piece("problem", event["error"]["message"])]
            case "span.turn_end":
                return _turn_end(event)
            case _:
                return []

    def _delta(self, event: dict[str, Any]) -> list[Piece]:
        name = event["event_id"]
        content = event["delta"]["content"]
        raw = str(content.get("text") or content.get("thinking") or "").encode()
        have, offset = self._shown.get(name, 0), event["offset"]
        if offset > have or offset + len(raw) <= have:
            return []  # a gap, which the fact fills, or nothing new
        self._shown[name] = offset + len(raw)
        text = raw[have - offset :].decode(errors="replace")
        if self._types.get(name) == "other":
            return []
        return [Piece("thinking" if content["type"] == "thinking" else "answer", text)]

    def _answer(self, event: dict[str, Any]) -> list[Piece]:
        text = "".join(block["text"] for block in event["content"] if block["type"] == "text")
        rest = text.encode()[self._shown.pop(event["id"], 0) :].decode(errors="replace")
        return [Piece("answer", rest), Piece("answer_end", "")]


def tool_line(event: dict[str, Any]) -> str:
    """A tool call in one line: its name and what it is about."""
    given = event.get("input") or {}
    subject = given.get(_SUBJECT.get(event["name"], ""))
    text = subject if isinstance(subject, str) else orjson.dumps(given).decode()
    text = " ".join(text.split())
    if len(text) > LONGEST_SUMMARY:
        text = text[: LONGEST_SUMMARY - 1] + "…"
    return f"{event['name']}  {text}" if text != "{}" else str(event["name"])


def _result(event: dict[str, Any]) -> Piece:
    blocks = event.get("content") or []
    text = "\n".join(
        block["text"] if block.get("type") == "text" else f"[{block.get('type')}]"
        for block in blocks
    ).strip()
    lines = text.splitlines()
    if len(lines) > RESULT_LINES:
        lines = [*lines[:RESULT_LINES], f"… {len(lines) - RESULT_LINES} more lines"]
    shown = "\n".join(f"    {line}" for line in lines) or "    (no output)"
    return Piece("problem" if event.get("is_error") else "result", _indented(event, shown))


def _indented(event: dict[str, Any], text: str) -> str:
    if not event.get("parent_tool_use_id"):
        return text
    return "\n".join(f"  {line}" for line in text.splitlines())


def _todos(todos: list[dict[str, str]]) -> str:
    marks = {"completed": "x", "in_progress": ">"}
    return "\n".join(f"[{marks.get(todo['status'], ' ')}] {todo['content']}" for todo in todos)


def _turn_end(event: dict[str, Any]) -> list[Piece]:
    pieces = []
    if event.get("structured_output") is not None:
        text = orjson.dumps(event["structured_output"], option=orjson.OPT_INDENT_2).decode()
        pieces.append(Piece("data", text))
    if event["outcome"] == "interrupted":
        pieces.append(Piece("note", "Interrupted."))
    elif event["outcome"] == "error":
        error = event.get("error") or {}
        said = error.get("message") if isinstance(error, dict) else error
        pieces.append(Piece("problem", str(said or "The turn ended with an error.")))
    return pieces

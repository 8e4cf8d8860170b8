"""A log as something to read: what was said and done, in the order in which a person sees it.

Whoever writes a conversation down (Markdown, HTML) gets it from here, a turn at a time, so that a
log of any length needs the memory of one turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from csp_controlplane.domain.vocabulary import TOOL_RESULTS, TOOL_USES

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Said:
    """A person's message. `answered`: the agent has begun with it."""

    at: str | None
    content: Sequence[Body]
    answered: bool = True


@dataclass(frozen=True, slots=True)
class Answered:
    """What the agent said. `partial`: the turn was cut while it was being written."""

    text: str
    partial: bool = False


@dataclass(frozen=True, slots=True)
class Thought:
    text: str


@dataclass(frozen=True, slots=True)
class Step:
    """A tool use. `result` is None when none has come."""

    id: str
    name: str
    input: Body
    result: Sequence[Body] | None = None
    failed: bool = False
    duration_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Noted:
    """What happened around the talk. `level`: info, warning or error."""

    level: str
    text: str


@dataclass(frozen=True, slots=True)
class TurnEnded:
    outcome: str
    duration_ms: int | None


Entry = Said | Answered | Thought | Step | Noted | TurnEnded
_QUIET = ("worker_bound", "resumed")
"""Codes of notices that say nothing to who reads a conversation later."""


class Reader:
    """Takes the log's events in order and gives entries, each once and whole."""

    def __init__(self) -> None:
        self._waiting: dict[str, Said] = {}
        self._open: list[Entry] = []
        self._places: dict[str, int] = {}
        self._in_turn = False

    def take(self, event: Body) -> list[Entry]:
        """The entries that are complete now."""
        self._read(str(event.get("type")), event)
        return [] if self._in_turn else self._flush()

    def rest(self) -> list[Entry]:
        """What the end of the log leaves open: a running turn, messages that wait."""
        waiting = [replace(said, answered=False) for said in self._waiting.values()]
        self._waiting.clear()
        return [*self._flush(), *waiting]

    def _flush(self) -> list[Entry]:
        done, self._open = self._open, []
        self._places.clear()
        return done

    def _read(self, type_: str, event: Body) -> None:
        match type_:
            case "user.message":
                said = Said(event.get("processed_at"), _blocks(event))
                self._waiting[str(event.get("id"))] = said
            case "user.message_update" if event.get("message_id") in self._waiting:
                said = self._waiting[event["message_id"]]
                self._waiting[event["message_id"]] = replace(said, content=_blocks(event))
            case "user.message_cancel":
                self._waiting.pop(str(event.get("message_id")), None)
            case "span.turn_start":
                self._in_turn = True
                for message in event.get("message_ids") or ():
                    if message in self._waiting:
                        self._open.append(self._waiting.pop(message))
            case "span.turn_end":
                self._end(event)
            case "agent.message":
                self._open.append(Answered(text_of(_blocks(event))))
            case "agent.thinking":
                self._open.append(Thought(str(event.get("thinking") or "")))
            case _ if type_ in TOOL_USES:
                self._use(event)
            case _ if type_ in TOOL_RESULTS:
                self._result(event)
            case "session.notice" if event.get("code") not in _QUIET:
                self._open.append(Noted(str(event.get("level")), str(event.get("message"))))
            case "session.error" if _is_final(event):
                self._open.append(Noted("error", str(event["error"].get("message"))))

    def _use(self, event: Body) -> None:
        name = str(event.get("name"))
        server = event.get("mcp_server_name")
        given = event.get("input")
        step = Step(
            str(event.get("id")),
            f"{server}: {name}" if server else name,
            given if isinstance(given, dict) else {},
        )
        self._places[step.id] = len(self._open)
        self._open.append(step)

    def _result(self, event: Body) -> None:
        place = self._places.get(str(event.get("tool_use_id") or event.get("mcp_tool_use_id")))
        if place is None:
            return
        step = self._open[place]
        if isinstance(step, Step):
            self._open[place] = replace(
                step,
                result=_blocks(event),
                failed=bool(event.get("is_error")),
                duration_ms=event.get("duration_ms"),
            )

    def _end(self, event: Body) -> None:
        self._in_turn = False
        for part in event.get("partial") or ():
            self._open.append(Answered(str(part.get("text")), partial=True))
        outcome = str(event.get("outcome"))
        self._open.append(TurnEnded(outcome, event.get("duration_ms")))


def _is_final(event: Body) -> bool:
    error = event.get("error")
    if not isinstance(error, dict):
        return False
    return (error.get("retry_status") or {}).get("type") != "retrying"


def _blocks(event: Body) -> Sequence[Body]:
    content = event.get("content")
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [block for block in content or () if isinstance(block, dict)]


def text_of(blocks: Sequence[Body]) -> str:
    """The text blocks, joined."""
    return "".join(str(block.get("text")) for block in blocks if block.get("type") == "text")

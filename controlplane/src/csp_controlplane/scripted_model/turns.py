"""Reads from a Messages request what a script needs: what was asked, and what happened since.

Pure functions over the request's JSON. The request is untrusted: anything of an unexpected shape is
passed over, never raised on. A turn begins with the last message of a person (or a notification of
a background task) and has one step for each answer that the model gave since.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_REMINDER = re.compile(r"<system-reminder>.*?</system-reminder>", re.DOTALL)
_NOTIFICATION = re.compile(r"<task-notification>(.*?)</task-notification>", re.DOTALL)
# What the CLI says in a person's place.
_NOT_A_PERSON = ("[Request interrupted by user", "<task-notification>", "Tool loaded.")
_DIRECTORY = re.compile(r"Primary working directory: *(\S[^\n]*)")
_PLAN_FILE = re.compile(r"Plan mode .*?(/\S+/plans/[^\s/]+\.md)", re.DOTALL)
_DEFERRED = re.compile(r"deferred tools are now available.*?\n((?:[A-Za-z_]\w*\n)+)", re.DOTALL)

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What one tool call of this turn gave."""

    name: str
    input: Json
    text: str
    is_error: bool


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn so far."""

    prompt: str
    notification: str | None  # the body of a background task's notification
    step: int  # answers already given in this turn
    position: int  # of the prompt among the messages
    results: tuple[ToolResult, ...]
    tools: Mapping[str, Json]  # by name, with their input schema
    deferred: frozenset[str]  # tools that exist but must be searched for first
    attachments: tuple[str, ...]
    is_first: bool
    thinks: bool
    schema: Json | None  # of a structured answer as text
    system: str
    directory: str | None
    plan_file: str | None  # where the CLI wants the plan, in plan mode
    session: str

    def last(self) -> ToolResult | None:
        return self.results[-1] if self.results else None

    def named(self, name: str) -> list[ToolResult]:
        return [result for result in self.results if result.name == name]


def read_turn(body: Json, session: str) -> Turn:
    """The turn that this request continues."""
    messages = [m for m in _list(body.get("messages")) if isinstance(m, Mapping)]
    position, prompt, notification = _prompt(messages)
    later = messages[position + 1 :]
    surroundings = "\n".join(_surroundings(body, messages))
    output = body.get("output_config")
    wanted = output.get("format") if isinstance(output, Mapping) else None
    thinking = body.get("thinking")
    directory = _DIRECTORY.findall(surroundings)
    plan_files = _PLAN_FILE.findall(surroundings)
    return Turn(
        prompt=prompt,
        notification=notification,
        step=sum(1 for message in later if message.get("role") == "assistant"),
        position=position,
        results=tuple(_results(later)),
        tools={str(tool["name"]): _schema(tool) for tool in _named(body.get("tools"))},
        deferred=_deferred(surroundings),
        attachments=tuple(_attachments(messages[position] if messages else {})),
        is_first=not any(message.get("role") == "assistant" for message in messages),
        thinks=isinstance(thinking, Mapping) and thinking.get("type") in ("enabled", "adaptive"),
        schema=wanted.get("schema") if isinstance(wanted, Mapping) else None,
        system=text_of(body.get("system")),
        directory=directory[-1].strip() if directory else None,
        plan_file=plan_files[-1] if plan_files else None,
        session=session,
    )


def text_of(content: object) -> str:
    """The text of a string or of a list of blocks."""
    return "\n".join(_texts(content))


def _texts(content: object) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    for block in _list(content):
        if isinstance(block, Mapping) and isinstance(block.get("text"), str):
            yield block["text"]


def _prompt(messages: Sequence[Json]) -> tuple[int, str, str | None]:
    """Where the turn begins, what the person said, and the notification that began it instead."""
    for index in range(len(messages) - 1, -1, -1):
        if messages[index].get("role") != "user":
            continue
        texts = list(_texts(messages[index].get("content")))
        for text in reversed(texts):
            said = _REMINDER.sub("", text).strip()
            if said and not said.startswith(_NOT_A_PERSON):
                return index, said, None
        notifications = _NOTIFICATION.findall("\n".join(texts))
        if notifications and not _has_results(messages[index]):
            return index, "", notifications[-1]
    return 0, "", None


def _results(messages: Sequence[Json]) -> Iterator[ToolResult]:
    calls: dict[str, Json] = {}
    for message in messages:
        for block in _list(message.get("content")):
            if not isinstance(block, Mapping):
                continue
            if block.get("type") == "tool_use":
                calls[str(block.get("id"))] = block
            elif block.get("type") == "tool_result":
                made = calls.get(str(block.get("tool_use_id")), {})
                given = made.get("input")
                yield ToolResult(
                    name=str(made.get("name", "")),
                    input=given if isinstance(given, Mapping) else {},
                    text=_REMINDER.sub("", text_of(block.get("content"))).strip(),
                    is_error=block.get("is_error") is True,
                )


def _has_results(message: Json) -> bool:
    return any(
        isinstance(block, Mapping) and block.get("type") == "tool_result"
        for block in _list(message.get("content"))
    )


def _attachments(message: Json) -> Iterator[str]:
    for block in _list(message.get("content")):
        if isinstance(block, Mapping) and block.get("type") in ("image", "document"):
            source = block.get("source")
            media = source.get("media_type") if isinstance(source, Mapping) else None
            yield f"{block['type']} ({media})" if media else str(block["type"])


def _surroundings(body: Json, messages: Sequence[Json]) -> Iterator[str]:
    """What the CLI tells the model about itself: the system prompt and system messages."""
    yield text_of(body.get("system"))
    for message in messages:
        if message.get("role") == "system":
            yield text_of(message.get("content"))
        elif message.get("role") == "user":
            for text in _texts(message.get("content")):
                yield from _REMINDER.findall(text)


def _deferred(surroundings: str) -> frozenset[str]:
    names: set[str] = set()
    for listed in _DEFERRED.findall(surroundings + "\n"):
        names.update(listed.split())
    return frozenset(names)


def _named(tools: object) -> Iterator[Json]:
    for tool in _list(tools):
        if isinstance(tool, Mapping) and isinstance(tool.get("name"), str):
            yield tool


def _schema(tool: Json) -> Json:
    schema = tool.get("input_schema")
    return schema if isinstance(schema, Mapping) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []

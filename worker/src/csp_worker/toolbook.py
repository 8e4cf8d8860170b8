"""Every tool call of the session: what the model asked for, what was decided, what came of it.

A call is known from the model's message; it becomes a fact when the policy has decided. Results
refer to calls by the model's ids, the log by event ids: the book translates, also for subagents,
whose events name the call that started them.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from csp_crds.agent import Permission
from csp_worker.eventlog import Emitted, EventLog
from csp_worker.rules import canonical
from csp_worker.toolresult import Result

KEPT_CALLS = 5000
KNOWN_SECONDS = 2.0


@dataclass(slots=True)
class Call:
    """One tool call. `event_id` is fixed from the start; `emitted` says whether the fact exists."""

    tool_use_id: str
    event_id: str
    name: str
    input: dict[str, Any]
    parent: str | None = None  # event id of the call that started the subagent
    thread: str | None = None
    emitted: Emitted | None = None
    permission: Permission | None = None
    finished: bool = False
    started_at: float = 0.0
    suggested_rule: str | None = None

    @property
    def mcp_server(self) -> str | None:
        parts = self.name.split("__", 2)
        return parts[1] if len(parts) == 3 and parts[0] == "mcp" else None

    @property
    def shown_name(self) -> str:
        return self.name.split("__", 2)[2] if self.mcp_server else canonical(self.name)


class ToolBook:
    """Calls of one session; the oldest are forgotten."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._calls: OrderedDict[str, Call] = OrderedDict()
        self._threads: dict[str, str] = {}
        self._changed = asyncio.Event()

    def add(self, block: dict[str, Any], parent_tool_use_id: str | None) -> Call:
        """A call that stands in a message of the model."""
        call = Call(
            tool_use_id=str(block["id"]),
            event_id=self._log.new_event_id(),
            name=str(block["name"]),
            input=block.get("input") or {},
            parent=self.event_id(parent_tool_use_id),
            thread=self.thread(parent_tool_use_id),
        )
        self._calls[call.tool_use_id] = call
        if len(self._calls) > KEPT_CALLS:
            self._calls.popitem(last=False)
        self._changed.set()
        return call

    def get(self, tool_use_id: str | None) -> Call | None:
        return self._calls.get(tool_use_id or "")

    def event_id(self, tool_use_id: str | None) -> str | None:
        """The event id of a call that the model names."""
        call = self.get(tool_use_id)
        return call.event_id if call else None

    def by_event(self, event_id: str) -> Call | None:
        """For a person's answer, which names the event."""
        return next((c for c in reversed(self._calls.values()) if c.event_id == event_id), None)

    async def wait_for(self, tool_use_id: str, name: str, given: dict[str, Any]) -> Call:
        """The call that the hook asks about.

        Hook requests and messages take different ways inside the SDK, so the hook can be early;
        a call that never shows up in a message is recorded as the hook describes it.
        """
        deadline = asyncio.get_running_loop().time() + KNOWN_SECONDS
        while tool_use_id not in self._calls:
            self._changed.clear()
            try:
                async with asyncio.timeout_at(deadline):
                    await self._changed.wait()
            except TimeoutError:
                return self.add({"id": tool_use_id, "name": name, "input": given}, None)
        return self._calls[tool_use_id]

    def unfinished(self) -> list[Call]:
        """Calls with a fact and without a result."""
        return [c for c in self._calls.values() if c.emitted is not None and not c.finished]

    def start_thread(self, tool_use_id: str, agent_name: str) -> None:
        """A call has started a subagent."""
        call = self.get(tool_use_id)
        if call is None or tool_use_id in self._threads:
            return
        thread = self._threads[tool_use_id] = self._log.new_thread_id()
        self._log.emit(
            "session.thread_created",
            {
                "session_thread_id": thread,
                "agent_name": agent_name,
                "parent_tool_use_id": call.event_id,
            },
        )

    def thread(self, parent_tool_use_id: str | None) -> str | None:
        return self._threads.get(parent_tool_use_id or "")

    def emit(self, call: Call, permission: Permission, evaluation: str, now: float) -> Emitted:
        """Writes the fact of the call, once."""
        if call.emitted is not None:
            return call.emitted
        description = call.input.get("description")
        fields = {
            "name": call.shown_name,
            "mcp_server_name": call.mcp_server,
            "input": call.input,
            "evaluated_permission": permission,
            "reason": evaluation,
            "title": title(call),
            "description": description if isinstance(description, str) else None,
            "suggested_rule": call.suggested_rule if permission == "ask" else None,
            "parent_tool_use_id": call.parent,
            "session_thread_id": call.thread,
            "background": True if call.input.get("run_in_background") is True else None,
        }
        event_type = "agent.mcp_tool_use" if call.mcp_server else "agent.tool_use"
        call.permission = permission
        call.emitted = self._log.emit(event_type, fields, call.event_id)
        call.started_at = now
        return call.emitted

    def finish(self, call: Call, is_error: bool, result: Result, now: float) -> None:
        """Writes the fact of its result."""
        call.finished = True
        kind = "mcp_tool" if call.mcp_server else "tool"
        self._log.emit(
            f"agent.{kind}_result",
            {
                f"{kind}_use_id": call.event_id,
                "content": result.content,
                "is_error": is_error,
                "duration_ms": max(0, round((now - call.started_at) * 1000)),
                "details": result.details,
                "truncated_bytes": result.truncated_bytes or None,
                "parent_tool_use_id": call.parent,
                "session_thread_id": call.thread,
            },
        )


def title(call: Call) -> str:
    """A few words for the head of a card."""
    for key in ("file_path", "notebook_path", "command", "pattern", "url", "query", "description"):
        value = call.input.get(key)
        if isinstance(value, str) and value.strip():
            first = value.strip().splitlines()[0]
            return f"{call.shown_name}: {first[:120]}"
    return call.shown_name

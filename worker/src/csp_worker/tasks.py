"""Work that goes on beside the conversation: subagents, and commands in the background.

The CLI reports their life in system messages; the last word about a task may come in either of two
kinds, or in both, and is written once.
"""

from __future__ import annotations

from typing import Any

from csp_worker.eventlog import EventLog
from csp_worker.text import cap, clean
from csp_worker.toolbook import ToolBook

_SUMMARY_LIMIT = 64 * 1024
_OUTCOMES = {
    "completed": "completed",
    "failed": "failed",
    "killed": "stopped",
    "stopped": "stopped",
}


class BackgroundTasks:
    """Tasks that have started and not ended."""

    def __init__(self, log: EventLog, book: ToolBook) -> None:
        self._log = log
        self._book = book
        self._running: dict[str, dict[str, Any]] = {}

    @property
    def running(self) -> int:
        return len(self._running)

    def on_message(self, subtype: str, message: dict[str, Any]) -> None:
        """task_started, task_progress, task_updated or task_notification."""
        task_id = str(message.get("task_id", ""))
        if subtype == "task_started":
            self._started(task_id, message)
        elif task_id not in self._running:
            return
        elif subtype == "task_progress":
            self._emit(task_id, "progress", message)
        elif subtype == "task_notification":
            self._ended(task_id, str(message.get("status")), message)
        elif subtype == "task_updated":
            # A notification with the summary follows for most tasks, at once; the status is kept
            # until then, and is the last word if the turn goes on without one.
            status = (message.get("patch") or {}).get("status")
            if status in _OUTCOMES:
                self._running[task_id]["outcome"] = status

    def settle(self) -> None:
        """At the end of a turn: tasks that ended without a notification."""
        for task_id, task in list(self._running.items()):
            if outcome := task.get("outcome"):
                self._ended(task_id, outcome, {})

    def lost(self) -> int:
        """The CLI is gone and its tasks with it; returns how many."""
        count = len(self._running)
        for task_id in list(self._running):
            self._ended(task_id, "stopped", {})
        return count

    def _started(self, task_id: str, message: dict[str, Any]) -> None:
        tool_use_id = message.get("tool_use_id")
        self._running[task_id] = {
            "description": clean(str(message.get("description", ""))),
            "tool_use_id": self._book.event_id(tool_use_id),
        }
        if message.get("task_type") == "local_agent" and tool_use_id:
            self._book.start_thread(tool_use_id, str(message.get("subagent_type") or "agent"))
        self._emit(task_id, "started", {})

    def _ended(self, task_id: str, status: str, message: dict[str, Any]) -> None:
        self._emit(task_id, _OUTCOMES.get(status, "completed"), message)
        self._running.pop(task_id, None)

    def _emit(self, task_id: str, status: str, message: dict[str, Any]) -> None:
        task = self._running[task_id]
        summary = message.get("summary")
        if status == "progress" and not summary:
            summary = message.get("description")
        self._log.emit(
            "agent.task",
            {
                "task_id": task_id,
                "status": status,
                "description": task["description"],
                "summary": cap(clean(summary), _SUMMARY_LIMIT)[0] if summary else None,
                "tool_use_id": task["tool_use_id"],
                "usage": message.get("usage"),
            },
        )

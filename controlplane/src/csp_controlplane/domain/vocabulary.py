"""The event types of the log and who may write them. Prose: docs/reference/protocol.md."""

from __future__ import annotations

from typing import Final, Literal

State = Literal["creating", "active", "running", "paused", "completed", "error"]

WORKER_TYPES: Final = frozenset(
    {
        "agent.message",
        "agent.thinking",
        "agent.tool_use",
        "agent.mcp_tool_use",
        "agent.tool_result",
        "agent.mcp_tool_result",
        "agent.todos",
        "agent.task",
        "agent.thread_context_compacted",
        "session.notice",
        "session.error",
        "session.thread_created",
        "span.turn_start",
        "span.turn_end",
        "span.model_request_start",
        "span.model_request_end",
    }
)
"""Types that a worker may report. Everything else is the control plane's."""

INPUT_TYPES: Final = frozenset(
    {
        "user.message",
        "user.message_update",
        "user.message_cancel",
        "user.interrupt",
        "user.tool_confirmation",
        "session.updated",
    }
)
"""Types that are delivered to the worker, in seq order."""

TOOL_USES: Final = frozenset({"agent.tool_use", "agent.mcp_tool_use"})
TOOL_RESULTS: Final = frozenset({"agent.tool_result", "agent.mcp_tool_result"})
FOLDING_WORKER_TYPES: Final = TOOL_USES | TOOL_RESULTS | {"span.turn_start", "span.turn_end"}
"""Worker types that can change the fold: their batches are decided upon before they are written."""

MAX_EVENT_BYTES: Final = 1_000_000
MAX_QUEUE: Final = 100
MAX_PARTIAL_BYTES: Final = 64 * 1024
"""How much of the text that a dead worker's clients saw is kept."""

"""What can be counted about one worker, for a scraper that reaches it: its pod's, not a laptop's.

Locally there are many workers and no port for each; the supervisor measures their memory instead.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

REASONS = ("cli_died", "memory_limit")
EVENT_TYPES = (
    "agent.message",
    "agent.mcp_tool_result",
    "agent.mcp_tool_use",
    "agent.task",
    "agent.thinking",
    "agent.thread_context_compacted",
    "agent.todos",
    "agent.tool_result",
    "agent.tool_use",
    "session.error",
    "session.notice",
    "session.thread_created",
    "span.model_request_end",
    "span.model_request_start",
    "span.turn_end",
    "span.turn_start",
)


class Metrics:
    """Every series exists from the start."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.cli_rss = Gauge(
            "csp_worker_cli_rss_bytes",
            "Resident memory of the CLI and everything it started.",
            registry=self.registry,
        )
        self.unacknowledged = Gauge(
            "csp_worker_unacknowledged_facts",
            "Facts that the log has not confirmed yet.",
            registry=self.registry,
        )
        self.events = Counter(
            "csp_worker_events",
            "Facts that the worker has written, by their type.",
            ["type"],
            registry=self.registry,
        )
        self.cli_ends = Counter(
            "csp_worker_cli_ends",
            "Ends of the CLI that nobody asked for, by their reason.",
            ["reason"],
            registry=self.registry,
        )
        for event_type in EVENT_TYPES:
            self.events.labels(event_type)
        for reason in REASONS:
            self.cli_ends.labels(reason)

    def serve(self, port: int) -> None:
        """Answers scrapers on this port; 0 serves nothing. Raises OSError."""
        if port:
            start_http_server(port, registry=self.registry)

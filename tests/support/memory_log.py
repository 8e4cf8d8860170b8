"""What the database would hold of one session, for tests of a worker alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Event = dict[str, Any]


@dataclass
class Log:
    """What the database would hold of one session: events by seq, and the transcript."""

    events: list[Event] = field(default_factory=list)
    transcript: list[tuple[str, bytes]] = field(default_factory=list)
    claude_session_id: str = ""

    @property
    def last_seq(self) -> int:
        return len(self.events)

    def append(self, event: Event) -> int:
        self.events.append(event)
        return len(self.events)

    def of(self, *types: str) -> list[Event]:
        """Events of these types, in order."""
        return [event for event in self.events if event["type"] in types]

    def text(self) -> str:
        """All that the agent said on the main thread."""
        return "".join(
            block["text"]
            for event in self.of("agent.message")
            if not event.get("parent_tool_use_id")
            for block in event["content"]
        )

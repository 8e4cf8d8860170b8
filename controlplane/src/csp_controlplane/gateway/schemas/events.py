"""Sending to a session and reading its log."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from csp_controlplane.domain.inputs import MAX_EVENTS_PER_REQUEST, ClientEvent

Order = Literal["asc", "desc"]


class SendEvents(BaseModel):
    """What `POST /events` takes. A WebSocket `send` has the same events."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "events": [
                        {
                            "type": "user.message",
                            "content": [{"type": "text", "text": "Run the tests."}],
                        }
                    ]
                }
            ]
        }
    )

    events: list[ClientEvent] = Field(min_length=1, max_length=MAX_EVENTS_PER_REQUEST)


class LoggedEventAnswer(BaseModel):
    """One event of the log. docs/reference/protocol.md has the fields of each type."""

    model_config = ConfigDict(extra="allow")

    seq: int = Field(description="Ours: its place in the log, from 1.")
    id: str = Field(examples=["sevt_01K7Z0"])
    type: str = Field(examples=["agent.message"])
    processed_at: str | None = None


class SentEvents(BaseModel):
    """The events that were accepted, as they are in the log."""

    data: list[LoggedEventAnswer]


class EventPage(BaseModel):
    """One page of the log."""

    data: list[LoggedEventAnswer]
    next_page: str | None = None


class ContextUsage(BaseModel):
    """How full the model's context window is, as the SDK reports it."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"additionalProperties": True})


def page_bytes(events: list[bytes], next_page: bytes) -> bytes:
    """A page of events that are JSON already."""
    return b'{"data":[' + b",".join(events) + b'],"next_page":' + next_page + b"}"


Json = dict[str, Any]

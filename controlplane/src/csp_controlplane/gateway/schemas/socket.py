"""Every message of a session's WebSocket, as models: the source of the published JSON Schema.

docs/reference/protocol.md says what they mean. The gateway builds server messages from bytes that
it never parses, so these models document and test them; they are not on the path.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import models_json_schema

from csp_controlplane.domain.inputs import MAX_EVENTS_PER_REQUEST, ClientEvent
from csp_controlplane.gateway.schemas.common import ErrorDetail
from csp_controlplane.gateway.schemas.sessions import SessionAnswer


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Open(BaseModel):
    model_config = ConfigDict(extra="allow")


# ---- from the client ----------------------------------------------------------------------------


class SendMessage(_Message):
    """Commits events. Answered by `ack` or `error` with the same client_id."""

    type: Literal["send"]
    client_id: str = Field(
        min_length=1, max_length=128, description="New for each send; twice is once."
    )
    events: list[ClientEvent] = Field(min_length=1, max_length=MAX_EVENTS_PER_REQUEST)


class PingMessage(_Message):
    """Answered by `pong`."""

    type: Literal["ping"]


ClientMessage = Annotated[SendMessage | PingMessage, Field(discriminator="type")]

# ---- from the gateway ---------------------------------------------------------------------------


class HelloMessage(_Message):
    """The first message, once."""

    type: Literal["hello"]
    session: SessionAnswer
    last_seq: int
    gateway: str


class SocketEvent(_Open):
    """An event of the log. Its seq is first_seq plus its place in the list."""

    id: str
    type: str


class EventsMessage(_Message):
    """Facts first_seq, first_seq + 1, …"""

    type: Literal["events"]
    first_seq: int
    events: list[SocketEvent] = Field(min_length=1)


class PreviewedEvent(_Open):
    id: str
    type: Literal["agent.message", "agent.thinking"]


class EventStart(_Open):
    """An event begins to be written."""

    type: Literal["event_start"]
    event: PreviewedEvent
    parent_tool_use_id: str | None = None


class TextPiece(_Open):
    type: Literal["text"]
    text: str


class ThinkingPiece(_Open):
    type: Literal["thinking"]
    thinking: str


class ContentDelta(_Open):
    type: Literal["content_delta"]
    index: int | None = None
    content: Annotated[TextPiece | ThinkingPiece, Field(discriminator="type")]


class EventDelta(_Open):
    """A piece of text at a byte offset of the event's UTF-8 text."""

    type: Literal["event_delta"]
    event_id: str
    offset: int = Field(ge=0)
    delta: ContentDelta


class PreviewsMessage(_Message):
    """Text that is being written; never history."""

    type: Literal["previews"]
    events: list[Annotated[EventStart | EventDelta, Field(discriminator="type")]]


class PreviewWithdrawnMessage(_Message):
    """Forget this preview: the model request failed."""

    type: Literal["preview_withdrawn"]
    event_id: str


class CaughtUpMessage(_Message):
    """Everything up to seq has been sent; live from here."""

    type: Literal["caught_up"]
    seq: int


class AckedEvent(_Message):
    id: str
    type: str
    seq: int


class AckMessage(_Message):
    """The events of a send are committed."""

    type: Literal["ack"]
    client_id: str
    data: list[AckedEvent]


class ErrorMessage(_Message):
    """A send was refused, or a message was bad."""

    type: Literal["error"]
    client_id: str | None = None
    error: ErrorDetail


class PongMessage(_Message):
    type: Literal["pong"]


ServerMessage = Annotated[
    HelloMessage
    | EventsMessage
    | PreviewsMessage
    | PreviewWithdrawnMessage
    | CaughtUpMessage
    | AckMessage
    | ErrorMessage
    | PongMessage,
    Field(discriminator="type"),
]

_CLIENT = (SendMessage, PingMessage)
_SERVER = (
    HelloMessage,
    EventsMessage,
    PreviewsMessage,
    PreviewWithdrawnMessage,
    CaughtUpMessage,
    AckMessage,
    ErrorMessage,
    PongMessage,
)

CLOSE_CODES = {
    "4400": "bad message",
    "4401": "signed out",
    "4404": "unknown session, or not yours",
    "4408": "too slow: reconnect with your seq",
    "4409": "ahead of the log: reload",
    "4410": "the session was deleted",
    "1009": "message too big",
    "1012": "the gateway restarts: reconnect",
    "1013": "try again later",
}


def socket_schema() -> dict[str, Any]:
    """JSON Schema of all messages: `$defs` ClientMessage and ServerMessage are the two sides."""
    ids, definitions = models_json_schema(
        [*((model, "validation") for model in _CLIENT), *((m, "serialization") for m in _SERVER)],
        ref_template="#/$defs/{model}",
    )
    defs = dict(definitions["$defs"])
    for name, models, mode in (
        ("ClientMessage", _CLIENT, "validation"),
        ("ServerMessage", _SERVER, "serialization"),
    ):
        defs[name] = {"oneOf": [ids[model, mode] for model in models]}  # type: ignore[index]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "/api/v1/socket-schema.json",
        "title": "Messages of WebSocket /api/v1/sessions/{session_id}/ws",
        "oneOf": [{"$ref": "#/$defs/ClientMessage"}, {"$ref": "#/$defs/ServerMessage"}],
        "$defs": defs,
        "x-close-codes": CLOSE_CODES,
    }

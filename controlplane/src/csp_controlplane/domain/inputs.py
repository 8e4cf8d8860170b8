"""The events that a client may send: their shapes, checked before anything is decided.

One pydantic union is the source of the check, of the API's schema and of the socket's.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from csp_controlplane.domain.vocabulary import MAX_EVENT_BYTES
from csp_controlplane.errors import InvalidRequest, TooLarge

ID = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_\-.:]+$")]


class _Input(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Base64Source(_Input):
    type: Literal["base64"]
    media_type: str = Field(max_length=128)
    data: str


class FileSource(_Input):
    """A file uploaded with POST /files."""

    type: Literal["file"]
    file_id: ID


class PlainTextSource(_Input):
    type: Literal["text"]
    media_type: Literal["text/plain"] = "text/plain"
    data: str


class TextBlock(_Input):
    type: Literal["text"]
    text: str


class ImageBlock(_Input):
    type: Literal["image"]
    source: Annotated[Base64Source | FileSource, Field(discriminator="type")]


class DocumentBlock(_Input):
    type: Literal["document"]
    source: Annotated[Base64Source | FileSource | PlainTextSource, Field(discriminator="type")]
    title: str | None = Field(None, max_length=500)
    context: str | None = Field(None, max_length=10_000)


Block = Annotated[TextBlock | ImageBlock | DocumentBlock, Field(discriminator="type")]
Content = Annotated[list[Block], Field(min_length=1, max_length=100)]


class _ClientEvent(_Input):
    client_id: ID | None = Field(None, description="Sent twice, it is one event.")


class UserMessage(_ClientEvent):
    """A message for the agent."""

    type: Literal["user.message"]
    content: Content

    @model_validator(mode="after")
    def _says_something(self) -> UserMessage:
        if all(isinstance(block, TextBlock) and not block.text.strip() for block in self.content):
            raise ValueError("content is empty: write a text or attach a file")
        return self


class UserMessageUpdate(_ClientEvent):
    """Replaces the content of a message that is still queued."""

    type: Literal["user.message_update"]
    message_id: ID
    content: Content


class UserMessageCancel(_ClientEvent):
    """Takes a queued message back."""

    type: Literal["user.message_cancel"]
    message_id: ID


class UserInterrupt(_ClientEvent):
    """Stops the running turn. Without one it does nothing."""

    type: Literal["user.interrupt"]


class UserToolConfirmation(_ClientEvent):
    """The answer to a tool use that asks."""

    type: Literal["user.tool_confirmation"]
    tool_use_id: ID
    result: Literal["allow", "deny"]
    deny_message: str | None = Field(None, max_length=10_000)
    scope: Literal["once", "session"] | None = Field(
        None, description="session: do not ask again for calls of this kind."
    )
    updated_input: dict[str, Any] | None = Field(None, description="Run with this input instead.")
    answers: dict[str, str | list[str]] | None = Field(
        None, description="For AskUserQuestion: the chosen labels per question."
    )

    @model_validator(mode="after")
    def _fits_its_result(self) -> UserToolConfirmation:
        if self.result == "allow" and self.deny_message is not None:
            raise ValueError("deny_message is only for result deny")
        if self.result == "deny" and (self.updated_input or self.answers or self.scope):
            raise ValueError("updated_input, answers and scope are only for result allow")
        return self


ClientEvent = Annotated[
    UserMessage | UserMessageUpdate | UserMessageCancel | UserInterrupt | UserToolConfirmation,
    Field(discriminator="type"),
]
_ADAPTER: TypeAdapter[ClientEvent] = TypeAdapter(ClientEvent)
MAX_EVENTS_PER_REQUEST = 50


def parse_client_events(raw: object) -> list[tuple[str, dict[str, Any]]]:
    """Checked (type, fields) pairs of what a client sent.

    Raises InvalidRequest naming the place of the first mistake, TooLarge for an event over 1 MB.
    """
    if not isinstance(raw, list) or not raw:
        raise InvalidRequest('events: send a list with at least one event, e.g. {"events": [...]}')
    if len(raw) > MAX_EVENTS_PER_REQUEST:
        raise InvalidRequest(f"events: at most {MAX_EVENTS_PER_REQUEST} events in one request")
    return [_parse(index, event) for index, event in enumerate(raw)]


def _parse(index: int, raw: object) -> tuple[str, dict[str, Any]]:
    try:
        event = _ADAPTER.validate_python(raw)
    except ValidationError as error:
        raise InvalidRequest(_sentence(index, raw, error)) from None
    fields = event.model_dump(exclude_none=True, exclude={"type"})
    try:
        size = len(orjson.dumps(fields))
    except (orjson.JSONEncodeError, UnicodeEncodeError):
        raise InvalidRequest(f"events.{index}: the text is not valid Unicode") from None
    if size > MAX_EVENT_BYTES:
        raise TooLarge(
            f"events.{index}: {size} bytes, at most {MAX_EVENT_BYTES} are possible. "
            "Upload large images and documents with POST /files and refer to them by file_id."
        )
    return event.type, fields


def _sentence(index: int, raw: object, error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    if first["type"] in ("union_tag_invalid", "union_tag_not_found") and len(first["loc"]) == 0:
        given = raw.get("type") if isinstance(raw, dict) else None
        known = "user.message, user.message_update, user.message_cancel, user.interrupt, "
        return (
            f"events.{index}.type: {given!r} is not an event that a client can send. "
            f"Known types: {known}user.tool_confirmation."
        )
    place = ".".join(str(part) for part in first["loc"] if not str(part).startswith("user."))
    return f"events.{index}{'.' + place if place else ''}: {first['msg']}"

"""Pieces that several resources share."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer

T = TypeVar("T")


def _storable(text: str) -> str:
    """PostgreSQL's text type has no NUL; half a surrogate pair is no Unicode text."""
    if "\0" in text:
        raise ValueError("the NUL character is not possible here")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("the text is not valid Unicode") from None
    return text


def rfc3339(moment: datetime) -> str:
    """A time as the API writes it: UTC, milliseconds, Z."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


Text = Annotated[str, AfterValidator(_storable)]
Name = Annotated[Text, Field(min_length=1, max_length=256)]
Moment = Annotated[datetime, PlainSerializer(rfc3339, return_type=str)]
Metadata = Annotated[
    dict[Annotated[Text, Field(max_length=64)], Annotated[Text, Field(max_length=512)]],
    Field(max_length=16, description="Your own key-value pairs: at most 16."),
]
MetadataPatch = Annotated[
    dict[Annotated[Text, Field(max_length=64)], Annotated[Text, Field(max_length=512)] | None],
    Field(max_length=32, description="A string sets a key, null deletes it, the rest stays."),
]


class Request(BaseModel):
    """A body that a client sends: unknown fields are refused rather than ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Answer(BaseModel):
    """A body that the gateway sends."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Page(Answer, Generic[T]):
    """One page of a list."""

    data: list[T]
    next_page: str | None = Field(
        None, description="Hand it back as `page` for the next page; null at the end."
    )


class Deleted(Answer):
    """What is left of a deleted thing."""

    id: str
    type: str = Field(examples=["session_deleted"])


class ErrorDetail(BaseModel):
    """What was wrong: a stable type and a sentence for a person."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["not_found_error"])
    message: str = Field(examples=["There is no session 'sesn_01'."])


class ErrorAnswer(BaseModel):
    """Every refusal has this shape, which is Anthropic's."""

    type: str = Field("error", examples=["error"])
    error: ErrorDetail
    request_id: str | None = Field(None, examples=["req_01K7Z0"])


def patched_metadata(
    current: dict[str, str], patch: dict[str, str | None] | None
) -> dict[str, str]:
    """Metadata after a patch. Raises ValueError when there would be more than 16 pairs."""
    merged: dict[str, Any] = {**current, **(patch or {})}
    left = {key: value for key, value in merged.items() if value is not None}
    if len(left) > 16:
        raise ValueError("metadata: at most 16 pairs are possible")
    return left

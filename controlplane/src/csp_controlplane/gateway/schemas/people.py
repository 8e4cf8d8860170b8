"""The signed-in user, signing in, and API keys."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from csp_controlplane.gateway.schemas.common import Answer, Moment, Name, Request


class UserAnswer(Answer):
    """A person or program."""

    id: str
    name: str
    email: str
    role: Literal["member", "admin"]


class ErasedAnswer(Answer):
    """What an erasure removed, in numbers."""

    type: Literal["user_erased"] = "user_erased"
    id: str
    sessions: int
    files: int
    keys: int


class TenantAnswer(Answer):
    """Whose data it is: tenants never see each other's."""

    id: str
    name: str


class ModelAnswer(Answer):
    """A model to choose from."""

    id: str
    name: str
    context_window: int = Field(description="In tokens.")


class LimitsAnswer(Answer):
    """Bounds that a client should know before it sends."""

    message_bytes: int = Field(description="One event, in bytes.")
    queue: int = Field(description="Messages that may wait in a session.")
    attachment_bytes: int = Field(description="One upload, in bytes.")


class MeAnswer(Answer):
    """Who is signed in, and what this installation offers."""

    user: UserAnswer
    tenant: TenantAnswer
    scripted_model: bool = Field(description="True: answers are scripted, no model is asked.")
    version: str
    models: list[ModelAnswer]
    permission_modes: list[str] = Field(description="Those that a new session can begin with.")
    limits: LimitsAnswer


class Login(Request):
    """Signing in with a password."""

    email: Annotated[str, Field(min_length=1, max_length=254)]
    password: Annotated[str, Field(min_length=1, max_length=1000)]


class ApiKeyCreate(Request):
    """A new key for a program."""

    name: Name
    expires_at: AwareDatetime | None = Field(None, description="Absent: until it is revoked.")


class ApiKeyAnswer(Answer):
    """A key, without the key."""

    type: Literal["api_key"] = "api_key"
    id: str = Field(examples=["key_01K7Z0"])
    name: str
    hint: str = Field(description="How the key begins.")
    created_at: Moment
    expires_at: Moment | None
    last_used_at: Moment | None


class NewApiKeyAnswer(ApiKeyAnswer):
    """A key that was just made: the only time that it is shown."""

    key: str = Field(examples=["csp_…"])


def is_past(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and moment <= now

"""Links that show one session to whoever has them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from csp_controlplane.gateway.schemas.common import Answer, Moment, Request


class ShareCreate(Request):
    """A link to what the session holds now; what is said later is not shown."""

    expires_in_hours: int = Field(168, ge=1, le=8760, description="After that it shows nothing.")


class ShareAnswer(Answer):
    """A link, without its token."""

    type: Literal["share"] = "share"
    id: str
    hint: str = Field(description="How the token begins.")
    seq: int = Field(description="Events up to this one are shown.")
    created_at: Moment
    expires_at: Moment
    revoked_at: Moment | None
    opened: int = Field(description="How often it was opened.")
    opened_at: Moment | None


class ShareCreated(ShareAnswer):
    """The only answer that has the link itself."""

    url: str = Field(description="The token is behind the #, so that no server log holds it.")


class ShareList(Answer):
    """The session's links, newest first."""

    data: list[ShareAnswer]


class SharedSession(Answer):
    """What a link shows, before its events."""

    type: Literal["shared_session"] = "shared_session"
    title: str | None
    agent: str = Field(description="Its name.")
    seq: int = Field(description="Of the last event.")
    created_at: Moment
    expires_at: Moment

"""Forks of sessions and the family that they make."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from csp_controlplane.domain.inputs import UserMessage
from csp_controlplane.domain.vocabulary import State
from csp_controlplane.gateway.schemas.common import Answer, Moment, Request
from csp_controlplane.gateway.schemas.sessions import Id, Title


class ForkCreate(Request):
    """Where a session is left, and how the fork begins."""

    at: Id | None = Field(
        None,
        description="Id of a user.message: the fork begins with everything before it. "
        "Absent: with everything up to the last turn that has ended.",
    )
    title: Title | None = Field(None, description="Absent: the title, with a number.")
    initial_events: list[UserMessage] | None = Field(
        None, max_length=50, description="Messages to go on with."
    )


class Rewind(Request):
    """Where the files of a session go back to."""

    to: Id = Field(description="Id of a user.message: the files become what they were before it.")


class BranchAnswer(Answer):
    """One session of a family of forks."""

    type: Literal["branch"] = "branch"
    id: str
    parent: str | None = Field(description="The session that it was forked from; may be deleted.")
    forked_seq: int | None = Field(description="So many first events are the parent's.")
    forked_message: str | None = Field(description="The parent's message that it stands before.")
    title: str | None
    said: str | None = Field(description="A fork's first own message, in a line.")
    state: State
    seq: int
    created_at: Moment
    last_event_at: Moment
    archived_at: Moment | None


class BranchList(Answer):
    """A family, oldest first."""

    data: list[BranchAnswer]

"""Files: uploads that messages refer to, and what lies in a session's workspace."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from csp_controlplane.gateway.schemas.common import Answer, Moment


class FileAnswer(Answer):
    """An uploaded file."""

    type: Literal["file"] = "file"
    id: str = Field(examples=["file_01K7Z0"])
    filename: str
    mime_type: str
    size_bytes: int
    downloadable: bool = True
    created_at: Moment
    expires_at: None = None
    scope: None = None


class WorkspaceFile(Answer):
    """One entry of a directory."""

    name: str
    type: Literal["file", "directory"]
    size: int = Field(description="In bytes.")
    modified_at: float = Field(description="Seconds since 1970.")


class WorkspaceListing(Answer):
    """One level of a session's working directory."""

    path: str
    truncated: bool = Field(description="There are more entries than shown.")
    files: list[WorkspaceFile]

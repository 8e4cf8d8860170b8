"""A session as the API's layers see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from csp_controlplane.domain.events import LoggedEvent
from csp_crds.agent import AgentSpec

__all__ = ["LoggedEvent", "SessionRecord"]


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """One row of sessions with its usage. Times are UTC; money in millionths of a US dollar."""

    id: str
    tenant: str
    owner: str
    agent_id: str | None
    agent_version: int | None
    agent: dict[str, Any]
    spec: AgentSpec
    environment_id: str | None
    title: str | None
    metadata: dict[str, str]
    state: str
    last_seq: int
    model: str | None
    permission_mode: str
    queue: list[dict[str, Any]]
    pending: list[str]
    created_at: datetime
    updated_at: datetime
    last_event_at: datetime
    archived_at: datetime | None
    usage: dict[str, int]

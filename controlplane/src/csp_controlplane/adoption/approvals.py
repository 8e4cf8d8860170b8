"""Answers for nobody: what a prompt's tool calls ask for is denied where its author said so.

Only the turn that the resource's own prompt started: later messages come from people, who can be
asked.
"""

from __future__ import annotations

from typing import Any

import structlog

from csp_controlplane.domain.principal import Principal
from csp_controlplane.errors import ApiError
from csp_controlplane.sessions.service import SessionService
from csp_controlplane.store import sessions
from csp_controlplane.store.database import Database
from csp_controlplane.store.log import events_by_dedup_key
from csp_controlplane.store.origins import Facts

log = structlog.get_logger(__name__)

DENIED = (
    "Nobody is there to allow this: the session's prompt declares onApproval: Deny. "
    "Go on without it, or say in your answer what a person has to do."
)


def prompt_key(uid: str) -> str:
    """Under which the log knows the prompt of the resource with this UID."""
    return f"c:{uid}"


class Approvals:
    """Denies the questions of unattended prompts."""

    def __init__(self, db: Database, service: SessionService) -> None:
        self._db = db
        self._service = service
        self._prompts: dict[str, str] = {}

    async def look(self, tenant: str, facts: Facts, resource: dict[str, Any]) -> None:
        """Denies what the prompt's turn asks for. Raises the database's errors."""
        prompt = (resource.get("spec") or {}).get("prompt")
        if not prompt or prompt.get("onApproval", "Deny") != "Deny" or facts.fold.turn is None:
            return
        event = await self._prompt_event(tenant, facts.session, resource["metadata"]["uid"])
        if event is None or event not in facts.fold.turn.message_ids:
            return
        who = Principal(tenant, facts.owner)
        for question in facts.fold.questions:
            answer = {
                "type": "user.tool_confirmation",
                "tool_use_id": question.id,
                "result": "deny",
                "deny_message": DENIED,
            }
            try:
                await self._service.send(
                    who, facts.session, [answer], client_id=None, request_hash=None, is_retry=False
                )
            except ApiError as error:  # answered, or the turn is over
                log.info("not_denied", session_id=facts.session, reason=str(error))

    async def _prompt_event(self, tenant: str, session: str, uid: str) -> str | None:
        if uid not in self._prompts:
            row = await sessions.load(self._db, tenant, session)
            if row is None:
                return None
            found = await events_by_dedup_key(
                self._db, tenant, row.month, session, [prompt_key(uid)]
            )
            if not found:
                return None
            self._prompts[uid] = found[0].id
        return self._prompts[uid]

"""Forks of sessions: a new session that begins as an earlier one did, up to a message.

The fork has the events, the transcript that its worker resumes from, and the files as they were at
that point. What was allowed "for the session" was allowed for the other one: a fork asks again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from csp_controlplane.attach.attacher import Attacher
from csp_controlplane.attach.core import Core
from csp_controlplane.domain import branching, course
from csp_controlplane.domain.branching import Cut
from csp_controlplane.domain.events import NewEvent
from csp_controlplane.domain.fold import Fold
from csp_controlplane.domain.inputs import parse_client_events
from csp_controlplane.domain.principal import Principal
from csp_controlplane.domain.records import SessionRecord
from csp_controlplane.errors import InvalidRequest
from csp_controlplane.sessions import rewinding
from csp_controlplane.sessions.inheriting import keep_parents_files, older_files
from csp_controlplane.sessions.ownership import own_record, own_row
from csp_controlplane.sessions.sending import Sender, Target
from csp_controlplane.store import branches, origins
from csp_controlplane.store.branches import Branch, Origin
from csp_controlplane.store.sessions import NewSession, SessionRow
from csp_crds.agent import AgentSpec

MAX_TITLE = 500
_NUMBER = re.compile(r" \(\d+\)$")


@dataclass(frozen=True, slots=True)
class ForkRequest:
    """`at`: the user.message that the fork stands before; None: after the last whole turn.
    `spec`: what the fork's agent is; None: what the parent's is. `origin_uid` and
    `budget_microusd` are those of the resource that the fork is born as."""

    at: str | None = None
    title: str | None = None
    initial_events: list[dict[str, Any]] = field(default_factory=list)
    spec: AgentSpec | None = None
    origin_uid: str | None = None
    budget_microusd: int | None = None


class Branches:
    """See the module. `Principal`s have been authenticated; ownership is checked here."""

    def __init__(self, core: Core, attacher: Attacher, sender: Sender) -> None:
        self._core = core
        self._attacher = attacher
        self._sender = sender

    async def fork(self, who: Principal, session_id: str, asked: ForkRequest) -> SessionRecord:
        """The new session; its worker is being prepared when this returns.

        Raises NotFound, InvalidRequest or Conflict.
        """
        first = parse_client_events(asked.initial_events) if asked.initial_events else []
        if any(type_ != "user.message" for type_, _ in first):
            raise InvalidRequest("initial_events: only user.message is possible here")
        made = await self._make(who, session_id, asked)
        fork = await own_row(self._core.db, who, made)
        await self._attacher.keep(fork)
        if first:
            await self._sender.send(who, Target.of_row(fork), first, keys=[None] * len(first))
        return await own_record(self._core.db, who, made)

    async def born(self, who: Principal, session_id: str, asked: ForkRequest) -> str:
        """The id of the fork that a resource asks for; made if need be. Raises as `fork` does."""
        try:
            return await self._make(who, session_id, asked)
        except asyncpg.UniqueViolationError:  # another gateway was faster
            found = await origins.sessions_of(self._core.db, [asked.origin_uid or ""], [])
            return found[0].session

    async def take_files_back(self, who: Principal, session_id: str, to: str) -> SessionRecord:
        """The session with its files as they were before a message. Raises as `fork` does."""
        row = await own_row(self._core.db, who, session_id)
        await rewinding.take_files_back(self._core, self._attacher, row, to)
        return await own_record(self._core.db, who, session_id)

    async def family(self, who: Principal, session_id: str) -> list[Branch]:
        """The session's ancestors, forks and their forks, oldest first. Raises NotFound."""
        await own_row(self._core.db, who, session_id)
        return await branches.family(self._core.db, who.tenant, who.user_id, session_id)

    # ---- the parts of a fork

    async def _make(self, who: Principal, session_id: str, asked: ForkRequest) -> str:
        row = await own_row(self._core.db, who, session_id)
        record = await own_record(self._core.db, who, session_id)
        if asked.at is None:
            await keep_parents_files(self._core, row)
        cut = await self._cut(row, asked.at)
        older = await older_files(self._core, row, cut.events)
        new = await self._new(who, row, record, asked)
        before = await self._before_line(row, cut)
        origin = Origin(row.id, cut.events, before, asked.at)
        await branches.insert_fork(self._core.db, new, origin, self._seam(record, cut, older))
        return new.id

    async def _cut(self, row: SessionRow, at: str | None) -> Cut:
        marks = await branches.marks(self._core.db, row.tenant, row.month, row.id)
        if at is not None:
            return branching.cut_before(marks, at)
        # Read before the marks: what was written in between is beyond the cut.
        marks = [mark for mark in marks if mark.seq <= row.last_seq]
        return branching.cut_at_end(marks, row.last_seq)

    async def _before_line(self, row: SessionRow, cut: Cut) -> int | None:
        if not cut.begun:
            return 0
        return await branches.line_of(self._core.db, row.tenant, row.month, row.id, cut.prompts)

    async def _new(
        self, who: Principal, row: SessionRow, record: SessionRecord, asked: ForkRequest
    ) -> NewSession:
        now = self._core.make.now()
        title = asked.title
        if title is None:
            size = await branches.family_size(self._core.db, who.tenant, who.user_id, row.id)
            title = numbered(record.title, size + 1)
        own = asked.spec is None
        return NewSession(
            id=self._core.make.new_id("sesn"),
            month=now.date().replace(day=1),
            tenant=who.tenant,
            owner=who.user_id,
            agent=record.agent if own else {},
            spec=asked.spec or record.spec,
            agent_id=record.agent_id if own else None,
            agent_version=record.agent_version if own else None,
            environment_id=record.environment_id if own else None,
            title=title,
            metadata=record.metadata,
            fold=Fold(
                model=row.fold.model if own else None,
                permission_mode=(asked.spec or row.fold).permission_mode,
                titled=title is not None,
            ),
            origin_uid=asked.origin_uid,
            budget_microusd=asked.budget_microusd,
        )

    def _seam(self, record: SessionRecord, cut: Cut, older: str | None) -> list[NewEvent]:
        """What the fork's own log begins with, right after the copies."""
        make = self._core.make
        taken_back = [
            make.make("user.message_cancel", {"message_id": message}) for message in cut.waiting
        ]
        title = record.title or "an earlier session"
        above = "What is above happened there." if cut.events else "It starts from the beginning."
        text = f"This is a branch of “{title}”. {above}"
        data = {"session_id": record.id, "seq": cut.events}
        forked = course.say("forked", "info", text, make, data)
        files = [course.say("workspace_restored", "warning", older, make)] if older else []
        return [*taken_back, forked, *files]


def numbered(title: str | None, number: int) -> str | None:
    """The parent's title with the branch's number in the family: "Tides (2)"."""
    if title is None:
        return None
    suffix = f" ({number})"
    return _NUMBER.sub("", title)[: MAX_TITLE - len(suffix)] + suffix

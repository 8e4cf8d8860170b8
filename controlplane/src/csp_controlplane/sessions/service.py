"""Sessions as the API offers them: the one door of the core for REST, SSE and WebSocket.

Everything a person may do to a session goes through here, checked against the principal's tenant
and ownership; a foreign session looks exactly like an unknown one. Accepted means committed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, Literal

from csp_controlplane.attach.attacher import Attacher
from csp_controlplane.attach.core import Core
from csp_controlplane.attach.lifecycle import decide_and_append
from csp_controlplane.attach.resting import release_worker
from csp_controlplane.domain import course, decisions
from csp_controlplane.domain.fold import Fold
from csp_controlplane.domain.inputs import parse_client_events
from csp_controlplane.domain.principal import Principal
from csp_controlplane.domain.records import LoggedEvent, SessionRecord
from csp_controlplane.errors import InvalidRequest
from csp_controlplane.live.subscription import Subscription
from csp_controlplane.sessions import workspace
from csp_controlplane.sessions.branches import Branches
from csp_controlplane.sessions.erasure import Erasure
from csp_controlplane.sessions.ownership import own_record, own_row
from csp_controlplane.sessions.resources import ResourceSessions
from csp_controlplane.sessions.retention import Retention
from csp_controlplane.sessions.sending import Sender, Target
from csp_controlplane.sessions.transfer import Transfer
from csp_controlplane.store import session_views, sessions
from csp_controlplane.store.log import LogPage, LogQuery, query_log
from csp_controlplane.store.session_views import ListOrder, ListQuery
from csp_controlplane.store.sessions import NewSession, SessionRow
from csp_crds.agent import AgentSpec

# The class below has a method named list: these keep its annotations apart from it.
Events = list[LoggedEvent]
Types = list[str] | None


class Unset:
    """Marks a field that the caller did not name."""


UNSET = Unset()


class SessionService:
    """Creates, shows, changes and ends sessions; sends to them; subscribes to them."""

    def __init__(self, core: Core, attacher: Attacher) -> None:
        self._core = core
        self._attacher = attacher
        self._sender = Sender(core, attacher)
        self.resources = ResourceSessions(core, attacher)
        self.branches = Branches(core, attacher, self._sender)
        self.transfer = Transfer(core)
        self.erasure = Erasure(core, attacher)
        self.retention = Retention(core, self.erasure)

    # ---- the session itself

    async def create(
        self,
        who: Principal,
        *,
        agent: dict[str, Any],
        spec: AgentSpec,
        agent_id: str | None,
        agent_version: int | None,
        environment_id: str | None,
        title: str | None,
        metadata: dict[str, str],
        initial_events: list[dict[str, Any]],
    ) -> SessionRecord:
        """A new session; its worker is being prepared when this returns."""
        first = parse_client_events(initial_events) if initial_events else []
        if any(type_ != "user.message" for type_, _ in first):
            raise InvalidRequest("initial_events: only user.message is possible here")
        now = self._core.make.now()
        fold = Fold(permission_mode=spec.permission_mode, titled=title is not None)
        new = NewSession(
            id=self._core.make.new_id("sesn"),
            month=now.date().replace(day=1),
            tenant=who.tenant,
            owner=who.user_id,
            agent=agent,
            spec=spec,
            agent_id=agent_id,
            agent_version=agent_version,
            environment_id=environment_id,
            title=title,
            metadata=metadata,
            fold=fold,
        )
        await sessions.insert(self._core.db, new)
        row = await self._own(who, new.id)
        await self._attacher.keep(row)
        if first:
            await self._sender.send(who, Target.of_row(row), first, keys=[None] * len(first))
        return await self.get(who, new.id)

    async def get(self, who: Principal, session_id: str) -> SessionRecord:
        """Raises NotFound for an unknown or foreign session."""
        return await own_record(self._core.db, who, session_id)

    async def list(
        self,
        who: Principal,
        *,
        limit: int,
        cursor: str | None,
        include_archived: bool,
        statuses: list[str] | None,
        search: str | None,
        order: str,
        agent_id: str | None,
        created: dict[str, datetime],
        order_by: ListOrder = "created_at",
    ) -> tuple[list[SessionRecord], str | None]:
        """A page of the caller's sessions and the cursor of the next one."""
        query = ListQuery(
            limit=limit,
            cursor=cursor,
            include_archived=include_archived,
            statuses=statuses,
            search=search,
            ascending=order == "asc",
            by_activity=order_by == "last_event_at",
            agent_id=agent_id,
            created=created,
        )
        return await session_views.page(self._core.db, who.tenant, who.user_id, query)

    async def update(
        self,
        who: Principal,
        session_id: str,
        *,
        title: str | Unset | None = UNSET,
        metadata: dict[str, str] | Unset = UNSET,
        model: str | Unset | None = UNSET,
        permission_mode: str | Unset = UNSET,
    ) -> SessionRecord:
        """Changes what is named; the worker hears of model and permission mode at once."""
        row = await self._own(who, session_id)
        given = {
            "title": title,
            "metadata": metadata,
            "model": model,
            "permission_mode": permission_mode,
        }
        changes = {name: value for name, value in given.items() if not isinstance(value, Unset)}
        if not changes:
            return await self.get(who, session_id)
        decisions.check_mode(changes, row.spec.permission_modes)
        await session_views.set_columns(self._core.db, who.tenant, session_id, changes)
        await decide_and_append(
            self._core,
            row.tenant,
            row.id,
            lambda fold: decisions.update_settings(fold, changes, self._core.make),
            hub=self._attacher.known(row.id),
        )
        return await self.get(who, session_id)

    async def archive(self, who: Principal, session_id: str) -> SessionRecord:
        """Ends the session's worker and takes the session out of the list; history stays."""
        row = await self._own(who, session_id)
        await session_views.set_archived(self._core.db, row.tenant, row.id, archived=True)
        await self._rest(row)
        return await self.get(who, session_id)

    async def unarchive(self, who: Principal, session_id: str) -> SessionRecord:
        row = await self._own(who, session_id)
        await session_views.set_archived(self._core.db, row.tenant, row.id, archived=False)
        return await self.get(who, session_id)

    async def delete(self, who: Principal, session_id: str) -> None:
        """Ends the session for good: worker, files, log and transcript. Raises Unavailable."""
        await self.erasure.session(await self._own(who, session_id))

    async def _rest(self, row: SessionRow) -> None:
        def interrupt(fold: Fold) -> decisions.Decision | None:
            return course.rest(fold, self._core.make)

        await decide_and_append(
            self._core, row.tenant, row.id, interrupt, hub=self._attacher.known(row.id)
        )
        await release_worker(self._core, row.tenant, row.id, "archived")

    # ---- what is said in it

    async def send(
        self,
        who: Principal,
        session_id: str,
        events: object,
        *,
        client_id: str | None,
        request_hash: str | None,
        is_retry: bool,
        subscribed: bool = False,
    ) -> Events:
        """Commits a client's events, checked here; what was committed before is not again.

        `subscribed`: the client has a subscription of this session, so that it is its own.
        """
        parsed = [
            (type_, self._sender.named(fields, client_id, place))
            for place, (type_, fields) in enumerate(parse_client_events(events))
        ]
        hub = self._attacher.known(session_id) if subscribed else None
        to = Target.of_hub(hub) if hub is not None else None
        if to is None:
            to = Target.of_row(await self._own(who, session_id))
        keys = self._sender.keys(parsed, request_hash)
        if is_retry and request_hash is not None and client_id is None:
            before = await self._sender.earlier(who, to, parsed, request_hash)
            if before:
                return before
        return await self._sender.send(who, to, parsed, keys=keys)

    async def events(
        self,
        who: Principal,
        session_id: str,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int,
        order: Literal["asc", "desc"] = "asc",
        types: Types = None,
        created: dict[str, datetime] | None = None,
    ) -> LogPage:
        """A page of the log."""
        row = await self._own(who, session_id)
        query = LogQuery(limit, after, before, order == "desc", types, created)
        return await query_log(self._core.db, row.tenant, row.month, row.id, query)

    async def subscribe(
        self,
        who: Principal,
        session_id: str,
        *,
        after: int | None,
        tail: int | None,
        previews: dict[str, int],
        as_text: bool = False,
    ) -> Subscription:
        """Everything after a seq (default: from the start), then live. Close it when done."""
        row = await self._own(who, session_id)
        quiet = row.fold.at_rest
        hub = await (self._attacher.hub(row) if quiet else self._attacher.keep(row))
        start = after if after is not None else max(0, row.last_seq - tail) if tail else 0
        return Subscription(
            self._core.db,
            hub,
            after=start,
            previews=previews,
            max_bytes=self._core.settings.subscriber_bytes,
            as_text=as_text,
        )

    # ---- what its worker knows

    async def context_usage(self, who: Principal, session_id: str) -> dict[str, Any]:
        """How full the context window is, as the SDK reports it. Raises Conflict without worker."""
        return await workspace.context_usage(self._core, await self._own(who, session_id))

    async def list_files(self, who: Principal, session_id: str, path: str) -> dict[str, Any]:
        """One level of the working directory."""
        return await workspace.list_files(self._core, await self._own(who, session_id), path)

    async def read_file(
        self, who: Principal, session_id: str, path: str, max_bytes: int
    ) -> AsyncIterator[bytes]:
        """The bytes of one file of the working directory."""
        row = await self._own(who, session_id)
        async for chunk in workspace.read_file(self._core, row, path, max_bytes):
            yield chunk

    async def _own(self, who: Principal, session_id: str) -> SessionRow:
        return await own_row(self._core.db, who, session_id)

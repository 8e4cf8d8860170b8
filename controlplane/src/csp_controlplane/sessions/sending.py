"""Accepting what clients send: decided over the fold, committed once, shown, handed on."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Self

import orjson
import structlog

from csp_controlplane.attach.attacher import Attacher
from csp_controlplane.attach.core import Core, spawn
from csp_controlplane.correlation import request_id
from csp_controlplane.domain import decisions
from csp_controlplane.domain.events import LoggedEvent, NewEvent
from csp_controlplane.domain.fold import Fold
from csp_controlplane.domain.principal import Principal
from csp_controlplane.errors import ApiError, Conflict, NotFound, Unavailable
from csp_controlplane.live.hub import Hub
from csp_controlplane.store import sessions
from csp_controlplane.store.log import FoldChange, append_control, events_by_dedup_key
from csp_controlplane.store.session_views import events_by_request
from csp_controlplane.store.sessions import SessionRow

log = structlog.get_logger(__name__)

MAX_TRIES = 50
RETRY_WINDOW_S = 60.0

Parsed = Sequence[tuple[str, dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Target:
    """The session that is sent to.

    `guessed`: by what this gateway knows, which saves a read and may be too old. An append names
    the fold's version, so that it writes nothing then; all else has to be decided by a read.
    """

    id: str
    tenant: str
    month: date
    last_seq: int
    fold: Fold
    fold_version: int
    archived: bool
    guessed: bool = False

    @classmethod
    def of_row(cls, row: SessionRow) -> Self:
        archived = row.archived_at is not None
        return cls(
            row.id, row.tenant, row.month, row.last_seq, row.fold, row.fold_version, archived
        )

    @classmethod
    def of_hub(cls, hub: Hub) -> Self | None:
        """None: this gateway knows too little."""
        if hub.fold is None:
            return None
        version, fold = hub.fold
        if fold.state not in ("active", "running"):
            return None  # it may be archived, which no fold says
        return cls(
            hub.session,
            hub.tenant,
            hub.month,
            hub.shown,
            fold,
            version,
            archived=False,
            guessed=True,
        )


@dataclass(frozen=True, slots=True)
class _Plan:
    """What one request appends. `own` are the places of the client's own events in it."""

    fold: Fold
    events: tuple[NewEvent, ...]
    own: tuple[int, ...]
    title: str | None


class Sender:
    """Commits requests of clients."""

    def __init__(self, core: Core, attacher: Attacher) -> None:
        self._core = core
        self._attacher = attacher
        self._tasks: set[asyncio.Task[Any]] = set()

    def named(self, fields: dict[str, Any], client_id: str | None, place: int) -> dict[str, Any]:
        """The fields with the request's client id, by which a client knows its event again."""
        if client_id is None or "client_id" in fields:
            return fields
        return {**fields, "client_id": client_id if place == 0 else f"{client_id}:{place}"}

    def keys(self, parsed: Parsed, request_hash: str | None) -> list[str | None]:
        """The key per event under which a second sending is recognised."""
        salt = secrets.token_hex(4)
        result: list[str | None] = []
        for place, (_, fields) in enumerate(parsed):
            hashed = f"h:{request_hash}:{salt}:{place:02d}" if request_hash else None
            result.append(f"c:{fields['client_id']}" if "client_id" in fields else hashed)
        return result

    async def earlier(
        self, who: Principal, to: Target, parsed: Parsed, request_hash: str
    ) -> list[LoggedEvent]:
        """What the same request committed in the last 60 s, if it did."""
        found = await events_by_request(
            self._core.db, to.tenant, to.month, to.id, f"h:{request_hash}:", RETRY_WINDOW_S
        )
        found += await self._same_answers(who, to, parsed)
        return sorted(found, key=lambda event: event.seq) if len(found) == len(parsed) else []

    async def _same_answers(self, who: Principal, to: Target, parsed: Parsed) -> list[LoggedEvent]:
        """Confirmations of this request that are in the log, from this person and the same.

        A confirmation is kept under its tool use, not under its request.
        """
        given = {
            decisions.confirmation_key(fields): {**fields, "user_id": who.user_id}
            for type_, fields in parsed
            if type_ == "user.tool_confirmation"
        }
        if not given:
            return []
        found = await events_by_dedup_key(self._core.db, to.tenant, to.month, to.id, list(given))
        stored = [(event, orjson.loads(event.raw)) for event in found]
        return [
            event
            for event, body in stored
            if given[decisions.confirmation_key(body)].items() <= body.items()
        ]

    async def send(
        self, who: Principal, to: Target, parsed: Parsed, *, keys: Sequence[str | None]
    ) -> list[LoggedEvent]:
        """The committed events of the client, in its order."""
        for _ in range(MAX_TRIES):
            if to.archived:
                raise Conflict("This session is archived. Restore it to go on.")
            try:
                plan = self._plan(who, to.fold, parsed, keys)
            except ApiError:
                if to.guessed:
                    to = await self._read(to)
                    continue
                if again := await self._already(to, parsed, keys):
                    return again
                raise
            change = FoldChange(to.fold_version, plan.fold) if plan.fold != to.fold else None
            if change is None and to.guessed:
                to = await self._read(to)
                continue
            result = await append_control(
                self._core.db, to.tenant, to.id, plan.events, change, title=plan.title
            )
            if result.outcome == "appended":
                return await self._show(to, plan, change, result.base)
            if result.outcome == "duplicate":
                if again := await self._already(to, parsed, keys):
                    return again
                raise Conflict("This question has already been answered.")
            to = await self._read(to)
        raise Unavailable("The session is very busy. Send the message again.")

    async def _read(self, to: Target) -> Target:
        fresh = await sessions.load(self._core.db, to.tenant, to.id)
        if fresh is None:
            raise NotFound("This session was deleted.")
        return Target.of_row(fresh)

    def _plan(
        self, who: Principal, fold: Fold, parsed: Parsed, keys: Sequence[str | None]
    ) -> _Plan:
        events: list[NewEvent] = []
        own: list[int] = []
        titled = fold.titled
        title = None
        sent_by = {"user_id": who.user_id}
        if (request := request_id()) is not None:
            sent_by["request_id"] = request
        for (type_, fields), key in zip(parsed, keys, strict=True):
            decision = decisions.accept(fold, type_, {**fields, **sent_by}, self._core.make)
            fold = decision.fold
            if not titled and fold.titled:
                titled, title = True, decisions.title_of(fields["content"])
            own.append(len(events))
            first, *rest = decision.events
            events.append(replace(first, dedup_key=first.dedup_key or key))
            events.extend(rest)
        return _Plan(fold, tuple(events), tuple(own), title)

    async def _already(
        self, to: Target, parsed: Parsed, keys: Sequence[str | None]
    ) -> list[LoggedEvent]:
        """What an earlier sending of the same client committed."""
        wanted = {
            decisions.confirmation_key(fields): fields.get("client_id")
            for type_, fields in parsed
            if type_ == "user.tool_confirmation"
        }
        known = [key for key in keys if key is not None] + list(wanted)
        if not known:
            return []
        found = await events_by_dedup_key(self._core.db, to.tenant, to.month, to.id, known)
        clients = {client for client in wanted.values() if client is not None}
        return [
            event
            for event in found
            if event.type != "user.tool_confirmation"
            or orjson.loads(event.raw).get("client_id") in clients
        ]

    async def _show(
        self, to: Target, plan: _Plan, change: FoldChange | None, base: int
    ) -> list[LoggedEvent]:
        logged = [
            LoggedEvent(base + place, event.id, event.type, event.payload)
            for place, event in enumerate(plan.events, start=1)
        ]
        hub = self._attacher.known(to.id)
        if hub is not None and change is not None:
            hub.folded(change.version + 1, change.fold)
        if hub is not None and not hub.committed(logged):
            await hub.catch_up(logged[-1].seq)
        if plan.fold.needs_worker:
            await self._attacher.keep(to)
        self._core.observer.changed(to.tenant, to.id)
        announce = self._core.announce(to.id, logged[-1].seq)
        spawn(self._tasks, announce, f"announce-{to.id}")
        own = [logged[place] for place in plan.own]
        # Behind the delivery to the worker, which somebody waits for.
        asyncio.get_running_loop().call_soon(_say_accepted, to.id, own)
        return own


def _say_accepted(session: str, events: Sequence[LoggedEvent]) -> None:
    ids = [event.id for event in events]
    log.info("events_accepted", session_id=session, events=ids, seq=events[0].seq)

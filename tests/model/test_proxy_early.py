"""Requests that come ahead of their turn: the model hears of no turn that the log lacks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import anthropic
import pytest
from anthropic import AsyncAnthropic

from csp_controlplane.domain import decisions
from csp_controlplane.domain.events import EventFactory
from csp_controlplane.domain.fold import Fold
from csp_controlplane.domain.ids import new_id
from csp_controlplane.store.database import Database
from csp_controlplane.store.log import (
    FoldChange,
    WorkerBatch,
    append_control,
    append_worker,
)
from support.models import (
    TENANT,
    BoundSession,
    ProxyServer,
    ScriptedServer,
    bind_session,
    body,
    requests_of,
)

MAKE = EventFactory(now=lambda: datetime.now(UTC), new_id=new_id)


class Conversation:
    """A session's log, written as the gateway and the worker write it."""

    def __init__(self, db: Database, session: BoundSession) -> None:
        self._db = db
        self._session = session
        self._fold = Fold(state="active")
        self._version = 0

    async def message(self) -> str:
        """Somebody has sent a message; its id."""
        fields: dict[str, Any] = {"content": [{"type": "text", "text": "hi"}], "user_id": "u"}
        decision = decisions.accept(self._fold, "user.message", fields, MAKE)
        change = FoldChange(self._version, decision.fold)
        done = await append_control(self._db, TENANT, self._session.id, decision.events, change)
        assert done.outcome == "appended"
        self._fold, self._version = decision.fold, self._version + 1
        return decision.events[0].id

    async def turn_starts(self, message: str) -> None:
        """The worker has begun to answer it."""
        event = MAKE.make("span.turn_start", {"message_ids": [message]})
        fact = decisions.WorkerFact(event.id, event.type, {"message_ids": [message]})
        fold = decisions.follow(self._fold, [fact], MAKE).fold
        batch = WorkerBatch(
            self._session.epoch, 1, [1], [event.id], [event.type], [event.payload.decode()]
        )
        change = FoldChange(self._version, fold)
        assert await append_worker(self._db, TENANT, self._session.id, batch, change) is not None
        self._fold, self._version = fold, self._version + 1


@pytest.fixture
async def impatient(
    scripted: ScriptedServer, database_url: str, redis_url: str, session: BoundSession
) -> AsyncIterator[AsyncAnthropic]:
    """The session's worker at a proxy that waits for turns for a tenth of a second."""
    with ProxyServer(scripted.url, database_url, redis_url, turn_seconds="0.1") as server:
        async with AsyncAnthropic(
            base_url=server.url, api_key=session.handle, max_retries=0
        ) as client:
            yield client


async def test_the_model_is_not_asked_before_the_log_has_the_turn(
    impatient: AsyncAnthropic, db: Database, session: BoundSession, database_url: str
) -> None:
    conversation = Conversation(db, session)
    message = await conversation.message()
    with pytest.raises(anthropic.APIStatusError) as refused:
        await impatient.messages.create(**body("hi"))
    assert refused.value.status_code == 529
    assert "The beginning of this turn was not recorded within 0.1 s" in str(refused.value)
    assert refused.value.response.headers["retry-after"] == "1"
    assert await requests_of(database_url, session.id) == []

    await conversation.turn_starts(message)
    assert (await impatient.messages.create(**body("hi"))).stop_reason == "end_turn"
    assert len(await requests_of(database_url, session.id)) == 1


async def test_a_request_ahead_of_its_turn_is_answered_when_the_log_has_it(
    worker: AsyncAnthropic, proxy: ProxyServer, db: Database, session: BoundSession
) -> None:
    conversation = Conversation(db, session)
    message = await conversation.message()
    request = asyncio.create_task(worker.messages.create(**body("hi")))
    # Those of another session, whose time is enough for the first one's if it did not wait.
    other = await bind_session(db)
    async with AsyncAnthropic(base_url=proxy.url, api_key=other.handle, max_retries=0) as beside:
        for _ in range(3):
            await beside.messages.create(**body("hi"))
    assert not request.done()

    await conversation.turn_starts(message)
    answer = await asyncio.wait_for(request, 20)
    assert answer.stop_reason == "end_turn"


async def test_messages_that_wait_behind_a_turn_hold_up_none_of_its_requests(
    worker: AsyncAnthropic, db: Database, session: BoundSession
) -> None:
    conversation = Conversation(db, session)
    await conversation.turn_starts(await conversation.message())
    await conversation.message()
    assert (await worker.messages.create(**body("go on"))).stop_reason == "end_turn"

"""Creating sessions and watching them through the core, as the gateway's routes do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from csp_controlplane.domain.principal import Principal
from csp_controlplane.domain.records import SessionRecord
from csp_controlplane.live.frames import Frame
from csp_controlplane.live.subscription import Subscription
from csp_controlplane.sessions.service import SessionService
from csp_crds.agent import AgentSpec

ALICE = Principal("t1", "user_alice")
BOB = Principal("t1", "user_bob")


async def new_session(
    service: SessionService, who: Principal = ALICE, environment_id: str | None = None
) -> SessionRecord:
    return await service.create(
        who,
        agent={},
        spec=AgentSpec(),
        agent_id=None,
        agent_version=None,
        environment_id=environment_id,
        title=None,
        metadata={},
        initial_events=[],
    )


class Watcher:
    """A client's view: everything that one subscription has shown."""

    def __init__(self, subscription: Subscription) -> None:
        self.subscription = subscription
        self.frames: list[Frame] = []
        self.events: list[dict[str, Any]] = []
        self.seqs: list[int] = []
        self._new = asyncio.Event()
        self._task = asyncio.create_task(self._run(), name="watcher")

    async def _run(self) -> None:
        async for frame in self.subscription:
            self.frames.append(frame)
            for event in frame.events:
                self.seqs.append(event.seq)
                self.events.append(json.loads(event.raw))
            self._new.set()

    async def until(self, type_: str, deadline: float = 30.0, **fields: Any) -> dict[str, Any]:
        """The first event of this type with these fields."""
        try:
            async with asyncio.timeout(deadline):
                while True:
                    for event in self.events:
                        if event["type"] == type_ and fields.items() <= event.items():
                            return event
                    self._new.clear()
                    await self._new.wait()
        except TimeoutError:
            seen = [event["type"] for event in self.events]
            raise AssertionError(f"no {type_} with {fields} among {seen}") from None

    async def until_frame(self, kind: str, deadline: float = 30.0) -> Frame:
        async with asyncio.timeout(deadline):
            while True:
                for frame in self.frames:
                    if frame.kind == kind:
                        return frame
                self._new.clear()
                await self._new.wait()

    async def close(self) -> None:
        await self.subscription.close()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@asynccontextmanager
async def watching(
    service: SessionService, session: str, *, after: int = 0, who: Principal = ALICE, **have: int
) -> AsyncIterator[Watcher]:
    subscription = await service.subscribe(who, session, after=after, tail=None, previews=have)
    watcher = Watcher(subscription)
    try:
        yield watcher
    finally:
        await watcher.close()


async def say(
    service: SessionService,
    session: str,
    text: str,
    client_id: str | None = None,
    *,
    subscribed: bool = False,
) -> Any:
    message = {"type": "user.message", "content": [{"type": "text", "text": text}]}
    sent = await service.send(
        ALICE,
        session,
        [message],
        client_id=client_id,
        request_hash=None,
        is_retry=False,
        subscribed=subscribed,
    )
    return sent[0]

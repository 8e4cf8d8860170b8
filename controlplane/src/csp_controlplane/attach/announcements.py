"""Hears through Redis that a log has grown. What is lost here is found by the attacher's reads."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from csp_controlplane.attach.core import channel_name

log = structlog.get_logger(__name__)

RETRY_S = 1.0
BEACON = "csp:log"


class Announcements:
    """Subscribes to the channels of the sessions that this gateway shows."""

    def __init__(self, redis: Redis | None, heard: Callable[[str, int], Awaitable[None]]) -> None:
        self._redis = redis
        self._heard = heard
        self._sessions: set[str] = set()
        self._changed = asyncio.Event()

    def add(self, session: str) -> None:
        self._sessions.add(session)
        self._changed.set()

    def remove(self, session: str) -> None:
        self._sessions.discard(session)
        self._changed.set()

    async def run(self) -> None:
        """Until cancelled; reconnects for ever."""
        if self._redis is None:
            return
        while True:
            try:
                await self._listen(self._redis)
            except (RedisError, OSError) as error:
                log.debug("announcements_away", error=str(error))
            await asyncio.sleep(RETRY_S)

    async def _listen(self, redis: Redis) -> None:
        async with redis.pubsub(ignore_subscribe_messages=True) as pubsub:
            await pubsub.subscribe(BEACON)
            follow = asyncio.create_task(self._follow_changes(pubsub), name="announcements-follow")
            try:
                async for message in pubsub.listen():
                    await self._dispatch(message)
            finally:
                follow.cancel()
                await asyncio.gather(follow, return_exceptions=True)

    async def _follow_changes(self, pubsub: Any) -> None:
        """Keeps the subscribed channels equal to the sessions that are shown."""
        subscribed: set[str] = set()
        while True:
            self._changed.clear()
            wanted = set(self._sessions)
            if new := wanted - subscribed:
                await pubsub.subscribe(*map(channel_name, new))
            if old := subscribed - wanted:
                await pubsub.unsubscribe(*map(channel_name, old))
            subscribed = wanted
            await self._changed.wait()

    async def _dispatch(self, message: dict[str, Any]) -> None:
        channel, data = _text(message["channel"]), _text(message["data"])
        session = channel.removeprefix(channel_name(""))
        if session != channel and data.isdigit():
            await self._heard(session, int(data))


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value

"""What the parts of the core share: one object, built once, handed to each of them."""

from __future__ import annotations

import asyncio
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any, Protocol

import grpc.aio
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from csp_controlplane.attach.settings import CoreSettings
from csp_controlplane.attach.tokens import WorkerTokens
from csp_controlplane.domain.events import EventFactory
from csp_controlplane.runtime.protocol import SessionRuntime
from csp_controlplane.store.appending import Appends
from csp_controlplane.store.database import Database
from csp_controlplane.store.objects import ObjectStore

log = structlog.get_logger(__name__)

CHANNEL_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    ("grpc.max_send_message_length", 64 * 1024 * 1024),
    # A frozen worker does not answer pings: its stream fails instead of hanging.
    ("grpc.keepalive_time_ms", 5_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    # What decides when an answer to a ping is overdue; a minute unless it is set.
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 0),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.use_local_subchannel_pool", 1),
    # Calls are repeated by who knows the log; gRPC would buffer each stream for it.
    ("grpc.enable_retries", 0),
    # Diagnostics that nobody can read here, kept for every idle session.
    ("grpc.enable_channelz", 0),
    ("grpc.max_channel_trace_event_memory_per_node", 0),
)


class CoreMetrics(Protocol):
    """What the core counts. Implemented by the gateway's metrics."""

    def events_appended(self, writer: str, count: int, seconds: float) -> None: ...
    def session_bound(self, start: str, seconds: float) -> None: ...
    def attachments(self, count: int) -> None: ...
    def worker_lost(self, reason: str) -> None: ...


class Observer(Protocol):
    """Hears that a session's state may have changed, from the gateway that changed it."""

    def changed(self, tenant: str, session: str) -> None:
        """Must return at once."""


class Nobody:
    """Where nobody wants to hear."""

    def changed(self, tenant: str, session: str) -> None:
        """Does nothing."""


@dataclass(frozen=True)
class Core:
    """The core's surroundings."""

    db: Database
    redis: Redis | None
    runtime: SessionRuntime
    tokens: WorkerTokens
    make: EventFactory
    metrics: CoreMetrics
    settings: CoreSettings
    holder: str
    objects: ObjectStore
    appends: Appends
    observer: Observer = field(default_factory=Nobody)

    def channel(self, endpoint: str) -> grpc.aio.Channel:
        """A new channel to a worker; the caller closes it."""
        return grpc.aio.insecure_channel(endpoint, options=CHANNEL_OPTIONS)

    async def announce(self, session: str, last_seq: int) -> None:
        """Tells other gateways that the log has grown. May be lost: they also read."""
        if self.redis is None:
            return
        try:
            async with asyncio.timeout(0.5):
                await self.redis.publish(channel_name(session), str(last_seq))
        except (RedisError, OSError, TimeoutError) as error:
            log.debug("announcement_lost", session_id=session, error=str(error))


def channel_name(session: str) -> str:
    """The Redis channel of one session's log."""
    return f"csp:log:{session}"


def spawn(
    tasks: set[asyncio.Task[Any]], coroutine: Any, name: str, context: Context | None = None
) -> asyncio.Task[Any]:
    """Starts a named task that its owner's set keeps alive and forgets when it ends."""
    task: asyncio.Task[Any] = asyncio.create_task(coroutine, name=name, context=context)
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    return task

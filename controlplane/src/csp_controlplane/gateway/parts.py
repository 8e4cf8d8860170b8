"""Starting what a gateway is made of, in the order of what depends on what, and stopping it.

The gateway answers from its first moment; the database may come later. One task owns everything
that must be closed in the order in which it was opened.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import structlog

from csp_controlplane.gateway.runtimes import running_sessions
from csp_controlplane.gateway.state import GatewayState
from csp_controlplane.settings import DatabaseSettings
from csp_controlplane.store.database import Database
from csp_controlplane.store.migrate import migrate

log = structlog.get_logger(__name__)

RETRY_S = (0.2, 0.5, 1.0, 2.0, 5.0)
STOP_S = 15.0
COLLECT_AFTER = 20_000
"""Objects that may come into being before the youngest are looked through."""


@asynccontextmanager
async def running_parts(
    state: GatewayState, database: DatabaseSettings
) -> AsyncIterator[asyncio.Task[None]]:
    """The parts come up in a task of their own while the gateway serves already."""
    stop = asyncio.Event()
    task = asyncio.create_task(_run(state, database, stop), name="gateway-parts")
    try:
        yield task
    finally:
        stop.set()
        state.closing.set()
        try:
            await asyncio.wait_for(task, STOP_S)
        except TimeoutError:
            log.error("parts_did_not_stop", deadline_s=STOP_S)


async def _run(state: GatewayState, database: DatabaseSettings, stop: asyncio.Event) -> None:
    attempt = 0
    while not stop.is_set():
        try:
            async with AsyncExitStack() as stack:
                await _start(state, database, stack)
                attempt = 0
                await stop.wait()
        except Exception as error:  # whatever it is, the gateway says so and tries again
            state.starting = _reason(error)
            log.warning("not_started_yet", reason=state.starting, error=str(error))
            log.debug("not_started_yet", exc_info=error)
        if not stop.is_set():
            delay = RETRY_S[min(attempt, len(RETRY_S) - 1)]
            attempt += 1
            await _sleep(stop, delay)


async def _start(state: GatewayState, database: DatabaseSettings, stack: AsyncExitStack) -> None:
    if state.settings.migrate:
        await asyncio.to_thread(migrate, database.migrations())
    db = await Database.connect(
        database.url.get_secret_value(),
        max_size=database.max_connections,
        application=f"csp-{state.settings.id}"[:60],
    )
    stack.push_async_callback(db.close)
    stack.callback(_forget, state)
    state.database = db
    state.service = await stack.enter_async_context(
        running_sessions(
            state.settings,
            db,
            state.runtime,
            redis=state.redis,
            signing_key_file=state.settings.signing_key_file,
            gateway_id=state.settings.id,
            metrics=state.metrics,
        )
    )
    state.starting = None
    _spare_the_collector()
    log.info("started", gateway=state.settings.id)


def _spare_the_collector() -> None:
    """What exists now lives as long as the process: the collector need not walk it again.

    With Python's own thresholds a stream of events spends a third of the gateway's time there.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, 20, 20)


def _forget(state: GatewayState) -> None:
    state.service = None
    state.database = None


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError | PermissionError) and error.filename:
        return f"The file {error.filename!s} cannot be read (CSP_SIGNING_KEY_FILE)."
    return (
        "The database does not answer or could not be prepared "
        f"({type(error).__name__}). Check CSP_DATABASE_URL and the server."
    )


async def _sleep(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return

"""Gives a session a worker: asks the runtime, opens an epoch, binds the worker to it.

Only the holder of the session's lease binds. The epoch is opened before the worker hears of it, so
that whatever goes wrong afterwards leaves an epoch that nobody writes in, never two that somebody
does.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass

import grpc.aio
import structlog

from csp_controlplane import correlation
from csp_controlplane.attach import inputs, lifecycle, memory, workspace
from csp_controlplane.attach.core import Core
from csp_controlplane.attach.losses import Loss
from csp_controlplane.live.hub import Hub
from csp_controlplane.runtime.protocol import (
    NoCapacity,
    RuntimeStopping,
    RuntimeUnavailable,
    WorkerRef,
)
from csp_controlplane.store import environments, sessions
from csp_controlplane.store.sessions import Binding, SessionRow
from csp_crds.agent import AgentSpec
from csp_proto import worker_pb2 as pb
from csp_proto.worker_pb2_grpc import WorkerStub

log = structlog.get_logger(__name__)


class BindFailed(Exception):
    """No worker could be bound; the text is for the person who waits."""


@dataclass(frozen=True, slots=True)
class Bound:
    """The new binding and how its worker started."""

    binding: Binding
    start: str


async def bind(core: Core, hub: Hub, row: SessionRow) -> Bound | None:
    """A bound worker, or None: the lease went to another gateway, or the session to rest.

    Raises BindFailed, RuntimeStopping.
    """
    started = time.perf_counter()
    ref = await _worker(core, row)
    handle = f"csph_{secrets.token_urlsafe(32)}"
    try:
        epoch = await sessions.open_epoch(
            core.db,
            row.tenant,
            row.id,
            holder=core.holder,
            worker_id=ref.worker_id,
            endpoint=ref.endpoint,
            handle_hash=hashlib.sha256(handle.encode()).digest(),
        )
    except sessions.WorkerUsed:
        # It served an epoch that was ended while it lived: a used worker is never used again.
        await core.runtime.discard(row.id, ref.worker_id)
        return None
    if epoch is None:
        return None
    binding = await sessions.live_binding(core.db, row.tenant, row.id)
    if binding is None or binding.epoch != epoch:
        return None
    try:
        losses = await workspace.restore(core, row, binding)
        request, gap = await _request(core, row, binding, handle)
        response = await _call(core, row, binding, request)
    except grpc.aio.AioRpcError as error:
        log.warning(
            "bind_failed",
            session_id=row.id,
            epoch=epoch,
            code=error.code().name,
            details=error.details(),
        )
        await _take_back(core, row, binding, "bind_failed")
        raise BindFailed(f"The session's worker could not be prepared: {error.details()}") from None
    if response.claude_session_id and response.claude_session_id != row.claude_session_id:
        await sessions.set_claude_session(core.db, row.tenant, row.id, response.claude_session_id)
    seconds = time.perf_counter() - started
    core.metrics.session_bound(response.start, seconds)
    data = {"epoch": epoch, "start": response.start, "seconds": round(seconds, 3)}
    log.info("worker_bound", session_id=row.id, worker_id=binding.worker_id, **data)
    if not await lifecycle.say_bound(core, hub, data):
        await _take_back(core, row, binding, "at_rest")
        return None
    for loss in (*losses, *gap):
        await lifecycle.say(core, hub, loss.code, loss.level, loss.message, loss.data)
    return Bound(binding, response.start)


async def _take_back(core: Core, row: SessionRow, binding: Binding, reason: str) -> None:
    """Ends a binding that came to nothing, and its worker, which is never used again."""
    await sessions.end_binding(core.db, row.tenant, row.id, binding.epoch, reason)
    await core.runtime.discard(row.id, binding.worker_id)


async def _worker(core: Core, row: SessionRow) -> WorkerRef:
    try:
        pool = None
        if core.runtime.has_pools:
            pool = await environments.pool_of_session(core.db, row.tenant, row.id)
        await core.runtime.create(row.id, row.tenant, row.spec, owner=row.owner, pool=pool)
        return await core.runtime.wait_ready(row.id, core.settings.bind_deadline)
    except NoCapacity as error:
        raise BindFailed(str(error)) from None
    except RuntimeStopping:
        raise
    except (RuntimeUnavailable, TimeoutError) as error:
        log.warning("runtime_away", session_id=row.id, error=str(error))
        raise BindFailed("No worker has become ready yet. csp keeps trying.") from None


async def _request(
    core: Core, row: SessionRow, binding: Binding, handle: str
) -> tuple[pb.BindRequest, list[Loss]]:
    """What is bound, and what its agent will not remember."""
    newest = await sessions.load(core.db, row.tenant, row.id) or row
    fold = newest.fold
    lines = await sessions.transcript(core.db, row.tenant, row.month, row.id)
    turns = await memory.turns_of_last_worker(core, newest, binding.epoch)
    cursor = await inputs.cursor_for_new_epoch(
        core.db, row.tenant, row.month, row.id, binding.bound_seq, fold
    )
    request = pb.BindRequest(
        session_id=row.id,
        epoch=binding.epoch,
        tenant=row.tenant,
        agent_json=_as_now(newest).model_dump_json(),
        model_handle=handle,
        transcript=[
            pb.TranscriptEntry(subpath=subpath, entry=entry.encode()) for subpath, entry in lines
        ],
        claude_session_id=newest.claude_session_id or "",
        allowed_rules=fold.allowed_rules,
        input_cursor=cursor,
        traceparent=correlation.traceparent(),
        user_id=row.owner,
    )
    return request, memory.gap(turns, lines)


def _as_now(row: SessionRow) -> AgentSpec:
    """The agent with the settings that people changed since."""
    changes: dict[str, str] = {"permission_mode": row.fold.permission_mode}
    if row.fold.model is not None:
        changes["model"] = row.fold.model
    return row.spec.model_copy(update=changes)


async def _call(
    core: Core, row: SessionRow, binding: Binding, request: pb.BindRequest
) -> pb.BindResponse:
    metadata = core.tokens.metadata(binding.worker_id, row.id, binding.epoch)
    async with core.channel(binding.endpoint) as channel:
        response: pb.BindResponse = await WorkerStub(channel).Bind(
            request, metadata=metadata, timeout=core.settings.bind_deadline
        )
    return response

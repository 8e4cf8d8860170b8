"""Keeps a session's working directory while no worker has it, where workers do not keep files.

The worker packs it, the database stores it in chunks, the session's next worker unpacks it before
it is bound. What the control plane handles are opaque bytes with a limit. An archive that cannot be
made or brought back costs files, never the conversation, and the log says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import suppress
from dataclasses import dataclass

import grpc.aio
import structlog

from csp_controlplane.attach import lifecycle
from csp_controlplane.attach.core import Core
from csp_controlplane.domain.ids import new_id
from csp_controlplane.live.hub import Hub
from csp_controlplane.store import sessions, workspaces
from csp_controlplane.store.database import DATABASE_AWAY
from csp_controlplane.store.sessions import Binding, SessionRow
from csp_controlplane.store.workspaces import Archive, NewArchive, Outcome
from csp_proto import worker_pb2 as pb
from csp_proto.worker_pb2_grpc import WorkerStub

log = structlog.get_logger(__name__)

CHUNK_BYTES = 1024 * 1024
SLACK_BYTES = 16 * 1024 * 1024
"""What names and headers may add to the sizes of files."""


class TooMuch(Exception):
    """A worker sent more than it was allowed to."""


EXPECTED = (grpc.aio.AioRpcError, TimeoutError, TooMuch, lifecycle.SessionGone)


@dataclass(frozen=True, slots=True)
class Restored:
    """An archive was brought back. `stale`: tools ran after it was made."""

    stale: bool
    message: str


class Archiver:
    """Saves the directory of one attachment's worker each time it is poked, one at a time."""

    def __init__(self, core: Core, hub: Hub, binding: Binding) -> None:
        self._core = core
        self._hub = hub
        self._binding = binding
        self._poked = asyncio.Event()

    def poke(self) -> None:
        """A turn has ended."""
        self._poked.set()

    async def run(self) -> None:
        """Until cancelled. Never raises: the attachment does not depend on it."""
        if not keeps(self._core):
            return
        while True:
            await self._poked.wait()
            self._poked.clear()
            try:
                await save(self._core, self._hub, self._binding)
            except (*EXPECTED, *DATABASE_AWAY) as error:
                log.warning(
                    "workspace_not_saved", session_id=self._hub.session, error=_words(error)
                )
            except Exception:  # the next turn's end tries again
                log.exception("workspace_not_saved", session_id=self._hub.session)


def keeps(core: Core) -> bool:
    """Whether working directories are kept here at all."""
    return not core.runtime.keeps_files and core.settings.workspace_bytes > 0


async def save_before_rest(core: Core, hub: Hub) -> None:
    """Stores what was changed since the last turn's end, if the worker still answers."""
    if not keeps(core):
        return
    binding = await sessions.live_binding(core.db, hub.tenant, hub.session)
    if binding is None:
        return
    try:
        await save(core, hub, binding)
    except EXPECTED as error:
        log.warning("workspace_not_saved", session_id=hub.session, error=_words(error))


async def save(core: Core, hub: Hub, binding: Binding) -> None:
    """Stores the directory as it is now, if it has changed since it was stored.

    Raises grpc.aio.AioRpcError, TimeoutError, TooMuch, or the database's errors.
    """
    tenant, session = hub.tenant, hub.session
    before = await workspaces.newest(core.db, tenant, session)
    version, seq = new_id("wksp"), hub.shown
    request = pb.SaveWorkspaceRequest(
        known_fingerprint=before.fingerprint if before else "",
        max_bytes=core.settings.workspace_bytes,
    )
    metadata = core.tokens.metadata(binding.worker_id, session, binding.epoch)
    try:
        async with (
            asyncio.timeout(core.settings.workspace_seconds),
            core.channel(binding.endpoint) as channel,
        ):
            answer = WorkerStub(channel).SaveWorkspace(request, metadata=metadata)
            taken = await _take(core, hub, version, answer)
    except BaseException:
        with suppress(*DATABASE_AWAY):
            await asyncio.shield(workspaces.drop_version(core.db, tenant, session, version))
        raise
    outcome, fingerprint, size, count = taken
    if outcome == pb.WorkspaceChunk.UNCHANGED and before is not None:
        new = NewArchive(
            before.version, binding.epoch, seq, before.outcome, before.bytes, before.chunks,
            fingerprint,
        )  # fmt: skip
    else:
        stored: Outcome = "stored" if outcome == pb.WorkspaceChunk.STORED else "too_large"
        new = NewArchive(version, binding.epoch, seq, stored, size, count, fingerprint)
    if not await workspaces.publish(core.db, tenant, session, new):
        return
    if new.outcome == "too_large" and (before is None or before.outcome != "too_large"):
        limit = core.settings.workspace_bytes // 1024**2
        text = (
            f"The working directory is larger than {limit} MB, so its files are not kept when the "
            "session rests or its server fails. Remove what can be made again or save it elsewhere."
        )
        await lifecycle.say(core, hub, "workspace_not_saved", "warning", text)


async def _take(
    core: Core, hub: Hub, version: str, answer: AsyncIterable[pb.WorkspaceChunk]
) -> tuple[int, str, int, int]:
    """Writes what comes; (outcome, fingerprint, bytes, chunks)."""
    outcome, fingerprint, size, count = pb.WorkspaceChunk.STORED, "", 0, 0
    limit = core.settings.workspace_bytes + SLACK_BYTES
    first = True
    async for chunk in answer:
        if first:
            outcome, fingerprint, first = chunk.outcome, chunk.fingerprint[:128], False
        if not chunk.data:
            continue
        size += len(chunk.data)
        if size > limit or len(chunk.data) > CHUNK_BYTES:
            raise TooMuch(f"more than {limit} bytes, or a chunk of {len(chunk.data)}")
        await workspaces.add_chunk(core.db, hub.tenant, hub.session, version, count, chunk.data)
        count += 1
    return outcome, fingerprint, size, count


async def restore(core: Core, row: SessionRow, binding: Binding) -> Restored | None:
    """Gives the files back to a worker that is not bound yet. None: there were none to give.

    A worker that cannot take them is bound without; it says in the log that they are lost.
    """
    if not keeps(core):
        return None
    found = await workspaces.newest(core.db, row.tenant, row.id)
    if found is None or found.outcome != "stored" or found.chunks == 0:
        return None
    metadata = core.tokens.metadata(binding.worker_id, row.id, binding.epoch)
    try:
        async with (
            asyncio.timeout(core.settings.workspace_seconds),
            core.channel(binding.endpoint) as channel,
        ):
            answer = await WorkerStub(channel).RestoreWorkspace(
                _give(core, row, found), metadata=metadata
            )
    except (grpc.aio.AioRpcError, TimeoutError, LookupError) as error:
        log.warning("workspace_not_restored", session_id=row.id, error=_words(error))
        return None
    log.info("workspace_restored", session_id=row.id, files=answer.files, bytes=found.bytes)
    stale = await workspaces.tool_used_since(core.db, row.tenant, row.id, found.seq)
    text = (
        f"The files are as they were at {found.saved_at:%Y-%m-%d %H:%M:%S} UTC. What was changed "
        "after that was lost with the session's last worker."
    )
    return Restored(stale, text)


async def _give(core: Core, row: SessionRow, found: Archive) -> AsyncIterator[pb.WorkspaceChunk]:
    yield pb.WorkspaceChunk(fingerprint=found.fingerprint, max_bytes=core.settings.workspace_bytes)
    async for data in workspaces.chunks(core.db, row.tenant, row.id, found):
        yield pb.WorkspaceChunk(data=data)


def _words(error: BaseException) -> str:
    if isinstance(error, grpc.aio.AioRpcError):
        return f"{error.code().name}: {error.details()}"
    return f"{type(error).__name__}: {error}"

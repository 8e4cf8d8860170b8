"""Takes a last look at a worker's files, and gives a checkpoint to the next worker.

A checkpoint that cannot be made or brought back costs files, never the conversation, and the log
says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import grpc.aio
import structlog

from csp_controlplane.attach.checkpoint import (
    EXPECTED,
    PIECE_BYTES,
    NotKept,
    keeps,
    limits,
    made_again,
    save,
    too_large,
    words,
)
from csp_controlplane.attach.core import Core
from csp_controlplane.attach.losses import Loss
from csp_controlplane.live.hub import Hub
from csp_controlplane.store import checkpoints, notices, pieces
from csp_controlplane.store.checkpoints import Checkpoint
from csp_controlplane.store.objects import ObjectsAway
from csp_controlplane.store.sessions import Binding, SessionRow
from csp_proto import worker_pb2 as pb
from csp_proto.worker_pb2_grpc import WorkerStub

log = structlog.get_logger(__name__)


LEFT_OUT = "workspace_left_out"
LAST_LOOK_S = 20.0
"""What keeping files may take while somebody waits for the session to rest."""


async def keep_now(core: Core, hub: Hub, binding: Binding, within_s: float = LAST_LOOK_S) -> None:
    """Keeps what was changed since the last turn's end, if the worker still answers."""
    if not keeps(core):
        return
    try:
        async with asyncio.timeout(within_s):
            await save(core, hub, binding, hub.shown)
    except EXPECTED as error:
        log.warning("workspace_not_saved", session_id=hub.session, error=words(error))


# ---- bringing back ------------------------------------------------------------------------------


async def restore(core: Core, row: SessionRow, binding: Binding) -> list[Loss]:
    """Gives files to a worker that is not bound yet, and returns what there is to say about it.

    A worker that cannot take them is bound without; it says in the log that they are lost.
    """
    if not keeps(core):
        return []
    found, chosen = await checkpoints.next_to_restore(core.db, row.tenant, row.id)
    if found is None:
        return []
    try:
        async with asyncio.timeout(core.settings.workspace_seconds):
            files = await _give(core, row, binding, found, chosen)
    except (grpc.aio.AioRpcError, TimeoutError, NotKept, ObjectsAway) as error:
        log.warning("workspace_not_restored", session_id=row.id, error=words(error))
        return []
    if chosen:
        await checkpoints.restored(core.db, row.tenant, row.id, found.id)
    if files is None:
        return []
    log.info("workspace_restored", session_id=row.id, files=files, bytes=found.size)
    losses = []
    stale = await _stale(core, row, found, chosen)
    if stale is not None:
        losses.append(Loss("workspace_restored", stale))
    if names := too_large(found.left_out):
        text = (
            f"Too large to be kept, and lost with the session's last worker: {names}. "
            "Make it again where it is needed."
        )
        losses.append(Loss("workspace_lost", text, found.left_out))
    if made_again(found.left_out) and await _not_yet_said(core, row, LEFT_OUT):
        losses.append(_left_behind(core, found))
    return losses


async def _not_yet_said(core: Core, row: SessionRow, code: str) -> bool:
    return await notices.newest(core.db, row.tenant, row.id, (code,)) is None


def _left_behind(core: Core, found: Checkpoint) -> Loss:
    patterns = ", ".join(core.settings.workspace_exclude)
    text = (
        f"Not here any more, because it can be made again: {made_again(found.left_out)}. Things "
        f"of such names ({patterns}) and caches do not move with a session to another machine. "
        "Make them again where they are needed."
    )
    return Loss(LEFT_OUT, text, {**found.left_out, "patterns": patterns}, "info")


async def _stale(core: Core, row: SessionRow, found: Checkpoint, chosen: bool) -> str | None:
    """What to say when the files are older than what a person expects."""
    when = f"{found.saved_at:%Y-%m-%d %H:%M:%S} UTC"
    if chosen:
        return f"The files are as they were at {when}."
    if not await checkpoints.tool_used_since(core.db, row.tenant, row.id, found.checked_seq):
        return None
    return (
        f"The files are as they were at {when}. What was changed after that was lost with the "
        "session's last worker."
    )


async def _give(
    core: Core, row: SessionRow, binding: Binding, found: Checkpoint, replace: bool
) -> int | None:
    """How many files there are now; None: the worker kept what it had."""
    lineage = await pieces.lineage_of(core.db, row.tenant, row.id)
    names = [found.manifest, *found.pieces]
    keys = await pieces.keys_of(core.db, row.tenant, lineage, names)
    list_key = keys.get(found.manifest)
    manifest = await core.objects.get(row.tenant, list_key) if list_key else None
    if manifest is None:
        raise NotKept("the list of files is gone from the object store")
    async with core.channel(binding.endpoint) as channel:
        stub = WorkerStub(channel)
        metadata = core.tokens.metadata(binding.worker_id, row.id, binding.epoch)
        parts = _parts(manifest, replace, limits(core))
        offered = await stub.OfferWorkspace(parts, metadata=metadata)
        if offered.kept:
            return None
        ours = set(found.pieces)
        wanted = [bytes(name) for name in offered.wanted]
        if not ours.issuperset(wanted):
            raise NotKept("the worker asks for pieces that the checkpoint does not name")
        metadata = core.tokens.metadata(binding.worker_id, row.id, binding.epoch)
        there = [keys[name] for name in wanted if name in keys]
        done = await stub.RestoreWorkspace(_pieces(core, row, there), metadata=metadata)
        return int(done.files)


async def _parts(
    manifest: bytes, replace: bool, limits: pb.WorkspaceLimits
) -> AsyncIterator[pb.WorkspaceManifest]:
    yield pb.WorkspaceManifest(replace=replace, limits=limits)
    for start in range(0, len(manifest), PIECE_BYTES):
        yield pb.WorkspaceManifest(data=manifest[start : start + PIECE_BYTES])


async def _pieces(
    core: Core, row: SessionRow, keys: Sequence[str]
) -> AsyncIterator[pb.WorkspacePiece]:
    for key in keys:
        data = await core.objects.get(row.tenant, key)
        if data is not None:  # the worker says that it lacks one
            yield pb.WorkspacePiece(data=data)

"""Makes one checkpoint of a working directory.

The worker lists the directory, the control plane takes the pieces that it does not have. What is
handled are opaque bytes with limits, each checked against its hash: a worker may name what it likes
and gets only what its own line of sessions has stored.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import grpc.aio
import structlog

from csp_controlplane.attach import lifecycle
from csp_controlplane.attach.core import Core
from csp_controlplane.live.hub import Hub
from csp_controlplane.store import checkpoints, pieces
from csp_controlplane.store.checkpoints import Checkpoint, NewCheckpoint
from csp_controlplane.store.objects import ObjectsAway
from csp_controlplane.store.pieces import Claim
from csp_controlplane.store.sessions import Binding
from csp_proto import worker_pb2 as pb
from csp_proto.worker_pb2_grpc import WorkerStub

log = structlog.get_logger(__name__)

PIECE_BYTES = 1024 * 1024
ASKED_AT_ONCE = 64
TRIES = 3
"""A directory that changes while it is read is read again so often."""


class NotKept(Exception):
    """What the worker sent is no checkpoint."""


class ChangedMeanwhile(Exception):
    """The directory, or what the store has of it, is not what it was when it was listed."""


EXPECTED = (grpc.aio.AioRpcError, TimeoutError, NotKept, ObjectsAway, lifecycle.SessionGone)


@dataclass(frozen=True, slots=True)
class _Listing:
    """A worker's manifest."""

    head: pb.WorkspaceManifest
    data: bytes


async def save(core: Core, hub: Hub, binding: Binding, seq: int) -> str | None:
    """Makes a checkpoint of the directory as it is now; its id, or None when there is nothing to
    keep: it is what it was, or the epoch is over.

    `seq`: the point of the log that it belongs to, unless the next turn's tools run already.

    Raises grpc.aio.AioRpcError, TimeoutError, NotKept, ObjectsAway, or the database's errors.
    """
    async with asyncio.timeout(core.settings.workspace_seconds):
        for attempt in range(TRIES):
            try:
                return await _try_to_save(core, hub, binding, seq)
            except ChangedMeanwhile as error:
                log.debug(
                    "workspace_changed_while_read",
                    session_id=hub.session,
                    attempt=attempt,
                    error=str(error),
                )
    raise NotKept(f"the directory changed each of {TRIES} times that it was read")


async def _try_to_save(core: Core, hub: Hub, binding: Binding, seq: int) -> str | None:
    """As `save`. Raises ChangedMeanwhile too."""
    tenant, session = hub.tenant, hub.session
    before = await checkpoints.newest(core.db, tenant, session)
    listing = await _list(core, hub, binding, before.fingerprint if before else "")
    seq = await checkpoints.point_of(core.db, tenant, session, seq)
    if listing.head.unchanged:
        await checkpoints.still_so(core.db, tenant, session, binding.epoch, seq)
        return None
    manifest = hashlib.sha256(listing.data).digest()
    names = list(dict.fromkeys(bytes(name) for name in listing.head.pieces))
    claim = await pieces.claim(core.db, tenant, session, binding.epoch, [manifest, *names])
    if claim is None:
        return None
    missing = [name for name in names if name not in claim.there]
    sizes = await _take(core, hub, binding, claim, missing)
    if len(sizes) < len(missing):
        raise ChangedMeanwhile(f"{len(missing) - len(sizes)} pieces are not there any more")
    if manifest not in claim.there:
        await core.objects.put(tenant, claim.keys[manifest], listing.data)
        sizes[claim.keys[manifest]] = len(listing.data)
    new = NewCheckpoint(
        binding.epoch, seq, manifest, tuple(names), listing.head.files, listing.head.size_bytes,
        _left_out(listing.head), listing.head.fingerprint[:128], sizes,
    )  # fmt: skip
    try:
        made = await checkpoints.publish(core.db, tenant, session, claim, new)
    except checkpoints.PiecesGone as error:
        raise ChangedMeanwhile(str(error)) from error
    if made is not None:
        await _say_what_is_left_out(core, hub, before, new)
    return made


async def _list(core: Core, hub: Hub, binding: Binding, known: str) -> _Listing:
    request = pb.SaveWorkspaceRequest(known_fingerprint=known, limits=limits(core))
    metadata = core.tokens.metadata(binding.worker_id, hub.session, binding.epoch)
    head: pb.WorkspaceManifest | None = None
    data = bytearray()
    async with core.channel(binding.endpoint) as channel:
        async for part in WorkerStub(channel).SaveWorkspace(request, metadata=metadata):
            head = head or part
            data += part.data
            if len(data) > core.settings.workspace_bytes + PIECE_BYTES:
                raise NotKept(f"a list of more than {len(data)} bytes")
    if head is None:
        raise NotKept("no list of files came")
    return _Listing(head, bytes(data))


async def _take(
    core: Core, hub: Hub, binding: Binding, claim: Claim, missing: Sequence[bytes]
) -> dict[str, int]:
    """Stores the missing pieces; the sizes of the objects of those that came."""
    sizes: dict[str, int] = {}
    total = 0
    wanted = set(missing)
    for start in range(0, len(missing), ASKED_AT_ONCE):
        request = pb.ReadPiecesRequest(pieces=missing[start : start + ASKED_AT_ONCE])
        metadata = core.tokens.metadata(binding.worker_id, hub.session, binding.epoch)
        async with core.channel(binding.endpoint) as channel:
            async for piece in WorkerStub(channel).ReadPieces(request, metadata=metadata):
                name = hashlib.sha256(piece.data).digest()
                total += len(piece.data)
                if name not in wanted or len(piece.data) > PIECE_BYTES:
                    raise NotKept("the worker sent a piece that was not asked for")
                if total > core.settings.workspace_bytes:
                    raise NotKept(f"more than {core.settings.workspace_bytes} bytes")
                await core.objects.put(hub.tenant, claim.keys[name], piece.data)
                sizes[claim.keys[name]] = len(piece.data)
    return sizes


def _left_out(head: pb.WorkspaceManifest) -> dict[str, Any]:
    named = [
        {"path": one.path[:500], "reason": one.reason[:40], "bytes": one.size_bytes}
        for one in head.left_out[:20]
    ]
    return {"count": head.left_out_count, "named": named}


async def _say_what_is_left_out(
    core: Core, hub: Hub, before: Checkpoint | None, new: NewCheckpoint
) -> None:
    """Once for each thing: what can be made again is left out without a word in the log."""
    names = too_large(new.left_out, before.left_out if before else None)
    if not names:
        return
    text = (
        f"Too large to be kept while this session rests: {names}. It is lost when the "
        "session's server is. Remove what can be made again or save it elsewhere."
    )
    await lifecycle.say(core, hub, "workspace_not_saved", "warning", text, new.left_out)


def too_large(left_out: dict[str, Any], said: dict[str, Any] | None = None) -> str:
    """The names of what is not in a checkpoint because of its size and has not been said yet."""
    known = {one["path"] for one in said["named"]} if said else set()
    fresh = [
        one for one in left_out["named"] if one["reason"] != "pattern" and one["path"] not in known
    ]
    names = ", ".join(one["path"] or "everything (too many files)" for one in fresh[:5])
    return names if len(fresh) <= 5 else f"{names} and {len(fresh) - 5} more"


def made_again(left_out: dict[str, Any]) -> str:
    """The names of what is not in a checkpoint because it can be made again."""
    fresh = [one["path"] for one in left_out["named"] if one["reason"] == "pattern"]
    if not fresh:
        return ""
    names, more = ", ".join(fresh[:5]), left_out["count"] - len(left_out["named"])
    more += len(fresh) - len(fresh[:5])
    return f"{names} and {more} more" if more else names


def keeps(core: Core) -> bool:
    """Whether working directories are kept here at all."""
    return core.settings.workspace_bytes > 0


def limits(core: Core) -> pb.WorkspaceLimits:
    settings = core.settings
    return pb.WorkspaceLimits(
        total_bytes=settings.workspace_bytes,
        file_bytes=settings.workspace_file_bytes,
        exclude=settings.workspace_exclude,
    )


def words(error: BaseException) -> str:
    if isinstance(error, grpc.aio.AioRpcError):
        return f"{error.code().name}: {error.details()}"
    return f"{type(error).__name__}: {error}"

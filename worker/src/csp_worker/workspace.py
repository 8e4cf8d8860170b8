"""Handing the working directory over to the control plane, and taking an earlier one back.

What the wire carries and in which order; what a directory holds is the manifest's matter.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from csp_proto import worker_pb2 as pb
from csp_worker import manifest
from csp_worker.manifest import BadManifest, Entry, Limits
from csp_worker.restoring import Restoration

PART_BYTES = 1024 * 1024
NAMED_LEFT_OUT = 20

__all__ = ["BadManifest", "Returning", "Saver", "Target"]


def _limits(given: pb.WorkspaceLimits) -> Limits:
    return Limits(given.total_bytes, given.file_bytes, tuple(given.exclude))


class Saver:
    """Remembers where the pieces of the last manifest are."""

    def __init__(self) -> None:
        self._places: dict[bytes, tuple[str, int]] = {}

    async def manifest(
        self, root: Path, request: pb.SaveWorkspaceRequest
    ) -> AsyncIterator[pb.WorkspaceManifest]:
        """The directory as it is now, in parts."""
        found = await asyncio.to_thread(manifest.survey, root, _limits(request.limits))
        # What can be made again must not push out what cannot.
        left_out = sorted(found.left_out, key=lambda one: one.reason == "pattern")
        first = pb.WorkspaceManifest(
            fingerprint=found.fingerprint,
            unchanged=found.fingerprint == request.known_fingerprint,
            left_out=[
                pb.LeftOut(path=_readable(one.path), reason=one.reason, size_bytes=one.size)
                for one in left_out[:NAMED_LEFT_OUT]
            ],
            left_out_count=len(left_out),
        )
        if first.unchanged:
            yield first
            return
        entries = await asyncio.to_thread(manifest.with_pieces, root, found)
        self._places = _places(entries)
        first.files = sum(entry.kind == "f" for entry in entries)
        first.size_bytes = sum(entry.size for entry in entries)
        first.pieces.extend(self._places)
        yield first
        data = await asyncio.to_thread(manifest.encode, entries)
        for start in range(0, len(data), PART_BYTES):
            yield pb.WorkspaceManifest(data=data[start : start + PART_BYTES])

    async def pieces(self, root: Path, wanted: Sequence[bytes]) -> AsyncIterator[bytes]:
        """Those that still are what they were."""
        for name in wanted:
            place = self._places.get(name)
            if place is None:
                continue
            data = await asyncio.to_thread(manifest.piece, root, *place)
            if data is not None and hashlib.sha256(data).digest() == name:
                yield data


@dataclass(frozen=True, slots=True)
class Target:
    """The working directory and, while it is made, the place beside it."""

    directory: Path
    beside: Path
    exists: bool


class Returning:
    """A directory on its way back."""

    def __init__(self, target: Target, work: Restoration) -> None:
        self._target = target
        self._work = work

    @classmethod
    async def begin(
        cls, target: Target, spool: Path, parts: AsyncIterator[pb.WorkspaceManifest]
    ) -> Self | None:
        """None: the directory was there before and is not to be replaced. Raises BadManifest."""
        data = bytearray()
        limits: Limits | None = None
        async for part in parts:
            if limits is None:
                limits = _limits(part.limits)
                if target.exists and not part.replace:
                    return None
            data += part.data
            if len(data) > manifest.MAX_MANIFEST_BYTES:
                raise BadManifest("the list of files is too long")
        if limits is None:
            raise BadManifest("no list of files came")
        root = target.directory if target.exists else target.beside
        if not target.exists:
            await asyncio.to_thread(shutil.rmtree, root, ignore_errors=True)
            root.mkdir(parents=True, mode=0o700)
        work = await asyncio.to_thread(Restoration, root, spool, bytes(data), limits)
        return cls(target, work)

    async def wanted(self) -> list[bytes]:
        return [bytes.fromhex(name) for name in await asyncio.to_thread(self._work.wanted)]

    async def finish(self, pieces: AsyncIterator[pb.WorkspacePiece]) -> int:
        """Raises BadManifest, OSError; then call `give_up`."""
        async for piece in pieces:
            await asyncio.to_thread(self._work.take, piece.data)
        count = await asyncio.to_thread(self._work.finish)
        if not self._target.exists:
            self._target.beside.rename(self._target.directory)
        await asyncio.to_thread(self._work.close)
        return count

    async def give_up(self) -> None:
        """What was made for this goes; Bind then says that the files are lost."""
        await asyncio.to_thread(self._work.close)
        await asyncio.to_thread(shutil.rmtree, self._target.beside, ignore_errors=True)


def _places(entries: Sequence[Entry]) -> dict[bytes, tuple[str, int]]:
    return {
        bytes.fromhex(name): (entry.path, index)
        for entry in entries
        for index, name in enumerate(entry.pieces)
    }


def _readable(path: str) -> str:
    return path.encode("utf-8", "replace").decode("utf-8")

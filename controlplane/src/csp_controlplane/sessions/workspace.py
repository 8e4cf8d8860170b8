"""What only the worker knows: its context window and its working directory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, NoReturn

import grpc
import grpc.aio
import orjson

from csp_controlplane.attach.core import Core
from csp_controlplane.errors import Conflict, NotFound, Unavailable
from csp_controlplane.store import sessions
from csp_controlplane.store.sessions import Binding, SessionRow
from csp_proto import worker_pb2 as pb
from csp_proto.worker_pb2_grpc import WorkerStub

DEADLINE_S = 30.0


async def context_usage(core: Core, row: SessionRow) -> dict[str, Any]:
    """As the SDK's get_context_usage returns it."""
    binding, metadata = await _binding(core, row)
    async with core.channel(binding.endpoint) as channel:
        try:
            answer = await WorkerStub(channel).GetContextUsage(
                pb.GetContextUsageRequest(), metadata=metadata, timeout=DEADLINE_S
            )
        except grpc.aio.AioRpcError as error:
            _refuse(error, "")
    try:
        usage: dict[str, Any] = orjson.loads(answer.usage_json)
    except orjson.JSONDecodeError:
        raise Unavailable("The session's worker gave no readable answer. Try again.") from None
    return usage


async def list_files(core: Core, row: SessionRow, path: str) -> dict[str, Any]:
    """{path, truncated, files: [{name, type, size, modified_at}]}; sizes in bytes."""
    binding, metadata = await _binding(core, row)
    async with core.channel(binding.endpoint) as channel:
        try:
            answer = await WorkerStub(channel).ListFiles(
                pb.ListFilesRequest(path=path), metadata=metadata, timeout=DEADLINE_S
            )
        except grpc.aio.AioRpcError as error:
            _refuse(error, path)
    files = [
        {
            "name": file.name,
            "type": "directory" if file.directory else "file",
            "size": file.size,
            "modified_at": file.modified_at,
        }
        for file in answer.files
    ]
    return {"path": path, "truncated": answer.truncated, "files": files}


async def read_file(core: Core, row: SessionRow, path: str, max_bytes: int) -> AsyncIterator[bytes]:
    """The file's bytes; NotFound comes before the first one."""
    binding, metadata = await _binding(core, row)
    async with core.channel(binding.endpoint) as channel:
        try:
            request = pb.ReadFileRequest(path=path, max_bytes=max_bytes)
            async for chunk in WorkerStub(channel).ReadFile(request, metadata=metadata):
                yield chunk.data
        except grpc.aio.AioRpcError as error:
            _refuse(error, path)


async def _binding(core: Core, row: SessionRow) -> tuple[Binding, tuple[tuple[str, str], ...]]:
    binding = await sessions.live_binding(core.db, row.tenant, row.id)
    if binding is None:
        raise Conflict("The session rests. Send a message to wake it, then try again.")
    return binding, core.tokens.metadata(binding.worker_id, row.id, binding.epoch)


def _refuse(error: grpc.aio.AioRpcError, path: str) -> NoReturn:
    if error.code() in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT):
        raise NotFound(f"There is no file {path!r} in this session's workspace.") from None
    raise Unavailable("The session's worker does not answer right now. Try again.") from None

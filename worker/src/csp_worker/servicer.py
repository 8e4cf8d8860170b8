"""The gRPC service: checks the caller, translates messages, and leaves the work to the session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import orjson
import structlog

from csp_proto import worker_pb2 as pb
from csp_proto import worker_pb2_grpc
from csp_worker import files, workspace
from csp_worker.attachment import Attachment
from csp_worker.auth import Authenticator, Caller, Refused
from csp_worker.binder import Binder, BindRefused
from csp_worker.cli import CliError
from csp_worker.engine import CliUnavailable
from csp_worker.session import Session

HELLO_SECONDS = 10.0
Context = grpc.aio.ServicerContext[Any, Any]
_log = structlog.get_logger(__name__)


class WorkerServicer(worker_pb2_grpc.WorkerServicer):
    """Every method begins with the token."""

    def __init__(self, auth: Authenticator, binder: Binder) -> None:
        self._auth = auth
        self._binder = binder
        self._saver = workspace.Saver()

    async def Bind(self, request: pb.BindRequest, context: Context) -> pb.BindResponse:  # noqa: N802
        caller = await self._caller(context)
        if (caller.session_id, caller.epoch) != (request.session_id, request.epoch):
            await self._refuse(context, "the token is for another session or epoch")
        try:
            return await self._binder.bind(request)
        except BindRefused as error:
            await context.abort(error.code, str(error))
            raise

    async def Attach(  # noqa: N802
        self, requests: AsyncIterator[pb.GatewayFrame], context: Context
    ) -> AsyncIterator[pb.WorkerFrame]:
        session = await self._session(context)
        hello = await self._hello(requests, context)
        attachment = session.outbox.attach(hello.gateway_id, hello.can_write)
        reader = asyncio.create_task(_read(requests, session, attachment), name="gateway-frames")
        _log.info("gateway attached", gateway_id=hello.gateway_id, can_write=hello.can_write)
        try:
            while (frame := await attachment.next()) is not None:
                yield frame
        finally:
            reader.cancel()
            session.outbox.detach(attachment)
            with suppress(asyncio.CancelledError):
                await reader
            _log.info("gateway detached", gateway_id=hello.gateway_id)
        if attachment.too_slow:
            await context.abort(
                grpc.StatusCode.RESOURCE_EXHAUSTED, "frames were not read fast enough"
            )

    async def GetContextUsage(  # noqa: N802
        self, request: pb.GetContextUsageRequest, context: Context
    ) -> pb.GetContextUsageResponse:
        await self._session(context)
        try:
            usage = await (await self._binder.engine.ready()).context_usage()
        except (CliError, CliUnavailable) as error:
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
            raise
        return pb.GetContextUsageResponse(usage_json=orjson.dumps(usage).decode())

    async def ListFiles(  # noqa: N802
        self, request: pb.ListFilesRequest, context: Context
    ) -> pb.ListFilesResponse:
        root = await self._root(context)
        try:
            found, more = await asyncio.to_thread(files.listing, root, request.path)
        except files.NotThere:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such directory")
            raise
        return pb.ListFilesResponse(
            files=[
                pb.FileInfo(
                    name=one.name,
                    directory=one.directory,
                    size=one.size,
                    modified_at=one.modified_at,
                )
                for one in found
            ],
            truncated=more,
        )

    async def ReadFile(  # noqa: N802
        self, request: pb.ReadFileRequest, context: Context
    ) -> AsyncIterator[pb.FileChunk]:
        root = await self._root(context)
        pieces = files.chunks(root, request.path, max(0, request.max_bytes))
        first = True
        try:
            while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
                data, size = piece
                yield pb.FileChunk(data=data, total_size=size if first else 0)
                first = False
        except files.NotThere:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such file")

    async def SaveWorkspace(  # noqa: N802
        self, request: pb.SaveWorkspaceRequest, context: Context
    ) -> AsyncIterator[pb.WorkspaceManifest]:
        root = await self._root(context)
        async for part in self._saver.manifest(root, request):
            yield part

    async def ReadPieces(  # noqa: N802
        self, request: pb.ReadPiecesRequest, context: Context
    ) -> AsyncIterator[pb.WorkspacePiece]:
        root = await self._root(context)
        async for data in self._saver.pieces(root, request.pieces):
            yield pb.WorkspacePiece(data=data)

    async def OfferWorkspace(  # noqa: N802
        self, requests: AsyncIterator[pb.WorkspaceManifest], context: Context
    ) -> pb.OfferWorkspaceResponse:
        caller = await self._caller(context)
        try:
            wanted = await self._binder.offer(caller.session_id, caller.epoch, requests)
        except BindRefused as error:
            await context.abort(error.code, str(error))
            raise
        return pb.OfferWorkspaceResponse(kept=wanted is None, wanted=wanted or ())

    async def RestoreWorkspace(  # noqa: N802
        self, requests: AsyncIterator[pb.WorkspacePiece], context: Context
    ) -> pb.RestoreWorkspaceResponse:
        caller = await self._caller(context)
        try:
            files = await self._binder.restore(caller.session_id, caller.epoch, requests)
        except BindRefused as error:
            await context.abort(error.code, str(error))
            raise
        return pb.RestoreWorkspaceResponse(files=files)

    # ---- callers --------------------------------------------------------------------------------

    async def _caller(self, context: Context) -> Caller:
        metadata = dict(context.invocation_metadata() or ())
        try:
            return self._auth.check(str(metadata.get("authorization", "")))
        except Refused as error:
            _log.warning("caller refused", reason=str(error))
            await self._refuse(context, "the token is not accepted")
            raise

    async def _session(self, context: Context) -> Session:
        """The bound session, for a caller who speaks for it."""
        caller = await self._caller(context)
        session = self._binder.session
        if session is None:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "no session is bound")
            raise AssertionError
        bound = session.identity
        if (caller.session_id, caller.epoch) != (bound.session_id, bound.epoch):
            await self._refuse(context, "the token is for another session or epoch")
        return session

    async def _root(self, context: Context) -> Path:
        await self._session(context)
        seat = self._binder.engine.seat
        if seat is None:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "no session is bound")
            raise AssertionError
        return seat.cwd

    async def _refuse(self, context: Context, message: str) -> None:
        await context.abort(grpc.StatusCode.UNAUTHENTICATED, message)

    async def _hello(
        self, requests: AsyncIterator[pb.GatewayFrame], context: Context
    ) -> pb.AttachHello:
        try:
            async with asyncio.timeout(HELLO_SECONDS):
                frame = await anext(requests)
        except (TimeoutError, StopAsyncIteration):
            frame = pb.GatewayFrame()
        if frame.WhichOneof("frame") != "hello":
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the first frame is AttachHello")
        return frame.hello


async def _read(
    requests: AsyncIterator[pb.GatewayFrame], session: Session, attachment: Attachment
) -> None:
    """What a gateway says, until it stops."""
    try:
        async for frame in requests:
            kind = frame.WhichOneof("frame")
            if kind == "ack":
                session.acknowledge(attachment, frame.ack)
            elif kind == "input":
                session.intake.deliver(frame.input)
    finally:
        attachment.close()

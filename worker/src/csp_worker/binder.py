"""Ties this worker to one session, once and for good.

The same session and epoch again is the same bind: a gateway whose call was lost repeats it.
Anything else is refused, whatever has happened since.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
import structlog
from pydantic import ValidationError

from csp_crds.agent import AgentSpec
from csp_proto import worker_pb2 as pb
from csp_worker import transcript, workspace
from csp_worker.cli import CLI_VERSION
from csp_worker.engine import Engine, Seat
from csp_worker.hooks import Gate
from csp_worker.paths import Paths
from csp_worker.reconcile import Reconciler
from csp_worker.session import Identity, Session, Tools

_log = structlog.get_logger(__name__)


class BindRefused(Exception):
    """Bind cannot be done; `code` is the gRPC status."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code


class Binder:
    """Holds the session once it exists."""

    def __init__(
        self,
        worker_id: str,
        paths: Paths,
        engine: Engine,
        gate: Gate,
        mirror: transcript.MirrorStore,
        tools: Tools,
    ) -> None:
        self._worker_id = worker_id
        self._paths = paths
        self._gate = gate
        self._mirror = mirror
        self._tools = tools
        self._lock = asyncio.Lock()
        self._identity: Identity | None = None
        self._warming: asyncio.Task[bool] | None = None
        self.engine = engine
        self.session: Session | None = None
        self.on_bound = asyncio.Event()
        self._returning: workspace.Returning | None = None

    def warming(self, task: asyncio.Task[bool]) -> None:
        """The spare that is being started: a bind waits for it."""
        self._warming = task

    async def bind(self, request: pb.BindRequest) -> pb.BindResponse:
        """Raises BindRefused."""
        asked = Identity(self._worker_id, request.session_id, request.epoch)
        async with self._lock:
            if self._identity is not None and self._identity != asked:
                raise BindRefused(
                    grpc.StatusCode.FAILED_PRECONDITION,
                    "this worker belongs to another session or epoch",
                )
            if self.session is not None:
                return self._response("bound")
            start = await self._bind(request, asked)
        return self._response(start)

    async def offer(
        self, session_id: str, epoch: int, parts: AsyncIterator[pb.WorkspaceManifest]
    ) -> list[bytes] | None:
        """The pieces of an earlier worker's files that are wanted; None: the files are here.

        Raises BindRefused.
        """
        async with self._lock:
            self._claim(session_id, epoch)
            try:
                target = workspace.Target(
                    self._paths.workspace_root / session_id,
                    self._paths.restoring(session_id),
                    exists=self._paths.has_workspace(session_id),
                )
                self._returning = await workspace.Returning.begin(target, self._paths.tmp, parts)
                return None if self._returning is None else await self._returning.wanted()
            except (ValueError, OSError, workspace.BadManifest) as error:
                raise await self._not_restored(error) from error

    async def restore(
        self, session_id: str, epoch: int, pieces: AsyncIterator[pb.WorkspacePiece]
    ) -> int:
        """Takes those pieces and returns how many files there are. Raises BindRefused.

        When it fails a directory that was not there before is gone again, and Bind tells that the
        files are lost.
        """
        async with self._lock:
            self._claim(session_id, epoch)
            if self._returning is None:
                raise BindRefused(grpc.StatusCode.FAILED_PRECONDITION, "nothing was offered")
            try:
                return await self._returning.finish(pieces)
            except (OSError, workspace.BadManifest) as error:
                raise await self._not_restored(error) from error
            finally:
                self._returning = None

    def _claim(self, session_id: str, epoch: int) -> None:
        """From now on this worker is no other session's."""
        asked = Identity(self._worker_id, session_id, epoch)
        if self.session is not None or self._identity not in (None, asked):
            raise BindRefused(grpc.StatusCode.FAILED_PRECONDITION, "this worker is bound already")
        self._identity = asked

    async def _not_restored(self, error: Exception) -> BindRefused:
        if self._returning is not None:
            await self._returning.give_up()
            self._returning = None
        _log.error("workspace not restored", reason=str(error))
        return BindRefused(grpc.StatusCode.DATA_LOSS, str(error))

    async def _bind(self, request: pb.BindRequest, asked: Identity) -> str:
        try:
            spec = AgentSpec.model_validate_json(request.agent_json)
            had_workspace = self._paths.has_workspace(request.session_id)
            cwd = self._paths.workspace(request.session_id)
        except (ValidationError, ValueError) as error:
            raise BindRefused(grpc.StatusCode.INVALID_ARGUMENT, f"bad bind: {error}") from error
        except OSError as error:
            message = f"the working directory cannot be made: {error}"
            raise BindRefused(grpc.StatusCode.INTERNAL, message) from error
        self._identity = asked
        self._tools.log_fields.update(
            session_id=asked.session_id,
            epoch=asked.epoch,
            user_id=request.user_id or None,
            traceparent=request.traceparent or None,
        )
        seat = Seat(spec, cwd, request.model_handle, request.traceparent)
        if request.transcript:
            seat.claude_session_id = self._restore(request, seat)
        if self._warming is not None:
            await asyncio.shield(self._warming)
        session = Session(asked, spec, request.input_cursor, self.engine, self._gate, self._tools)
        self._mirror.log = session.log
        session.reconciler = Reconciler(self._paths.config, self.engine, self._mirror, session.log)
        if request.transcript and not had_workspace:
            session.log.notice(
                "workspace_lost",
                "warning",
                "The files of this session are not here any more: they have to be made again "
                "where they are needed. The conversation is intact.",
            )
        start = await session.start(seat, list(request.allowed_rules), self._tools.clock)
        self.session = session
        self.on_bound.set()
        _log.info("bound", start=start)
        return start

    def _restore(self, request: pb.BindRequest, seat: Seat) -> str | None:
        """Writes the stored conversation for the CLI to resume from; None when it cannot be."""
        lines = [(line.subpath, line.entry) for line in request.transcript]
        self._mirror.known.update(transcript.names(lines))
        try:
            transcript.materialise(self._paths.config, seat.cwd, request.claude_session_id, lines)
        except (ValueError, OSError) as error:
            _log.error("transcript not restored", reason=str(error))
            return None
        return request.claude_session_id

    def _response(self, start: str) -> pb.BindResponse:
        return pb.BindResponse(
            worker_id=self._worker_id,
            claude_session_id=self.engine.claude_session_id or "",
            start=start,
            cli_version=CLI_VERSION,
        )

"""A worker whose every frame the test decides: the peer that the control plane must not trust.

It speaks the real gRPC service. The real worker is tested as itself; this one says what a broken,
fenced or hostile one would say.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from csp_controlplane.runtime.protocol import NoCapacity, WorkerGone, WorkerRef
from csp_crds.agent import AgentSpec
from csp_proto import worker_pb2 as pb
from csp_proto import worker_pb2_grpc
from csp_worker.app import SERVER_OPTIONS


class HostileWorker(worker_pb2_grpc.WorkerServicer):
    """One in-process worker on a unix socket."""

    def __init__(self, worker_id: str, directory: Path) -> None:
        self.worker_id = worker_id
        self.endpoint = f"unix:{directory}/{worker_id}.sock"
        self.bound: pb.BindRequest | None = None
        self.received: asyncio.Queue[pb.GatewayFrame] = asyncio.Queue()
        self.metadata: list[dict[str, str]] = []
        self._outgoing: asyncio.Queue[pb.WorkerFrame | None] = asyncio.Queue()
        self.attached = asyncio.Event()
        self.acknowledged: list[int] = []
        self.attachments = 0
        self.refuse_bind: str | None = None
        self.workspace: list[pb.WorkspaceManifest] = []
        self.saves: asyncio.Queue[pb.SaveWorkspaceRequest] = asyncio.Queue()
        self.pieces: list[bytes] = []
        self.asked: list[bytes] = []
        self.wants: list[bytes] = []
        self.offered: list[pb.WorkspaceManifest] = []
        self.restored: list[bytes] = []
        self.asked_to_bind = asyncio.Event()
        self.may_bind = asyncio.Event()
        self.may_bind.set()
        self._server = grpc.aio.server(options=SERVER_OPTIONS)
        self._stopped: asyncio.Task[None] | None = None

    async def start(self) -> None:
        worker_pb2_grpc.add_WorkerServicer_to_server(self, self._server)
        self._server.add_insecure_port(self.endpoint)
        await self._server.start()

    async def stop(self) -> None:
        """May be called twice, and by a task that is cancelled meanwhile; gRPC's own may not."""
        if self._stopped is None:
            self._stopped = asyncio.create_task(self._server.stop(None), name=self.worker_id)
        await asyncio.shield(self._stopped)

    async def Bind(self, request: pb.BindRequest, context: Any) -> pb.BindResponse:  # noqa: N802
        self.asked_to_bind.set()
        await self.may_bind.wait()
        if self.refuse_bind:
            await context.abort(grpc.StatusCode.INTERNAL, self.refuse_bind)
        self.bound = request
        self.metadata.append(dict(context.invocation_metadata()))
        return pb.BindResponse(worker_id=self.worker_id, claude_session_id="claude-1", start="warm")

    async def Attach(  # noqa: N802
        self, requests: AsyncIterator[pb.GatewayFrame], context: Any
    ) -> AsyncIterator[pb.WorkerFrame]:
        assert self.bound is not None
        yield pb.WorkerFrame(
            hello=pb.WorkerHello(
                worker_id=self.worker_id,
                session_id=self.bound.session_id,
                epoch=self.bound.epoch,
                input_cursor=self.bound.input_cursor,
            )
        )
        yield pb.WorkerFrame(role=pb.WriterRole(writer=True, next_n=1))
        reader = asyncio.create_task(self._read(requests), name="hostile-read")
        self.attachments += 1
        self.attached.set()
        try:
            while (frame := await self._outgoing.get()) is not None:
                yield frame
        finally:
            self.attached.clear()
            reader.cancel()

    async def GetContextUsage(  # noqa: N802
        self, request: pb.GetContextUsageRequest, context: Any
    ) -> pb.GetContextUsageResponse:
        return pb.GetContextUsageResponse(usage_json="not json")

    async def ListFiles(  # noqa: N802
        self, request: pb.ListFilesRequest, context: Any
    ) -> pb.ListFilesResponse:
        await context.abort(grpc.StatusCode.NOT_FOUND, "")
        return pb.ListFilesResponse()

    async def ReadFile(  # noqa: N802
        self, request: pb.ReadFileRequest, context: Any
    ) -> AsyncIterator[pb.FileChunk]:
        await context.abort(grpc.StatusCode.NOT_FOUND, "")
        yield pb.FileChunk()

    async def SaveWorkspace(  # noqa: N802
        self, request: pb.SaveWorkspaceRequest, context: Any
    ) -> AsyncIterator[pb.WorkspaceManifest]:
        self.saves.put_nowait(request)
        if not self.workspace:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "")
        for part in self.workspace:
            yield part

    async def ReadPieces(  # noqa: N802
        self, request: pb.ReadPiecesRequest, context: Any
    ) -> AsyncIterator[pb.WorkspacePiece]:
        self.asked += [bytes(name) for name in request.pieces]
        for data in self.pieces:
            yield pb.WorkspacePiece(data=data)

    async def OfferWorkspace(  # noqa: N802
        self, requests: AsyncIterator[pb.WorkspaceManifest], context: Any
    ) -> pb.OfferWorkspaceResponse:
        self.offered = [part async for part in requests]
        return pb.OfferWorkspaceResponse(wanted=self.wants)

    async def RestoreWorkspace(  # noqa: N802
        self, requests: AsyncIterator[pb.WorkspacePiece], context: Any
    ) -> pb.RestoreWorkspaceResponse:
        self.restored = [piece.data async for piece in requests]
        return pb.RestoreWorkspaceResponse(files=1)

    async def _read(self, requests: AsyncIterator[pb.GatewayFrame]) -> None:
        async for frame in requests:
            if frame.HasField("ack"):
                self.acknowledged.append(frame.ack.n)
            await self.received.put(frame)

    # ---- what the test makes it say

    def facts(self, first_n: int, *facts: tuple[str, str, bytes]) -> None:
        """(id, type, payload) triples, numbered from first_n."""
        body = [pb.Fact(id=i, type=t, payload=p) for i, t, p in facts]
        self._outgoing.put_nowait(pb.WorkerFrame(facts=pb.Facts(first_n=first_n, facts=body)))

    def say(self, frame: pb.WorkerFrame) -> None:
        self._outgoing.put_nowait(frame)

    def hang_up(self) -> None:
        self._outgoing.put_nowait(None)

    async def next(self, kind: str, deadline: float = 30.0) -> Any:
        """The content of the next frame of this kind from the gateway."""
        async with asyncio.timeout(deadline):
            while True:
                frame = await self.received.get()
                if frame.WhichOneof("frame") == kind:
                    return getattr(frame, kind)


def fact(id_: str, type_: str, rest: str = "") -> tuple[str, str, bytes]:
    """A well-formed fact; `rest` is further JSON fields, e.g. '"name":"Bash"'."""
    tail = f",{rest}" if rest else ""
    return id_, type_, f'{{"id":"{id_}","type":"{type_}"{tail}}}'.encode()


@dataclass
class HostileRuntime:
    """Hands out hostile workers, one per claim."""

    keeps_files = True
    has_pools = False
    pauses_idle = False

    directory: Path
    workers: list[HostileWorker] = field(default_factory=list)
    live: dict[str, HostileWorker] = field(default_factory=dict)
    purged: list[str] = field(default_factory=list)
    no_capacity: str | None = None
    before_start: Callable[[HostileWorker], None] = lambda worker: None
    _gone: asyncio.Queue[WorkerGone] = field(default_factory=asyncio.Queue)

    async def create(
        self,
        session_id: str,
        tenant: str,
        spec: AgentSpec,
        *,
        owner: str = "",
        pool: str | None = None,
    ) -> None:
        if self.no_capacity:
            raise NoCapacity(self.no_capacity)
        if session_id in self.live:
            return
        worker = HostileWorker(f"wrkr_{len(self.workers) + 1}", self.directory)
        self.before_start(worker)
        await worker.start()
        self.workers.append(worker)
        self.live[session_id] = worker

    async def wait_ready(self, session_id: str, deadline_s: float) -> WorkerRef:
        worker = self.live[session_id]
        return WorkerRef(worker.worker_id, worker.endpoint, warm=True)

    async def endpoint(self, session_id: str) -> WorkerRef | None:
        worker = self.live.get(session_id)
        return WorkerRef(worker.worker_id, worker.endpoint, warm=True) if worker else None

    async def delete(self, session_id: str) -> None:
        worker = self.live.pop(session_id, None)
        if worker is not None:
            await worker.stop()

    async def discard(self, session_id: str, worker_id: str) -> None:
        await self.delete(session_id)

    async def resting(self, session_id: str) -> None:
        return

    async def purge(self, session_id: str) -> None:
        await self.delete(session_id)
        self.purged.append(session_id)

    async def kill(self, session_id: str) -> None:
        """The worker's process is gone."""
        worker = self.live.pop(session_id)
        await worker.stop()
        self._gone.put_nowait(WorkerGone(worker.worker_id, session_id, "killed", "test"))

    async def watch(self) -> AsyncIterator[WorkerGone]:
        while True:
            yield await self._gone.get()

    async def stop(self) -> None:
        for worker in self.workers:
            await worker.stop()

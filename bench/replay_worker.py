"""Workers that replay recorded events: the real gRPC service without an agent behind it.

One server holds any number of them, told apart by the session in the caller's token. A gateway
cannot tell the difference: Bind, Attach, grants of the writer's role, acknowledgements and the
health service are as a worker's. Tokens are read, not checked. Frames are serialised before they
are handed to gRPC, so that playing costs little.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import jwt
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer

from csp_proto import worker_pb2 as pb
from csp_worker.app import SERVER_OPTIONS

SERVICE = "csp.worker.v1.Worker"


class ReplaySession:
    """One worker's state: which epoch it is bound to, its stream, how far the log has come."""

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id
        self.worker_id = f"replay-{session_id}"
        self.epoch = 0
        self.next_n = 1
        self.acked_n = 0
        self.played = 0
        self.attached = asyncio.Event()
        self._context: Any = None
        self._acked = asyncio.Event()

    async def write(self, frame: bytes) -> None:
        """Hands one serialised WorkerFrame to gRPC."""
        await self._context.write(frame)

    async def wait_acked(self, n: int) -> None:
        """Until the log holds fact n."""
        while self.acked_n < n:
            self._acked.clear()
            await self._acked.wait()

    async def serve(self, requests: AsyncIterator[pb.GatewayFrame], context: Any) -> None:
        """One gateway's stream, until the gateway ends it."""
        self._context = context
        hello = pb.WorkerHello(
            worker_id=self.worker_id,
            session_id=self.session_id,
            epoch=self.epoch,
            acked_n=self.acked_n,
        )
        role = pb.WriterRole(writer=True, next_n=self.acked_n + 1)
        await self.write(pb.WorkerFrame(hello=hello).SerializeToString())
        await self.write(pb.WorkerFrame(role=role).SerializeToString())
        self.attached.set()
        async for frame in requests:
            if frame.WhichOneof("frame") == "ack":
                self.acked_n = max(self.acked_n, frame.ack.n)
                self._acked.set()
        self.attached.clear()


class ReplayWorkers:
    """The gRPC side of all replaying workers."""

    def __init__(self) -> None:
        self._sessions: dict[str, ReplaySession] = {}
        self._server = grpc.aio.server(options=SERVER_OPTIONS)
        self.endpoint = ""

    def session(self, session_id: str) -> ReplaySession:
        return self._sessions.setdefault(session_id, ReplaySession(session_id))

    def forget(self, session_id: str) -> None:
        self._sessions.pop(session_id, None)

    async def start(self) -> None:
        """Listens; `endpoint` is where."""
        self._server.add_generic_rpc_handlers(
            (
                grpc.method_handlers_generic_handler(
                    SERVICE,
                    {
                        "Bind": grpc.unary_unary_rpc_method_handler(
                            self._bind, pb.BindRequest.FromString, _serialised
                        ),
                        "Attach": grpc.stream_stream_rpc_method_handler(
                            self._attach, pb.GatewayFrame.FromString, None
                        ),
                    },
                ),
            )
        )
        health = HealthServicer()
        await health.set(SERVICE, health_pb2.HealthCheckResponse.SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(health, self._server)
        port = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()
        self.endpoint = f"127.0.0.1:{port}"

    async def stop(self) -> None:
        await self._server.stop(None)

    async def _bind(self, request: pb.BindRequest, context: Any) -> pb.BindResponse:
        session = self.session(request.session_id)
        if session.epoch != request.epoch:
            session.epoch, session.next_n, session.acked_n = request.epoch, 1, 0
        return pb.BindResponse(worker_id=session.worker_id, start="warm", cli_version="replay")

    async def _attach(self, requests: AsyncIterator[pb.GatewayFrame], context: Any) -> None:
        metadata = {str(key): value for key, value in context.invocation_metadata()}
        token = str(metadata["authorization"]).removeprefix("Bearer ")
        claims = jwt.decode(token, options={"verify_signature": False})
        await self.session(claims["sid"]).serve(requests, context)


def _serialised(message: pb.BindResponse) -> bytes:
    return message.SerializeToString()

"""What is between a gateway and a worker: frames in order, each of which waits to be delivered.

It stands in for a gRPC channel, so that the product's own client and service run on both ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Self

import grpc
import grpc.aio

from csp_worker.servicer import WorkerServicer
from support.sim.steps import Steps

TO_GATEWAY = "to the gateway"
_ENDED = object()


class Aborted(grpc.aio.AioRpcError):
    """A call that the other side, or the network, has ended."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(code, grpc.aio.Metadata(), grpc.aio.Metadata(), details)


class _Context:
    """Of one call, for the servicer."""

    def __init__(self, metadata: Any) -> None:
        self._metadata = tuple(metadata or ())

    def invocation_metadata(self) -> Any:
        return self._metadata

    async def abort(self, code: grpc.StatusCode, details: str = "") -> None:
        raise Aborted(code, details)


class Stream:
    """One Attach call: both ends and what is between them."""

    def __init__(self, steps: Steps, name: str, servicer: WorkerServicer, metadata: Any) -> None:
        self.name = name
        self._steps = steps
        self._up: asyncio.Queue[Any] = asyncio.Queue()
        self._at_worker: asyncio.Queue[Any] = asyncio.Queue()
        self._down: asyncio.Queue[Any] = asyncio.Queue()
        self._at_gateway: asyncio.Queue[Any] = asyncio.Queue()
        serving = self._serve(servicer, _Context(metadata))
        self._tasks = [
            asyncio.create_task(self._carry(self._up, self._at_worker, "to the worker")),
            asyncio.create_task(self._carry(self._down, self._at_gateway, TO_GATEWAY)),
            asyncio.create_task(serving, name=f"serve {name}"),
        ]
        self.broken = False

    # ---- as grpc.aio's call

    async def write(self, frame: Any) -> None:
        if self.broken:
            raise Aborted(grpc.StatusCode.UNAVAILABLE, "the link broke")
        self._up.put_nowait(frame)

    def cancel(self) -> None:
        """The gateway's end is gone."""
        self.sever()

    async def __aiter__(self) -> AsyncIterator[Any]:
        while (frame := await self._at_gateway.get()) is not _ENDED:
            if isinstance(frame, BaseException):
                raise frame
            yield frame

    # ---- what happens to it

    @property
    def on_its_way(self) -> int:
        """Frames that the worker has sent and the gateway has not got: one waits at its point."""
        return self._down.qsize() + 1

    def sever(self) -> None:
        """Nothing more passes; both sides notice."""
        if self.broken:
            return
        self.broken = True
        for task in self._tasks:
            task.cancel()
        self._at_gateway.put_nowait(Aborted(grpc.StatusCode.UNAVAILABLE, "the link broke"))

    async def _carry(self, source: Any, target: Any, where: str) -> None:
        while True:
            frame = await source.get()
            kind = frame.WhichOneof("frame") if hasattr(frame, "WhichOneof") else "end"
            if kind != "keep_alive":
                await self._steps.point(self.name, f"{kind} {where}")
            target.put_nowait(frame)

    async def _serve(self, servicer: WorkerServicer, context: Any) -> None:
        try:
            async for frame in servicer.Attach(self._requests(), context):
                self._down.put_nowait(frame)
            self._down.put_nowait(_ENDED)
        except Aborted as error:
            self._down.put_nowait(error)

    async def _requests(self) -> AsyncIterator[Any]:
        while True:
            yield await self._at_worker.get()


class Channel:
    """To one worker, or to none."""

    def __init__(
        self, find: Callable[[], WorkerServicer | None], open_stream: Callable[[Any, Any], Stream]
    ) -> None:
        self._find = find
        self._open = open_stream

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Its streams end with their calls."""

    def unary_unary(self, path: str, **_: Any) -> Any:
        async def call(request: Any, metadata: Any = None, timeout: float | None = None) -> Any:
            servicer = self._find()
            if servicer is None:
                raise Aborted(grpc.StatusCode.UNAVAILABLE, "nobody listens")
            return await getattr(servicer, path.rpartition("/")[2])(request, _Context(metadata))

        return call

    def stream_stream(self, path: str, **_: Any) -> Any:
        def call(metadata: Any = None) -> Any:
            servicer = self._find()
            return self._open(servicer, metadata)

        return call

    unary_stream = stream_unary = unary_unary

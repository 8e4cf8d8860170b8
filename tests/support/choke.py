"""A relay between two parts that a test can make deaf, slow or broken at a named byte.

It runs in a thread of its own, so that it works while the test waits. What it holds back has left
the sender and is known to have been said; the receiver does not learn of it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")
Address = Path | tuple[str, int]

_CHUNK = 64 * 1024


@dataclass(eq=False)
class _Pipe:
    """One accepted connection."""

    to_client: asyncio.StreamWriter
    to_server: asyncio.StreamWriter
    tail: bytes = b""
    held: bool = False
    kept: bytes = b""
    ended: bool = False
    tasks: list[asyncio.Task[None]] = field(default_factory=list)


class Choke:
    """Listens on `listen`, passes everything on to `target`. Use it as a context manager.

    A TCP port of 0 takes a free one: see `port`.
    """

    def __init__(self, listen: Address, target: Address) -> None:
        self._listen = listen
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="choke", daemon=True)
        self._pipes: set[_Pipe] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._marker: bytes | None = None
        self._held = threading.Event()
        self._refusing = False
        self._hold_all = False
        self._server: asyncio.Server | None = None
        self.port = 0

    # ---- what a test says

    def hold_answers_to(self, marker: bytes) -> None:
        """Once a client has said `marker`, nothing more reaches that client; see `holding`."""
        self._held.clear()
        self._call(self._arm(marker))

    def hold_answers(self) -> None:
        """From now on nothing reaches any client."""
        self._held.clear()
        self._call(self._hold_everything())

    @property
    def holding(self) -> bool:
        """Whether something has been held back since it was asked for."""
        return self._held.is_set()

    def release(self) -> None:
        """Passes on what was held back, and everything from now on."""
        self._call(self._release())

    def cut(self) -> None:
        """Breaks every connection; what was held back is lost. New ones pass as usual."""
        self._call(self._cut())

    def refuse(self, refusing: bool = True) -> None:
        """Breaks every connection and each new one, as a server that is away; False ends that."""
        self._refusing = refusing
        if refusing:
            self.cut()

    # ---- its life

    def start(self) -> Self:
        self._thread.start()
        self._call(self._serve())
        return self

    def close(self) -> None:
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result(10)

    # ---- in its thread

    async def _serve(self) -> None:
        if isinstance(self._listen, Path):
            self._server = await asyncio.start_unix_server(self._accept, self._listen)
            self._listen.chmod(0o777)
            return
        self._server = await asyncio.start_server(self._accept, *self._listen)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        if self._server is not None:
            self._server.close()
        await self._cut()
        left = tuple(self._tasks)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _arm(self, marker: bytes) -> None:
        self._marker = marker

    async def _hold_everything(self) -> None:
        self._hold_all = True
        for pipe in self._pipes:
            pipe.held = True

    async def _release(self) -> None:
        self._marker, self._hold_all = None, False
        for pipe in tuple(self._pipes):
            kept, pipe.kept, pipe.held = pipe.kept, b"", False
            if not pipe.to_client.is_closing():
                pipe.to_client.write(kept)
            if pipe.ended:
                self._forget(pipe)

    async def _cut(self) -> None:
        self._marker, self._hold_all = None, False
        pipes, self._pipes = self._pipes, set()
        tasks = [task for pipe in pipes for task in pipe.tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for pipe in pipes:
            await _abort(pipe.to_client)
            await _abort(pipe.to_server)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            await _abort(writer)
            return
        try:
            if isinstance(self._target, Path):
                answers, to_server = await asyncio.open_unix_connection(self._target)
            else:
                answers, to_server = await asyncio.open_connection(*self._target)
        except OSError:
            await _abort(writer)
            return
        pipe = _Pipe(writer, to_server, held=self._hold_all)
        self._pipes.add(pipe)
        loop = asyncio.get_running_loop()
        pipe.tasks = [
            loop.create_task(self._up(pipe, reader), name="choke-up"),
            loop.create_task(self._down(pipe, answers), name="choke-down"),
        ]
        for task in pipe.tasks:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _up(self, pipe: _Pipe, reader: asyncio.StreamReader) -> None:
        while data := await _read(reader):
            if self._marker is not None:
                # The end of the last piece too: the marker may lie across two of them.
                if self._marker in pipe.tail + data:
                    pipe.held = True
                pipe.tail = (pipe.tail + data)[-len(self._marker) :]
            pipe.to_server.write(data)
            await _drain(pipe.to_server)
        await self._finish(pipe)

    async def _down(self, pipe: _Pipe, reader: asyncio.StreamReader) -> None:
        while data := await _read(reader):
            if pipe.held:
                pipe.kept += data
                self._held.set()
                continue
            pipe.to_client.write(data)
            await _drain(pipe.to_client)
        await self._finish(pipe)

    async def _finish(self, pipe: _Pipe) -> None:
        """One side has closed: so does the other, once nothing is held back any more."""
        pipe.ended = True
        pipe.to_server.close()
        if not pipe.held:
            self._forget(pipe)

    def _forget(self, pipe: _Pipe) -> None:
        pipe.to_client.close()
        self._pipes.discard(pipe)


async def _abort(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    with suppress(OSError):
        await writer.wait_closed()


async def _read(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(_CHUNK)
    except OSError:
        return b""


async def _drain(writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        await writer.drain()

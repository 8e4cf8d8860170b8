"""The limit that the gateway is compared with: an asyncio TCP relay that does nothing else.

One process, one event loop of the standard library, one upstream connection per client. It cuts
the stream into events of a fixed size and writes each of them, which is the least that anything
that handles single events must do: no framing, no parsing, no memory of what it sent.

    python -m bench.bare_relay <listen port> <source port>
"""

from __future__ import annotations

import asyncio
import sys

from bench.events import SIZE

LOOPBACK = "127.0.0.1"


class _Client(asyncio.Protocol):
    """The client's side: opens the upstream connection and stops reading there while it is slow."""

    def __init__(self, source_port: int) -> None:
        self._source_port = source_port
        self._upstream: asyncio.BaseTransport | None = None
        self._opening: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._opening = asyncio.create_task(self._open(transport), name="open-upstream")

    async def _open(self, client: asyncio.WriteTransport) -> None:
        loop = asyncio.get_running_loop()
        self._upstream, _ = await loop.create_connection(
            lambda: _Upstream(client), LOOPBACK, self._source_port
        )
        if client.is_closing():
            self._upstream.close()

    def data_received(self, data: bytes) -> None:
        if isinstance(self._upstream, asyncio.WriteTransport):
            self._upstream.write(data)

    def pause_writing(self) -> None:
        if isinstance(self._upstream, asyncio.ReadTransport):
            self._upstream.pause_reading()

    def resume_writing(self) -> None:
        if isinstance(self._upstream, asyncio.ReadTransport):
            self._upstream.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        if self._upstream is not None:
            self._upstream.close()


class _Upstream(asyncio.Protocol):
    """The source's side: each whole event is written on."""

    def __init__(self, client: asyncio.WriteTransport) -> None:
        self._client = client
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        data = self._rest + data if self._rest else data
        whole = len(data) - len(data) % SIZE
        for begin in range(0, whole, SIZE):
            self._client.write(data[begin : begin + SIZE])
        self._rest = data[whole:]

    def connection_lost(self, error: Exception | None) -> None:
        self._client.close()


async def _serve(listen_port: int, source_port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Client(source_port), LOOPBACK, listen_port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), int(sys.argv[2])))

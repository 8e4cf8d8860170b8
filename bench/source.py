"""The process at the sending end: replaying workers, bare producers, and a supervisor's socket.

The gateway under measurement is the product's own process, unchanged. It finds its workers where it
always does, at the supervisor's unix socket; here that socket answers with the replaying worker.
The same socket takes the bench's own requests to play.

    python -m bench.source <unix socket>
"""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from bench.playing import (
    BareConnection,
    BareEvents,
    FactFlood,
    FactStream,
    Hand,
    Pace,
    PreviewFlood,
    PreviewStream,
    play,
)
from bench.replay_worker import ReplayWorkers

ATTACH_S = 60.0
HEARTBEAT_S = 2.0


class Source:
    """Answers the gateway as a supervisor does, and plays what the bench asks for."""

    def __init__(self) -> None:
        self._workers = ReplayWorkers()
        self._bare: list[BareConnection] = []
        self._bare_port = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[web.Application]:
        await self._workers.start()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self._bare_port = server.sockets[0].getsockname()[1]
        app = web.Application()
        app.router.add_put("/v1/sessions/{id}", self._worker)
        app.router.add_get("/v1/sessions/{id}", self._worker)
        app.router.add_delete("/v1/sessions/{id}", self._delete)
        app.router.add_get("/v1/watch", self._watch)
        app.router.add_get("/v1/pool", self._pool)
        app.router.add_get("/bench/ports", self._ports)
        app.router.add_post("/bench/attached", self._attached)
        app.router.add_post("/bench/play", self._play)
        try:
            yield app
        finally:
            server.close()
            await self._workers.stop()

    # ---- as a supervisor

    async def _worker(self, request: web.Request) -> web.Response:
        session = self._workers.session(request.match_info["id"])
        return web.json_response(
            {
                "worker_id": session.worker_id,
                "endpoint": self._workers.endpoint,
                "warm": True,
                "state": "ready",
            }
        )

    async def _delete(self, request: web.Request) -> web.Response:
        self._workers.forget(request.match_info["id"])
        return web.Response(status=204)

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "application/x-ndjson"})
        await response.prepare(request)
        while True:
            await response.write(b'{"type":"alive"}\n')
            await asyncio.sleep(HEARTBEAT_S)

    async def _pool(self, request: web.Request) -> web.Response:
        return web.json_response({"profiles": []})

    # ---- for the bench

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = BareConnection(reader, writer)
        self._bare.append(connection)
        try:
            await connection.serve()
        finally:
            self._bare.remove(connection)

    async def _ports(self, request: web.Request) -> web.Response:
        return web.json_response({"bare": self._bare_port, "bare_connections": len(self._bare)})

    async def _attached(self, request: web.Request) -> web.Response:
        """Answers when the gateway is attached to every named session."""
        ids = (await request.json())["sessions"]
        async with asyncio.timeout(ATTACH_S):
            for session in map(self._workers.session, ids):
                await session.attached.wait()
        return web.json_response({})

    async def _play(self, request: web.Request) -> web.Response:
        """{what, sessions | connections, seconds, rate, batch, count} -> {sent}.

        `count`: facts of each session in a flood of facts, which has no other end.
        """
        body = await request.json()
        pace = Pace(body["seconds"], body.get("rate", 0.0), body.get("batch", 16))
        hands, finishes = self._players(body, pace)
        if body["what"] == "facts" and not pace.rate:
            pace = Pace(math.inf, batch=pace.batch)  # ends with its facts, which are numbered
        sent = await play(hands, pace)
        for finish in finishes:
            await finish()
        return web.json_response({"sent": sent})

    def _players(self, body: dict[str, Any], pace: Pace) -> tuple[list[Hand], list[Any]]:
        if body["what"] == "bare":
            connections = self._bare[: body["connections"]]
            bare = [BareEvents(connection, pace.batch) for connection in connections]
            return [one.hand_stamped if pace.rate else one.hand for one in bare], []
        sessions = [self._workers.session(id_) for id_ in body["sessions"]]
        players: list[PreviewFlood | PreviewStream | FactFlood | FactStream]
        if body["what"] == "facts" and pace.rate:
            players = [FactStream(session) for session in sessions]
        elif body["what"] == "facts":
            players = [FactFlood(session, pace.batch, body["count"]) for session in sessions]
        elif pace.rate:
            players = [PreviewStream(session) for session in sessions]
        else:
            players = [PreviewFlood(session, pace.batch) for session in sessions]
        return [one.hand for one in players], [one.finish for one in players]


async def _main(socket: str) -> None:
    async with Source().running() as app:
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.UnixSite(runner, socket).start()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))

"""A reverse proxy in front of the API server that a test makes fail in a named way.

It passes everything on as the user who may do everything, and counts nothing itself: the audit log
behind it knows what really arrived.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import aiohttp
from aiohttp import web

from support.apiserver import ApiServer

_HOP = {"transfer-encoding", "content-length", "connection", "host", "content-encoding"}


@dataclass(frozen=True, slots=True)
class Call:
    method: str
    path: str
    query: str
    body: bytes

    @property
    def writes(self) -> bool:
        return self.method != "GET"

    @property
    def watches(self) -> bool:
        return "watch=" in self.query

    def touches(self, plural: str, sub: str = "") -> bool:
        return f"/{plural}" in self.path and self.path.endswith(f"/{sub}" if sub else "")


@dataclass(frozen=True, slots=True)
class Fault:
    """`lost`: passed on, but the answer never comes. `refused`: not passed on, this status."""

    kind: Literal["lost", "refused"]
    status: int = 0
    reason: str = ""


Rule = Callable[[Call], Fault | Awaitable[Fault | None] | None]


class FaultProxy:
    """An async context manager; `kubeconfig` is for the process under test."""

    def __init__(self, server: ApiServer, directory: Path) -> None:
        self._server = server
        self.kubeconfig = directory / "proxy.kubeconfig"
        self._rule: Rule | None = None
        self.faults = 0
        self._watches: set[asyncio.Transport] = set()  # to those who watch
        self._muted: set[asyncio.Transport] = set()
        self.silent = False  # open watches bring nothing more, new ones neither

    def mute_watches(self) -> None:
        """Open watches bring nothing more and stay open, as over a connection that is dead and has
        not been told so. New ones are as usual."""
        self._muted |= self._watches

    def drop_watches(self) -> None:
        """Every open watch breaks off."""
        for transport in tuple(self._watches):
            transport.abort()

    def rule(self, rule: Rule | None) -> None:
        """Asked before each request; None lets everything through."""
        self._rule = rule
        self.faults = 0

    async def __aenter__(self) -> Self:
        context = ssl.create_default_context(cafile=self._server.ca)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context, limit=0),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
        )
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "proxy",
            "clusters": [{"name": "proxy", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
            "users": [{"name": "proxy", "user": {"token": "the-proxy-knows-better"}}],
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "proxy"}}],
        }
        self.kubeconfig.write_text(json.dumps(config))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
        if self._session.connector is not None:
            await self._session.connector.close(abort_ssl=True)
        await self._session.close()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        call = Call(request.method, request.path, request.query_string, await request.read())
        fault = self._rule(call) if self._rule else None
        if isinstance(fault, Awaitable):
            fault = await fault
        if fault is not None:
            self.faults += 1
        if fault is not None and fault.kind == "refused":
            return _refusal(fault)
        headers = {
            name: value for name, value in request.headers.items() if name.lower() not in _HOP
        }
        headers["Authorization"] = f"Bearer {self._server.token}"
        async with self._session.request(
            call.method,
            self._server.url + str(request.rel_url),
            data=call.body or None,
            headers=headers,
        ) as answer:
            try:
                if fault is not None:
                    await answer.read()
                    await asyncio.Event().wait()  # until the caller gives up
                return await self._relay(request, call, answer)
            finally:
                connection = answer.connection
                if call.watches and connection is not None and connection.transport is not None:
                    connection.transport.abort()

    async def _relay(
        self, request: web.Request, call: Call, answer: aiohttp.ClientResponse
    ) -> web.StreamResponse:
        headers = {
            name: value for name, value in answer.headers.items() if name.lower() not in _HOP
        }
        if not call.watches:
            return web.Response(body=await answer.read(), status=answer.status, headers=headers)
        relayed = web.StreamResponse(status=answer.status, headers=headers)
        await relayed.prepare(request)
        transport = request.transport
        if not isinstance(transport, asyncio.Transport):
            return relayed
        self._watches.add(transport)
        try:
            async for chunk in answer.content.iter_any():
                if not self.silent and transport not in self._muted:
                    await relayed.write(chunk)
        finally:
            self._watches.discard(transport)
            self._muted.discard(transport)
        return relayed


def _refusal(fault: Fault) -> web.Response:
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": fault.status,
        "reason": fault.reason,
        "message": "refused by the test",
    }
    return web.json_response(body, status=fault.status)


def once(rule: Callable[[Call], bool], fault: Fault) -> Rule:
    """The first call for which `rule` holds fails."""
    left = [1]

    def answer(call: Call) -> Fault | None:
        if left[0] and rule(call):
            left[0] = 0
            return fault
        return None

    return answer

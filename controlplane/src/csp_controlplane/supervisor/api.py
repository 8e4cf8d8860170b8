"""The supervisor's API for gateways: HTTP and JSON over a unix socket of mode 0600.

PUT /v1/sessions/{id} claims or starts a worker; GET waits for it; DELETE ends it, with `?purge=1`
its workspace too; GET /v1/watch streams the ends of workers; GET /v1/pool shows the spares.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import uvicorn
from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from csp_controlplane.supervisor.memory import Memory
from csp_controlplane.supervisor.worker import Worker
from csp_controlplane.supervisor.workers import CannotStart, Stopping, Workers
from csp_crds.agent import AgentSpec

LONGEST_WAIT_S = 120.0
_SESSION_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


class ClaimRequest(BaseModel):
    """Body of PUT /v1/sessions/{id}."""

    tenant: str
    spec: AgentSpec


class SupervisorApi:
    """The routes over the registry."""

    def __init__(self, workers: Workers, pool_report: Callable[[], list[dict[str, Any]]]) -> None:
        self._workers = workers
        self._pool_report = pool_report
        self._memory = Memory(workers.pids)

    def application(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/v1/sessions/{session_id}", self._claim, methods=["PUT"]),
                Route("/v1/sessions/{session_id}", self._show, methods=["GET"]),
                Route("/v1/sessions/{session_id}", self._release, methods=["DELETE"]),
                Route("/v1/watch", self._watch, methods=["GET"]),
                Route("/v1/pool", self._pool, methods=["GET"]),
            ]
        )

    async def _claim(self, request: Request) -> Response:
        session_id = _session_id(request)
        try:
            body = ClaimRequest.model_validate_json(await request.body())
        except ValidationError as error:
            return JSONResponse({"message": str(error)}, 400)
        try:
            worker = await self._workers.claim(session_id, body.spec)
        except CannotStart as error:
            return JSONResponse({"message": str(error)}, 503)
        except Stopping:
            return JSONResponse({"message": "csp is stopping."}, 410)
        return _shown(worker)

    async def _show(self, request: Request) -> Response:
        session_id = _session_id(request)
        try:
            wait_s = min(float(request.query_params.get("wait", "0")), LONGEST_WAIT_S)
        except ValueError:
            return JSONResponse({"message": "wait must be a number of seconds"}, 400)
        try:
            worker = self._workers.of_session(session_id)
            if worker is not None and not worker.ready and wait_s > 0:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(worker.settled.wait(), wait_s)
                worker = self._workers.of_session(session_id)
        except CannotStart as error:
            return JSONResponse({"message": str(error)}, 503)
        if worker is None:
            return JSONResponse({"message": f"{session_id} has no worker"}, 404)
        return _shown(worker)

    async def _release(self, request: Request) -> Response:
        purge = request.query_params.get("purge") == "1"
        await self._workers.release(_session_id(request), purge=purge)
        return Response(status_code=204)

    async def _watch(self, _request: Request) -> Response:
        async def lines() -> AsyncIterator[bytes]:
            async for event in self._workers.watchers.events():
                yield orjson.dumps(event) + b"\n"

        return StreamingResponse(lines(), media_type="application/x-ndjson")

    async def _pool(self, _request: Request) -> Response:
        return JSONResponse(
            {
                "profiles": self._pool_report(),
                "claimed": self._workers.claimed,
                "rss_bytes": await self._memory.rss_bytes(),
            }
        )


def _session_id(request: Request) -> str:
    """It becomes a folder's name, so it must not be able to name another one."""
    session_id: str = request.path_params["session_id"]
    if not _SESSION_ID.fullmatch(session_id):
        raise HTTPException(400, "a session id is letters, digits, - and _")
    return session_id


def _shown(worker: Worker) -> Response:
    return JSONResponse(
        {
            "worker_id": worker.id,
            "endpoint": worker.endpoint,
            "warm": worker.warm,
            "state": "ready" if worker.ready else "starting",
        }
    )


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # signals are the supervisor's


class SocketServer:
    """Serves an application on a unix socket until `stop()`."""

    def __init__(self, application: Starlette, path: Path) -> None:
        self._path = path
        self._server = _Server(
            uvicorn.Config(
                application,
                log_config=None,
                access_log=False,
                lifespan="off",
                http="h11",
                ws="none",
                timeout_graceful_shutdown=1,
            )
        )
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Returns when the socket accepts."""
        self._path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(self._path))
        self._path.chmod(0o600)
        listener.listen(256)
        listener.setblocking(False)
        self._task = asyncio.create_task(
            self._server.serve(sockets=[listener]), name="supervisor-api"
        )

    async def stop(self) -> None:
        """Within two seconds."""
        self._server.should_exit = True
        if self._task is not None:
            with contextlib.suppress(TimeoutError, asyncio.CancelledError):
                await asyncio.wait_for(self._task, 3)
        self._path.unlink(missing_ok=True)

"""Workers as local processes: a client of the supervisor's socket.

Workers belong to the supervisor, so a gateway may die and come back without touching one. The
supervisor may be away for a moment too: calls then raise RuntimeUnavailable, and `watch` connects
again by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self

import httpx
import orjson

from csp_controlplane.runtime.protocol import (
    NoCapacity,
    RuntimeStopping,
    RuntimeUnavailable,
    WorkerGone,
    WorkerRef,
)
from csp_crds.agent import AgentSpec

CALL_TIMEOUT_S = 15.0
WAIT_STEP_S = 20.0
"""One waiting request lasts so long at most; the supervisor may have been replaced meanwhile."""

SILENCE_S = 8.0
"""The watch stream carries a heartbeat each 2 s."""

RECONNECT_S = (0.05, 0.1, 0.2, 0.5, 1.0)


class LocalRuntime:
    """A SessionRuntime over the supervisor's unix socket."""

    keeps_files = True
    has_pools = False
    pauses_idle = False
    answers = "The supervisor answers."
    away = "The supervisor does not answer: sessions that rest cannot wake. Is `csp up` running?"

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._http = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(
                uds=str(socket), limits=httpx.Limits(max_connections=100)
            ),
            base_url="http://supervisor",
            timeout=CALL_TIMEOUT_S,
            trust_env=False,
        )

    async def start(self) -> None:
        """Nothing: each call connects by itself."""

    async def create(
        self,
        session_id: str,
        tenant: str,
        spec: AgentSpec,
        *,
        owner: str = "",
        pool: str | None = None,
    ) -> None:
        """Asks for a worker. Raises NoCapacity, RuntimeStopping, RuntimeUnavailable."""
        body = {"tenant": tenant, "spec": spec.model_dump(mode="json")}
        answer = await self._call("PUT", session_id, json=body)
        if answer.status_code == 503:
            raise NoCapacity(_message(answer))
        if answer.status_code == 410:
            raise RuntimeStopping(_message(answer))
        self._expect(answer, 200)

    async def wait_ready(self, session_id: str, deadline_s: float) -> WorkerRef:
        """Until the worker is ready. Raises NoCapacity, TimeoutError, RuntimeUnavailable."""
        loop = asyncio.get_running_loop()
        end = loop.time() + deadline_s
        while True:
            left = end - loop.time()
            if left <= 0:
                raise TimeoutError(f"the worker of {session_id} was not ready in {deadline_s:g} s")
            step = min(left, WAIT_STEP_S)
            answer = await self._call(
                "GET", session_id, params={"wait": f"{step:.3f}"}, timeout=step + CALL_TIMEOUT_S
            )
            if answer.status_code == 503:
                raise NoCapacity(_message(answer))
            if answer.status_code == 404:
                raise NoCapacity("The session's worker ended before it was ready.")
            shown = self._expect(answer, 200)
            if shown["state"] == "ready":
                return _ref(shown)

    async def endpoint(self, session_id: str) -> WorkerRef | None:
        """The live worker, when it is ready. Raises RuntimeUnavailable."""
        answer = await self._call("GET", session_id)
        if answer.status_code in (404, 503):
            return None
        shown = self._expect(answer, 200)
        return _ref(shown) if shown["state"] == "ready" else None

    async def delete(self, session_id: str) -> None:
        """Ends the worker; the workspace stays for the next. Raises RuntimeUnavailable."""
        self._expect(await self._call("DELETE", session_id), 204)

    async def discard(self, session_id: str, worker_id: str) -> None:
        """Ends this worker, if the session still has it. Raises RuntimeUnavailable."""
        answer = await self._call("GET", session_id)
        # One that is still starting is the replacement that another gateway has asked for.
        if answer.status_code == 200 and answer.json()["worker_id"] == worker_id:
            await self.delete(session_id)

    async def resting(self, session_id: str) -> None:
        """Never: here only the control plane puts sessions to rest."""
        return

    async def purge(self, session_id: str) -> None:
        """For a deleted session: ends the worker and removes the workspace."""
        self._expect(await self._call("DELETE", session_id, params={"purge": "1"}), 204)

    async def watch(self) -> AsyncIterator[WorkerGone]:
        """Ends of workers, for ever. Connects again by itself; may miss some while away."""
        failures = 0
        timeout = httpx.Timeout(CALL_TIMEOUT_S, read=SILENCE_S)
        while True:
            try:
                async with self._http.stream("GET", "/v1/watch", timeout=timeout) as stream:
                    async for line in stream.aiter_lines():
                        failures = 0
                        event = orjson.loads(line)
                        if event["type"] == "worker_gone":
                            yield WorkerGone(
                                worker_id=event["worker_id"],
                                session_id=event["session_id"],
                                reason=event["reason"],
                                message=event["message"],
                            )
            except (httpx.HTTPError, orjson.JSONDecodeError):
                pass
            await asyncio.sleep(RECONNECT_S[min(failures, len(RECONNECT_S) - 1)])
            failures += 1

    async def pool(self) -> dict[str, Any]:
        """The spares, for readiness and metrics. Raises RuntimeUnavailable."""
        try:
            return dict(self._expect(await self._http.get("/v1/pool"), 200))
        except httpx.HTTPError as error:
            raise self._away(error) from error

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _call(self, method: str, session_id: str, **options: Any) -> httpx.Response:
        try:
            return await self._http.request(method, f"/v1/sessions/{session_id}", **options)
        except httpx.HTTPError as error:
            raise self._away(error) from error

    def _away(self, error: Exception) -> RuntimeUnavailable:
        return RuntimeUnavailable(
            f"the supervisor does not answer on {self._socket} ({type(error).__name__}): "
            "is `csp up` running?"
        )

    @staticmethod
    def _expect(answer: httpx.Response, status: int) -> Any:
        if answer.status_code != status:
            raise RuntimeUnavailable(
                f"the supervisor answered {answer.status_code}: {_message(answer)}"
            )
        return answer.json() if answer.content else {}


def _message(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:500]


def _ref(shown: dict[str, Any]) -> WorkerRef:
    return WorkerRef(shown["worker_id"], shown["endpoint"], bool(shown["warm"]))

"""How long a person waits for the first word, against an agent with nothing around it.

The product's side is a whole installation (`csp up`): message over the WebSocket, gateway, commit,
worker, CLI, model proxy and back. Both sides ask the same scripted model, which does not wait, and
take turns, so that what the machine does meanwhile meets both.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping

import httpx
import psutil

from bench.bare_agent import BareAgent, bare_agent
from bench.figures import Figure
from bench.meter import family, pss_bytes
from bench.sink import SocketClient, Tally, open_socket
from bench.stats import Pair, median_ratio, percentile
from csp_crds.agent import AgentSpec
from support.parts_of_stack import wait_warm
from support.stack import Stack
from support.worker_client import MODEL, say, script

PAIRS = 50
QUICK_PAIRS = 10
BOUND = 1.25
TURN_S = 60.0
ANSWER = script(say("word ", n=20))


class Session:
    """A session of the installation and its socket."""

    def __init__(self, session_id: str, socket: SocketClient) -> None:
        self.id = session_id
        self.socket = socket
        self._first: asyncio.Future[int] | None = None
        self._end: asyncio.Future[None] | None = None
        socket.on_text(self._take)

    async def first_token(self, text: str) -> int:
        """Nanoseconds from the message to the first piece of its answer; returns at its end."""
        loop = asyncio.get_running_loop()
        self._first, self._end = loop.create_future(), loop.create_future()
        message = {"type": "user.message", "content": [{"type": "text", "text": text}]}
        body = {"type": "send", "client_id": secrets.token_hex(8), "events": [message]}
        began = time.monotonic_ns()
        self.socket.send(json.dumps(body).encode())
        async with asyncio.timeout(TURN_S):
            arrived = await self._first
            await self._end
        return arrived - began

    def _take(self, text: bytes) -> None:
        if self._first is None or self._end is None:
            return
        if not self._first.done() and b'"event_delta"' in text and b'"type":"text"' in text:
            self._first.set_result(time.monotonic_ns())
        ended = b'"type":"session.status_idle"' in text
        if ended and self._first.done() and not self._end.done():
            self._end.set_result(None)


async def measure(quick: bool) -> list[Figure]:
    """first_token_ratio, first_token_cold_ratio and what a spare costs."""
    pairs = QUICK_PAIRS if quick else PAIRS
    stack = Stack()
    await asyncio.to_thread(stack.start)
    try:
        async with stack.client() as api:
            return [
                await _second_turns(stack, api, pairs),
                await _new_sessions(stack, api, pairs),
                await _spare_memory(stack),
            ]
    finally:
        await asyncio.to_thread(stack.close)


async def _second_turns(stack: Stack, api: httpx.AsyncClient, count: int) -> Figure:
    await asyncio.to_thread(wait_warm, stack)
    session = await open_session(api, stack.url, stack.headers)
    await asyncio.to_thread(wait_warm, stack)  # the spare that takes the place of the claimed one
    async with bare_agent(stack.directory, _model(stack), _spec(), spare=False) as bare:
        await session.first_token(ANSWER)
        await bare.first_token(ANSWER)
        pairs = [await _pair(bare, session, turn) for turn in range(count)]
    session.socket.close()
    await api.delete(f"/sessions/{session.id}")
    return _figure("first_token_ratio", pairs)


async def _new_sessions(stack: Stack, api: httpx.AsyncClient, count: int) -> Figure:
    pairs = []
    for turn in range(count):
        async with bare_agent(stack.directory, _model(stack), _spec(), spare=True) as bare:
            await bare.claim()
            await asyncio.to_thread(wait_warm, stack)
            pairs.append(await _cold_pair(stack, api, bare, turn))
    return _figure("first_token_cold_ratio", pairs)


async def _cold_pair(stack: Stack, api: httpx.AsyncClient, bare: BareAgent, turn: int) -> Pair:
    """The bare spare has been claimed long ago; ours may still be at it when the message comes."""

    async def ours() -> int:
        session = await open_session(api, stack.url, stack.headers)
        taken = await session.first_token(ANSWER)
        session.socket.close()
        (await api.delete(f"/sessions/{session.id}")).raise_for_status()
        return taken

    return await in_turn(lambda: bare.first_token(ANSWER), ours, turn)


async def _pair(bare: BareAgent, session: Session, turn: int) -> Pair:
    return await in_turn(
        lambda: bare.first_token(ANSWER), lambda: session.first_token(ANSWER), turn
    )


async def in_turn(
    baseline: Callable[[], Awaitable[int]], subject: Callable[[], Awaitable[int]], turn: int
) -> Pair:
    """Whoever goes first changes from pair to pair."""
    if turn % 2:
        after = await subject()
        return Pair(await baseline(), after)
    return Pair(await baseline(), await subject())


async def open_session(api: httpx.AsyncClient, url: str, headers: Mapping[str, str]) -> Session:
    """A new session of the installation at this address, and its socket."""
    answer = await api.post("/sessions", json={"title": "bench"})
    answer.raise_for_status()
    session_id = str(answer.json()["id"])
    at = httpx.URL(url)
    path = f"/api/v1/sessions/{session_id}/ws?after=0"
    socket = await open_socket(Tally(), at.port or 80, path, dict(headers), at.host)
    async with asyncio.timeout(TURN_S):
        await socket.caught_up
    return Session(session_id, socket)


async def _spare_memory(stack: Stack) -> Figure:
    """PSS of a worker that waits, with its CLI. Only root may look into those."""
    await asyncio.to_thread(wait_warm, stack)
    worker = stack.pids("csp_worker")[0]
    if os.geteuid() != 0:
        return Figure("spare_pss_mb", float("nan"), None, {"not measured": "it takes root"})
    sizes = {str(pid): pss_bytes(pid) / 1e6 for pid in family(worker)}
    return Figure("spare_pss_mb", sum(sizes.values()), None, sizes)


def _model(stack: Stack) -> str:
    process = psutil.Process(stack.pid("csp_controlplane.scripted_model"))
    return f"http://127.0.0.1:{process.environ()['CSP_SCRIPTED_PORT']}"


def _spec() -> AgentSpec:
    return AgentSpec(model=MODEL)


def _figure(name: str, pairs: list[Pair]) -> Figure:
    detail = {
        "bare p50 ms": percentile([pair.baseline for pair in pairs], 0.5) / 1e6,
        "csp p50 ms": percentile([pair.subject for pair in pairs], 0.5) / 1e6,
        "csp p95 ms": percentile([pair.subject for pair in pairs], 0.95) / 1e6,
        "pairs": float(len(pairs)),
    }
    return Figure(name, median_ratio(pairs), BOUND, detail)

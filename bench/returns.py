"""How long it takes to be back: a client without its connection, a session without its worker.

The installation is a whole `csp up`. A client reconnects in mid-answer with what
it has, until it is told that it has everything; a worker is killed with SIGKILL and a message sent
at the same moment, until the first piece of its answer, which comes from a CLI that was started to
resume the conversation.
"""

from __future__ import annotations

import asyncio
import time

import httpx
from psutil import Process

from bench.figures import Figure
from bench.stats import percentile
from csp_controlplane.supervisor.restarts import STEADY_S
from support.casualties import kill, replaced, worker_of
from support.parts_of_stack import GATEWAY, wait_warm
from support.play import new_session, say, script, slow
from support.stack import Stack
from support.viewer import Viewer

RECONNECT_S = 1.0
RESTART_S = 3.0
REBIND_S = 5.0
ANSWER = script(slow(400, 0.02))


async def measure(quick: bool) -> list[Figure]:
    """reconnect_p95_s, reconnect_restart_p95_s, rebind_p95_s."""
    rounds = 4 if quick else 20
    stack = Stack()
    await asyncio.to_thread(stack.start)
    try:
        async with stack.client() as api:
            viewer = Viewer(stack.url, await new_session(api), stack.headers)
            await viewer.connect()
            await viewer.turn(script(say("hello")), 60)
            figures = [
                _figure("reconnect_p95_s", await _reconnects(viewer, rounds * 3), RECONNECT_S),
                _figure(
                    "reconnect_restart_p95_s",
                    await _restarts(stack, viewer, max(3, rounds // 4)),
                    RESTART_S,
                ),
            ]
            await viewer.close()
            figures.append(_figure("rebind_p95_s", await _rebinds(stack, api, rounds), REBIND_S))
            return figures
    finally:
        await asyncio.to_thread(stack.close)


def _figure(name: str, seconds: list[float], bound: float) -> Figure:
    detail = {"p50 s": percentile(seconds, 0.5), "max s": max(seconds), "n": float(len(seconds))}
    return Figure(name, percentile(seconds, 0.95), bound, detail)


async def _reconnects(viewer: Viewer, count: int) -> list[float]:
    """In the middle of an answer, to caught up."""
    message = await viewer.say(ANSWER)
    taken = []
    for _ in range(count):
        await viewer.partial(20)
        begin = time.perf_counter()
        await viewer.connect()
        taken.append(time.perf_counter() - begin)
        if any(message["id"] in e["message_ids"] for e in viewer.of("span.turn_end")):
            message = await viewer.say(ANSWER)
    await viewer.turn_end(message, 60)
    return taken


async def _restarts(stack: Stack, viewer: Viewer, count: int) -> list[float]:
    """From the kill of the only gateway to caught up at the one that takes its place.

    Each is killed when it has been steady, so that none waits as in a loop of crashes.
    """
    taken = []
    for _ in range(count):
        pid = stack.pid(GATEWAY)
        await asyncio.sleep(max(0.0, Process(pid).create_time() + STEADY_S + 1 - time.time()))
        message = await viewer.say(script(slow(200, 0.02)))
        await viewer.partial(20)
        begin = time.perf_counter()
        kill(pid)
        await viewer.connect(deadline=60)
        taken.append(time.perf_counter() - begin)
        await replaced(stack, GATEWAY, pid)
        await viewer.turn_end(message, 60)
    return taken


async def _rebinds(stack: Stack, api: httpx.AsyncClient, count: int) -> list[float]:
    viewer = Viewer(stack.url, await new_session(api), stack.headers)
    await viewer.connect()
    await viewer.turn(script(say("hello")), 60)
    taken = []
    for _ in range(count):
        await asyncio.to_thread(wait_warm, stack)
        worker = await worker_of(stack, viewer.session_id)
        begin = time.perf_counter()
        worker.kill()
        message = await viewer.say(script(slow(5)))
        await viewer.partial(1, 60)
        taken.append(time.perf_counter() - begin)
        await viewer.turn_end(message, 60)
    await viewer.close()
    return taken

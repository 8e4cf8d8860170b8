"""What a long session costs to open, and a large one to fork.

The page opens a session of 100,000 events in Chromium: from the navigation until its last turn is
on screen, by the page's own clock. A fork is timed over HTTP, from the request until the answer
that the branch is there, with as many bytes of transcript as of events.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from statistics import median
from typing import Any

from playwright.async_api import async_playwright, expect

from bench.figures import Figure
from bench.page import OBSERVER
from csp_controlplane.domain.ids import new_id
from support.browser import MISSING, find_browser
from support.long_log import long_session
from support.stack import Stack
from support.visitor import BROWSER_ARGUMENTS, Guests, Visitor
from support.written_log import CLAUDE, event, text

EVENTS = 100_000
OPENS = 9
QUICK_OPENS = 3
HEAP_MB = 1024 * 1024
FORK_BYTES = 10_000_000
"""Of events, and as much again of transcript."""
PIECE_BYTES = 4_000
FORKS = 5


async def measure_open(quick: bool) -> list[Figure]:
    """open_100k_s and open_100k_heap_mb."""
    browser_path = find_browser()
    if browser_path is None:
        raise RuntimeError(MISSING)
    async with _running() as stack, AsyncExitStack() as closing:
        playwright = await closing.enter_async_context(async_playwright())
        browser = await playwright.chromium.launch(
            executable_path=browser_path, args=list(BROWSER_ARGUMENTS)
        )
        closing.push_async_callback(browser.close)
        session = await long_session(stack, EVENTS)
        guests = Guests(browser, stack)
        visitor = await closing.enter_async_context(guests.visitor())
        await visitor.page.add_init_script(OBSERVER)
        await visitor.open(session)  # the page's files are in the browser's cache from here on
        opens = [await _opened(visitor, session) for _ in range(QUICK_OPENS if quick else OPENS)]
        heap = await _heap(visitor)
    detail = {"slowest of them": max(opens), "events": float(EVENTS)}
    return [
        Figure("open_100k_s", median(opens), 0.3, detail),
        Figure("open_100k_heap_mb", heap, 64.0, {"events": float(EVENTS)}),
    ]


async def _opened(visitor: Visitor, session: str) -> float:
    """Seconds until the end of the session was on screen."""
    await visitor.page.goto("about:blank")
    await visitor.open(session)
    await expect(visitor.rows.last).to_have_attribute("data-kind", "turn")
    seen: dict[str, Any] = await visitor.page.evaluate("window.bench")
    return float(seen["shown"]) / 1000


async def _heap(visitor: Visitor) -> float:
    """Megabytes of the page's own objects after a collection."""
    client = await visitor.page.context.new_cdp_session(visitor.page)
    await client.send("HeapProfiler.collectGarbage")
    usage = await client.send("Runtime.getHeapUsage")
    return float(usage["usedSize"]) / HEAP_MB


async def measure_fork(quick: bool) -> list[Figure]:
    """fork_10mb_s."""
    async with _running() as stack, stack.client() as client:
        file = b"".join(_lines())
        answer = await client.post("/sessions/import", content=file, timeout=120)
        answer.raise_for_status()
        session = answer.json()["id"]
        times = []
        for _ in range(2 if quick else FORKS):
            started = time.perf_counter()
            forked = await client.post(f"/sessions/{session}/fork", json={}, timeout=60)
            times.append(time.perf_counter() - started)
            forked.raise_for_status()
            await client.delete(f"/sessions/{forked.json()['id']}")
    detail = {"slowest of them": max(times), "bytes of events": float(FORK_BYTES)}
    return [Figure("fork_10mb_s", median(times), 2.0, detail)]


def _lines() -> Iterator[bytes]:
    """An exported session of FORK_BYTES of events and as many of transcript."""
    count = FORK_BYTES // PIECE_BYTES
    stamp = "2030-01-01T00:00:00Z"
    head = {"type": "csp.session", "version": 1, "id": "sesn_bench", "title": "Large",
            "created_at": stamp, "exported_at": stamp, "claude_session_id": CLAUDE}  # fmt: skip
    yield _line(head)
    said, start = f"sevt_{1:026d}", f"sevt_{2:026d}"
    yield _line(event(1, "user.message", content=text("Go on")))
    yield _line(event(2, "span.turn_start", message_ids=[said], origin="user"))
    for n in range(3, count + 3):
        yield _line(event(n, "agent.message", content=text("x" * (PIECE_BYTES - 120))))
    yield _line(
        event(count + 3, "span.turn_end", outcome="completed", turn_start_id=start,
              message_ids=[said])
    )  # fmt: skip
    for _ in range(count):
        entry = {"type": "assistant", "uuid": new_id("u"), "text": "x" * (PIECE_BYTES - 80)}
        yield _line({"type": "csp.transcript", "subpath": "", "entry": entry})
    yield _line({"type": "csp.end", "events": count + 3, "transcript": count})


def _line(body: dict[str, Any]) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode() + b"\n"


@asynccontextmanager
async def _running() -> AsyncIterator[Stack]:
    stack = Stack()
    await asyncio.to_thread(stack.start)
    try:
        yield stack
    finally:
        await asyncio.to_thread(stack.close)

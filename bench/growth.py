"""What a long session costs to open, and a large one to fork.

A session of 100,000 events is opened in Chromium: in a page that is there, from the click on it in
the list until its end is on screen, by the page's own clock. What it takes with the page's own
start is reported beside it; the suite `page` has a bound for that. A fork is timed over HTTP, from
the request until the answer that the branch is there, with as many bytes of transcript as of
events.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from statistics import median
from typing import Any

from playwright.async_api import async_playwright, expect

from bench.figures import Figure
from bench.page import OBSERVER
from csp_controlplane.domain.ids import new_id
from support.browser import MISSING, find_browser
from support.long_log import turns
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
SEES_ANY_END = OBSERVER.replace("?.dataset.kind === 'turn'", "")
"""An imported session ends with a line that says so."""


async def measure_open(quick: bool) -> list[Figure]:
    """open_100k_s, open_100k_reload_s and open_100k_heap_mb."""
    browser_path = find_browser()
    if browser_path is None:
        raise RuntimeError(MISSING)
    async with _running() as stack, AsyncExitStack() as closing:
        playwright = await closing.enter_async_context(async_playwright())
        browser = await playwright.chromium.launch(
            executable_path=browser_path, args=list(BROWSER_ARGUMENTS)
        )
        closing.push_async_callback(browser.close)
        session = await _imported(stack, _turns(EVENTS))
        guests = Guests(browser, stack)
        visitor = await closing.enter_async_context(guests.visitor())
        await visitor.page.add_init_script(SEES_ANY_END)
        await visitor.open(session)  # the page's files are in the browser's cache from here on
        rounds = QUICK_OPENS if quick else OPENS
        reloads = [await _reloaded(visitor, session) for _ in range(rounds)]
        await visitor.home()
        clicks = [await _clicked(visitor, session) for _ in range(rounds)]
        await visitor.open(session)
        heap = await _heap(visitor)
    return [
        Figure("open_100k_s", median(clicks), 0.3, {"slowest of them": max(clicks)}),
        Figure("open_100k_reload_s", median(reloads), None, {"slowest of them": max(reloads)}),
        Figure("open_100k_heap_mb", heap, 64.0, {"events": float(EVENTS)}),
    ]


async def _reloaded(visitor: Visitor, session: str) -> float:
    """Seconds from the navigation until the end of the session was on screen."""
    await visitor.page.goto("about:blank")
    await visitor.open(session)
    await expect(visitor.rows.last).to_be_in_viewport()
    seen: dict[str, Any] = await visitor.page.evaluate("window.bench")
    return float(seen["shown"]) / 1000


async def _clicked(visitor: Visitor, session: str) -> float:
    """Seconds from the click on the list's entry; the page is at its start again afterwards."""
    entry = visitor.page.locator(f"nav a[href='/sessions/{session}']")
    await expect(entry).to_be_visible()
    await expect(visitor.rows).to_have_count(0)
    await entry.evaluate("e => { bench.shown = 0; bench.began = performance.now(); e.click(); }")
    await expect(visitor.rows.last).to_be_in_viewport()
    seen: dict[str, Any] = await visitor.page.evaluate("window.bench")
    await visitor.page.keyboard.press("Alt+C")
    return float(seen["shown"] - seen["began"]) / 1000


async def _heap(visitor: Visitor) -> float:
    """Megabytes of the page's own objects after a collection."""
    client = await visitor.page.context.new_cdp_session(visitor.page)
    await client.send("HeapProfiler.collectGarbage")
    usage = await client.send("Runtime.getHeapUsage")
    return float(usage["usedSize"]) / HEAP_MB


async def measure_fork(quick: bool) -> list[Figure]:
    """fork_10mb_s."""
    async with _running() as stack, stack.client() as client:
        session = await _imported(stack, _lines())
        times = []
        for _ in range(2 if quick else FORKS):
            started = time.perf_counter()
            forked = await client.post(f"/sessions/{session}/fork", json={}, timeout=60)
            times.append(time.perf_counter() - started)
            forked.raise_for_status()
            await client.delete(f"/sessions/{forked.json()['id']}")
    detail = {"slowest of them": max(times), "bytes of events": float(FORK_BYTES)}
    return [Figure("fork_10mb_s", median(times), 2.0, detail)]


async def _imported(stack: Stack, lines: Iterable[bytes]) -> str:
    """The id of a session that is read from a file: it has no worker that could write on."""
    async with stack.client() as client:
        answer = await client.post("/sessions/import", content=b"".join(lines), timeout=120)
    answer.raise_for_status()
    return str(answer.json()["id"])


def _head(claude_session_id: str | None) -> bytes:
    stamp = "2030-01-01T00:00:00Z"
    return _line(
        {"type": "csp.session", "version": 1, "id": "sesn_bench", "title": "Large",
         "created_at": stamp, "exported_at": stamp, "claude_session_id": claude_session_id}
    )  # fmt: skip


def _turns(count: int) -> Iterator[bytes]:
    """An exported session of so many events of a person's work."""
    yield _head(None)
    for seq, one in zip(range(1, count + 1), turns(), strict=False):
        yield b'{"seq":%d,%b\n' % (seq, one.payload[1:])
    yield _line({"type": "csp.end", "events": count, "transcript": 0})


def _lines() -> Iterator[bytes]:
    """An exported session of FORK_BYTES of events and as many of transcript."""
    count = FORK_BYTES // PIECE_BYTES
    yield _head(CLAUDE)
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

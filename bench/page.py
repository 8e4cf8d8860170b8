"""A long session in Chromium: how soon its end is there, and whether the page keeps its breath.

Times are the page's own: an observer that is there before the page's first script notes when the
last turn of the session was on screen, every task over 50 ms, and how many elements there are.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from statistics import median
from typing import Any

from playwright.async_api import async_playwright, expect

from bench.figures import Figure
from support.browser import MISSING, find_browser
from support.long_log import long_session
from support.play import slow
from support.stack import Stack
from support.visitor import BROWSER_ARGUMENTS, Guests, Visitor
from support.worker_client import script

EVENTS = 5000
OPENS = 9
QUICK_OPENS = 3
STREAM_WORDS = 1000
QUICK_WORDS = 250
WORD_PAUSE_S = 0.02
SETTLE_MS = 60_000

SHOWN = "bench.shown"
OBSERVER = """
window.bench = {shown: 0, longest: 0, nodes: 0};
new PerformanceObserver(list => {
  for (const task of list.getEntries()) bench.longest = Math.max(bench.longest, task.duration);
}).observe({type: 'longtask', buffered: true});
const look = () => {
  bench.nodes = Math.max(bench.nodes, document.getElementsByTagName('*').length);
  if (!bench.shown) {
    const rows = document.querySelectorAll('[role=feed] article');
    const last = rows[rows.length - 1];
    if (last?.dataset.kind === 'turn') {
      const place = last.getBoundingClientRect();
      // The frame that shows it ends after this callback.
      if (place.top < innerHeight && place.bottom > 0) {
        const channel = new MessageChannel();
        channel.port1.onmessage = () => {
          if (bench.shown) return;
          bench.shown = performance.now();
          console.debug('bench.shown');
        };
        channel.port2.postMessage(0);
      }
    }
  }
  requestAnimationFrame(look);
};
requestAnimationFrame(look);
"""


async def measure(quick: bool) -> list[Figure]:
    """page_5000_open_ms, page_5000_longest_task_ms, page_5000_nodes."""
    browser_path = find_browser()
    if browser_path is None:
        raise RuntimeError(MISSING)
    stack = Stack()
    await asyncio.to_thread(stack.start)
    try:
        async with AsyncExitStack() as closing:
            playwright = await closing.enter_async_context(async_playwright())
            browser = await playwright.chromium.launch(
                executable_path=browser_path, args=list(BROWSER_ARGUMENTS)
            )
            closing.push_async_callback(browser.close)
            session = await long_session(stack, EVENTS)
            guests = Guests(browser, stack)
            visitor = await closing.enter_async_context(guests.visitor())
            await visitor.page.add_init_script(OBSERVER)
            return await _measured(visitor, session, quick)
    finally:
        await asyncio.to_thread(stack.close)


async def _measured(visitor: Visitor, session: str, quick: bool) -> list[Figure]:
    await visitor.open(session)  # the page's files are in the browser's cache from here on
    opens = []
    for _ in range(QUICK_OPENS if quick else OPENS):
        await visitor.page.goto("about:blank")
        opens.append(await _opened(visitor, session))
        await visitor.connected()
    words = QUICK_WORDS if quick else STREAM_WORDS
    await visitor.page.evaluate("bench.longest = 0")
    await visitor.say(script(slow(words, WORD_PAUSE_S)))
    await expect(visitor.page.locator("[data-session-state]")).to_have_attribute(
        "data-session-state", "running", timeout=SETTLE_MS
    )
    await visitor.settled()
    seen = await _seen(visitor)
    return [
        Figure("page_5000_open_ms", median(opens), 500.0, {"slowest of them": max(opens)}),
        Figure("page_5000_longest_task_ms", seen["longest"], 100.0, {"words streamed": words}),
        Figure("page_5000_nodes", seen["nodes"], 3000.0),
    ]


async def _opened(visitor: Visitor, session: str) -> float:
    """Milliseconds from the navigation until the end of the session was on screen.

    The page says so itself: to look from outside, again and again until it is there, runs scripts
    in the page, and their time would be counted as the page's.
    """
    async with visitor.page.expect_console_message(lambda said: said.text == SHOWN):
        await visitor.page.goto(f"{visitor.url}/sessions/{session}", wait_until="commit")
    await expect(visitor.rows.last).to_have_attribute("data-kind", "turn")
    return float((await _seen(visitor))["shown"])


async def _seen(visitor: Visitor) -> dict[str, Any]:
    seen: dict[str, Any] = await visitor.page.evaluate("window.bench")
    return seen

"""A long session: its end at once, its beginning on demand, never all of it in the page."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Request, Route, expect

from support.long_log import long_session
from support.stack import Stack
from support.visitor import Visitor
from support.worker_client import say, script

pytestmark = pytest.mark.browser

EVENTS = 5000
MOST_NODES = 3000
STOPPED_AT = 1_900_000_000


async def test_five_thousand_events_are_opened_at_their_end_and_read_to_their_beginning(
    visitor: Visitor, page_stack: Stack
) -> None:
    session = await long_session(page_stack, EVENTS)
    await visitor.open(session)
    last = visitor.rows.last
    await expect(last).to_have_attribute("data-kind", "turn")
    await expect(last).to_be_in_viewport()
    assert await nodes(visitor) < MOST_NODES

    await visitor.turn(script(say("word ", n=300)))
    await expect(last).to_be_in_viewport()
    assert await nodes(visitor) < MOST_NODES

    scroller = visitor.page.locator("#conversation")
    first = visitor.rows.filter(has_text="Question 1").filter(visible=True).first
    for _ in range(200):
        if await visitor.page.get_by_text("Question 1", exact=True).count():
            break
        await scroller.evaluate("e => e.scrollBy(0, -12000)")
        await visitor.page.locator("[role=feed] article").first.wait_for()
        assert await nodes(visitor) < MOST_NODES
    await expect(first).to_be_visible()
    await visitor.button("Go to the latest").click()
    await expect(last).to_be_in_viewport()


async def test_an_opened_session_is_shown_as_soon_as_it_is_loaded(
    visitor: Visitor, page_stack: Stack
) -> None:
    """No timer of the page runs, so nothing that is there can be held back by one."""
    session = await long_session(page_stack, 100)
    await visitor.page.clock.install(time=STOPPED_AT - 1)
    await visitor.page.clock.pause_at(STOPPED_AT)
    await visitor.page.goto(f"{page_stack.url}/sessions/{session}")
    await expect(visitor.rows.filter(has_text="Step 10").last).to_be_in_viewport()


async def test_what_an_address_needs_is_asked_for_before_the_code_is_there_and_once(
    visitor: Visitor, page_stack: Stack
) -> None:
    session = await long_session(page_stack, 100)
    asked: list[str] = []
    own = f"/api/v1/sessions/{session}"
    needed = {own, f"{own}/events?limit=200&order=desc", "/api/v1/me"}
    on_their_way = asyncio.Event()

    def note(request: Request) -> None:
        asked.append(request.url.removeprefix(page_stack.url))
        if needed <= set(asked):
            on_their_way.set()

    async def hold(route: Route) -> None:
        async with asyncio.timeout(20):
            await on_their_way.wait()
        await route.continue_()

    visitor.page.on("request", note)
    await visitor.page.route("**/assets/index-*.js", hold)
    await visitor.open(session)
    await expect(visitor.rows.last).to_be_in_viewport()
    assert {path: asked.count(path) for path in needed} == dict.fromkeys(needed, 1)


async def test_loading_earlier_parts_does_not_move_what_is_read(
    visitor: Visitor, page_stack: Stack
) -> None:
    session = await long_session(page_stack, 900)
    await visitor.open(session)
    scroller = visitor.page.locator("#conversation")
    async with visitor.page.expect_response("**/events?*before=*"):
        await scroller.evaluate("e => e.scrollTo(0, 600)")
    anchor = visitor.page.locator("[role=feed] article[data-kind=user]").first
    before = await anchor.bounding_box()
    await expect(visitor.page.get_by_text("Loading earlier messages")).to_have_count(0)
    after = await anchor.bounding_box()
    assert before is not None
    assert after is not None
    assert abs(before["y"] - after["y"]) < 40


async def nodes(visitor: Visitor) -> int:
    return int(await visitor.page.evaluate("document.getElementsByTagName('*').length"))

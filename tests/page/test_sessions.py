"""The list of sessions, and one session in several tabs."""

from __future__ import annotations

import pytest
from playwright.async_api import Locator, Route, expect

from support.access import no_violations
from support.visitor import ANSWER_MS, Guests, Visitor
from support.worker_client import say, script

pytestmark = pytest.mark.browser


def entry(visitor: Visitor, session_id: str) -> Locator:
    link = visitor.page.locator(f"a[href='/sessions/{session_id}']")
    return visitor.page.get_by_role("listitem").filter(has=link)


async def choose(visitor: Visitor, session_id: str, action: str) -> None:
    found = entry(visitor, session_id)
    await found.hover()
    await found.get_by_role("button", name="Actions for").click()
    await visitor.page.get_by_role("menuitem", name=action).click()


async def test_a_session_gets_a_title_by_itself_and_another_by_its_owner(visitor: Visitor) -> None:
    session = await visitor.start("hello lighthouse keeper")
    await expect(entry(visitor, session)).to_contain_text("lighthouse keeper", timeout=ANSWER_MS)
    await choose(visitor, session, "Rename")
    await visitor.page.get_by_role("textbox", name="New title").fill("Night watch")
    await visitor.page.keyboard.press("Enter")
    await expect(entry(visitor, session)).to_contain_text("Night watch")
    heading = visitor.page.get_by_role("heading", level=1)
    await expect(heading).to_have_text("Night watch")
    await heading.get_by_role("button").click()
    await visitor.page.get_by_role("textbox", name="New title").fill("Day watch")
    await visitor.page.keyboard.press("Enter")
    await expect(entry(visitor, session)).to_contain_text("Day watch")
    await expect(visitor.page).to_have_title("Day watch – Session Plane")


async def test_sessions_are_found_by_their_title(visitor: Visitor) -> None:
    session = await visitor.start("hello zebra")
    await expect(entry(visitor, session)).to_be_visible()
    field = visitor.page.get_by_role("searchbox", name="Search sessions")
    await field.fill("zebra")
    await expect(visitor.page.locator("nav li")).to_have_count(1)
    await field.fill("no such title")
    await expect(visitor.page.get_by_text("No session matches")).to_be_visible()
    await field.fill("")
    await expect(entry(visitor, session)).to_be_visible()


async def test_an_archived_session_leaves_the_list_and_comes_back(visitor: Visitor) -> None:
    session = await visitor.start(script(say("hi")))
    await visitor.settled()
    await choose(visitor, session, "Archive")
    await expect(entry(visitor, session)).to_have_count(0)
    await visitor.page.get_by_role("checkbox", name="Show archived").check()
    await expect(entry(visitor, session)).to_be_visible()
    await choose(visitor, session, "Bring back")
    await visitor.page.get_by_role("checkbox", name="Show archived").uncheck()
    await expect(entry(visitor, session)).to_be_visible()


async def test_deleting_asks_and_other_tabs_say_that_it_is_gone(
    guests: Guests, visitor: Visitor
) -> None:
    session = await visitor.start(script(say("hi")))
    await visitor.settled()
    async with guests.visitor() as other:
        await other.open(session)
        await choose(visitor, session, "Delete")
        dialog = visitor.page.get_by_role("dialog")
        await dialog.get_by_role("button", name="Keep it").click()
        await choose(visitor, session, "Delete")
        await dialog.get_by_role("button", name="Delete", exact=True).click()
        await expect(visitor.page.get_by_role("heading", level=1)).to_have_text(
            "What shall we work on?"
        )
        await expect(entry(visitor, session)).to_have_count(0)
        gone = other.page.get_by_role("heading", name="This session was deleted")
        await expect(gone).to_be_visible(timeout=ANSWER_MS)


async def test_an_unknown_session_says_so_and_leads_on(visitor: Visitor) -> None:
    await visitor.page.goto(f"{visitor.url}/sessions/sesn_01K7Z00000000000000000000")
    await expect(visitor.page.get_by_role("heading", level=1)).to_contain_text("does not exist")
    await visitor.button("Start a new session").click()
    await expect(visitor.composer).to_be_visible()


async def test_tabs_on_one_session_are_in_step(guests: Guests, visitor: Visitor) -> None:
    session = await visitor.start(script(say("first")))
    await visitor.settled()
    async with guests.visitor() as other:
        await other.open(session)
        await expect(other.kind("answer")).to_contain_text("first")
        await other.say(script(say("word ", n=600, chunk_delay=0.05)))
        await expect(visitor.kind("answer").last).to_contain_text("word word", timeout=ANSWER_MS)
        await visitor.button("Stop").click()
        await other.settled()
        await visitor.settled()
        await expect(other.rows).to_have_count(await visitor.rows.count())


async def test_a_reload_loses_nothing(visitor: Visitor) -> None:
    await visitor.start(script(say("kept")))
    await visitor.settled()
    before = await visitor.rows.all_inner_texts()
    await visitor.page.reload()
    await visitor.connected()
    await visitor.settled()
    assert await visitor.rows.all_inner_texts() == before


async def test_the_session_that_was_used_last_is_the_first_of_the_list(visitor: Visitor) -> None:
    old = await visitor.start(script(say("one")))
    await visitor.settled()
    new = await visitor.start(script(say("two")))
    await visitor.settled()
    links = visitor.page.locator("nav li a")
    await visitor.page.reload()
    await expect(links.first).to_have_attribute("href", f"/sessions/{new}")
    await links.and_(visitor.page.locator(f"[href$='{old}']")).click()
    await visitor.connected()
    await visitor.turn(script(say("three")))
    await expect(links.first).to_have_attribute("href", f"/sessions/{old}")
    await visitor.page.reload()
    await expect(links.first).to_have_attribute("href", f"/sessions/{old}")


async def test_more_sessions_that_cannot_be_had_are_offered_again(visitor: Visitor) -> None:
    async def answer(route: Route) -> None:
        if "page=" in route.request.url:
            await route.abort()
            return
        found = await route.fetch()
        await route.fulfill(json={**await found.json(), "next_page": "more"})

    await visitor.start(script(say("one")))
    await visitor.settled()
    await visitor.page.route("**/api/v1/sessions?*", answer)
    await visitor.page.reload()
    await visitor.button("Show more").click()
    alert = visitor.page.get_by_role("navigation").get_by_role("alert")
    await expect(alert).to_contain_text("could not be loaded")
    await no_violations(visitor)
    await visitor.page.unroute("**/api/v1/sessions?*")
    await visitor.page.route(
        "**/api/v1/sessions?*page=*", lambda route: route.fulfill(json={"data": []})
    )
    await visitor.button("Try again").click()
    await expect(alert).to_have_count(0)
    await expect(visitor.button("Show more")).to_have_count(0)


async def test_examples_start_a_session(visitor: Visitor) -> None:
    await visitor.home()
    await visitor.page.get_by_role("button", name="Ask me back").click()
    await visitor.asked()
    await expect(visitor.page.locator("[data-question]")).to_be_visible()

"""Branches, replay, links and files are open to everyone, too: axe and targets in each dress."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.async_api import expect

from support.access import no_violations, small_targets
from support.stack import Stack
from support.visitor import Guests, Visitor
from support.worker_client import say, script, tool
from support.written_log import conversation, file_of, imported

pytestmark = pytest.mark.browser

PICTURES = os.environ.get("CSP_TEST_PICTURES")
"""A directory: what is looked at is kept there as pictures, for people."""


async def looked_at(visitor: Visitor, name: str) -> None:
    """Nothing of what is shown is in anybody's way."""
    if PICTURES:
        size = visitor.page.viewport_size or {"width": 0}
        dark = await visitor.page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
        dress = "phone" if size["width"] < 500 else "dark" if dark else "light"
        await visitor.page.screenshot(path=Path(PICTURES) / f"{name}-{dress}.png")
    await no_violations(visitor)
    assert await small_targets(visitor) == []
    overflow = await visitor.page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert overflow == 0


async def test_branches_are_open_to_everyone(guest: Visitor) -> None:
    await guest.home()
    await looked_at(guest, "home")
    session = await guest.start(
        "Which port is nicest? " + script(tool("Glob", pattern="*"), say("**Lisbon**, I think."))
    )
    await guest.settled()
    await guest.turn("And in winter? " + script(say("Then rather Cádiz.")))
    await expect(guest.kind("answer").last).to_contain_text("Cádiz")
    asked = guest.kind("user").filter(has_text="And in winter?")
    menu = asked.get_by_role("button", name="What to do with this message")
    await menu.click()
    await expect(guest.page.get_by_role("menu")).to_be_visible()
    await looked_at(guest, "message-menu")
    await guest.page.get_by_role("menuitem", name="Edit and send again").click()
    field = guest.page.get_by_role("textbox", name="The message, changed")
    await expect(field).to_be_focused()
    await looked_at(guest, "edit-again")
    await field.fill("And in spring? " + script(say("In spring, Porto.")))
    await guest.button("Send in a branch").click()
    await guest.page.wait_for_url(lambda url: session not in url)
    await expect(guest.kind("answer").last).to_contain_text("Porto")
    await guest.settled()
    await looked_at(guest, "branch")
    await guest.button("Menu").click()
    await expect(guest.page.get_by_role("menu")).to_be_visible()
    await looked_at(guest, "session-menu")
    await guest.page.get_by_role("menuitem", name="Branches").click()
    panel = guest.page.get_by_role("complementary", name="Branches")
    await expect(panel.locator("[data-branch]")).to_have_count(2)
    await looked_at(guest, "branches")
    await panel.get_by_role("link", name="Compare with").click()
    await expect(guest.page.locator("[data-compared] [data-kind=answer]")).to_have_count(2)
    await looked_at(guest, "compare")


async def test_replay_and_links_are_open_to_everyone(
    guest: Visitor, guests: Guests, page_stack: Stack
) -> None:
    async with page_stack.client() as client:
        session = await imported(client, file_of(conversation(answer="High at **noon**.")))
    await guest.open(session)
    await looked_at(guest, "imported")
    await guest.page.goto(f"{guest.url}/sessions/{session}/replay")
    slider = guest.page.get_by_role("slider", name="Place in the session")
    await expect(slider).to_have_value("0")
    await looked_at(guest, "replay-begin")
    await slider.focus()
    await guest.page.keyboard.press("End")
    await expect(guest.kind("answer")).to_contain_text("noon")
    await looked_at(guest, "replay-end")
    await guest.open(session)
    await guest.button("Menu").click()
    await guest.page.get_by_role("menuitem", name="Share").click()
    dialog = guest.page.get_by_role("dialog")
    await dialog.get_by_role("button", name="Make a link").click()
    link = await dialog.get_by_role("textbox", name="Link").input_value()
    await looked_at(guest, "share")
    await guest.page.goto("about:blank")
    await guest.page.goto(link)
    await expect(guest.kind("answer")).to_contain_text("noon")
    await looked_at(guest, "shared")
    await guest.page.goto("about:blank")
    await guest.page.goto(link[:-2])
    await expect(guest.page.get_by_role("heading", level=1)).to_contain_text("shows nothing")
    await looked_at(guest, "shared-nothing")

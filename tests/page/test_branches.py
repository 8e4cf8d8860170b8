"""Branches as people make them: edited messages, second answers, the tree, two side by side."""

from __future__ import annotations

import pytest
from playwright.async_api import Locator, expect

from support.visitor import ANSWER_MS, Visitor
from support.worker_client import say, script, tool

pytestmark = pytest.mark.browser


async def act_on_message(visitor: Visitor, text: str, action: str) -> None:
    """Chooses from the menu of the message with this text."""
    row = visitor.kind("user").filter(has_text=text)
    await row.get_by_role("button", name="What to do with this message").click()
    await visitor.page.get_by_role("menuitem", name=action).click()


async def new_address(visitor: Visitor, before: str) -> str:
    await visitor.page.wait_for_url(lambda url: before not in url, timeout=20_000)
    return visitor.session_id


def panel(visitor: Visitor) -> Locator:
    return visitor.page.get_by_role("complementary", name="Branches")


async def test_an_edited_message_goes_on_in_a_branch_and_what_was_stays(visitor: Visitor) -> None:
    session = await visitor.start("APPLES " + script(say("about apples")))
    await visitor.settled()
    await visitor.turn("PEARS " + script(say("about pears")))
    await act_on_message(visitor, "PEARS", "Edit and send again")
    field = visitor.page.get_by_role("textbox", name="The message, changed")
    await expect(field).to_be_focused()
    await field.fill("PLUMS " + script(say("about plums")))
    await visitor.button("Send in a branch").click()
    branch = await new_address(visitor, session)
    await expect(visitor.kind("answer").last).to_contain_text("about plums", timeout=ANSWER_MS)
    await visitor.settled()
    words = await visitor.page.locator("#conversation").inner_text()
    assert "about apples" in words
    assert "about pears" not in words
    assert "This is a branch of" in words

    await visitor.open(session)
    await expect(visitor.kind("answer").last).to_contain_text("about pears")
    assert branch != session


async def test_an_answer_can_be_had_again_in_a_branch(visitor: Visitor) -> None:
    session = await visitor.start("TWICE " + script(say("an answer")))
    await visitor.settled()
    await visitor.button("Answer again in a branch").click()
    await new_address(visitor, session)
    await expect(visitor.kind("answer")).to_have_count(1, timeout=ANSWER_MS)
    await visitor.settled()
    await expect(visitor.kind("user")).to_have_count(1)


async def test_the_tree_leads_from_branch_to_branch_and_shows_two_side_by_side(
    visitor: Visitor,
) -> None:
    session = await visitor.start("FIRST " + script(say("common ground")))
    await visitor.settled()
    await visitor.turn("LEFT " + script(say("to the left")))
    await act_on_message(visitor, "LEFT", "Branch off before this")
    branch = await new_address(visitor, session)
    await visitor.turn("RIGHT " + script(say("to the right")))

    await visitor.button("Branches").click()
    entries = panel(visitor).locator("[data-branch]")
    await expect(entries).to_have_count(2)
    await expect(entries.nth(1)).to_contain_text("You are here")
    assert await entries.nth(1).get_attribute("data-level") == "1"
    await entries.nth(0).get_by_role("link").first.click()
    await visitor.page.wait_for_url(f"**/sessions/{session}")
    await expect(visitor.kind("answer").last).to_contain_text("to the left")

    await panel(visitor).get_by_role("link", name="Compare with").click()
    one = visitor.page.locator(f"[data-compared='{session}']")
    two = visitor.page.locator(f"[data-compared='{branch}']")
    await expect(one.locator("[data-kind=answer]")).to_contain_text("to the left")
    await expect(two.locator("[data-kind=answer]")).to_contain_text("to the right")
    for column in (one, two):
        await expect(column.locator("[data-kind=answer]")).to_have_count(1)
    await expect(visitor.page.get_by_text("events are the same in both")).to_be_visible()
    await visitor.button("Back to the session").click()
    await expect(visitor.kind("answer").last).to_contain_text("to the left")


async def test_escape_leaves_the_message_as_it_was(visitor: Visitor) -> None:
    await visitor.start("KEEP " + script(say("kept")))
    await visitor.settled()
    await act_on_message(visitor, "KEEP", "Edit and send again")
    await visitor.page.keyboard.type("something else")
    await visitor.page.keyboard.press("Escape")
    await expect(visitor.kind("user")).to_contain_text("KEEP")
    await expect(visitor.button("Send in a branch")).to_have_count(0)


async def test_files_are_taken_back_after_a_question(visitor: Visitor) -> None:
    write = tool("Write", file_path="a.txt", content="one\n")
    await visitor.start("PLAIN " + script(say("nothing yet")))
    await visitor.settled()
    await visitor.say("WRITE " + script(write, say("written")))
    await visitor.allow()
    await visitor.settled()
    await visitor.button("Files").click()
    shown = visitor.page.get_by_role("complementary", name="Files")
    await expect(shown).to_contain_text("a.txt", timeout=ANSWER_MS)

    await act_on_message(visitor, "WRITE", "Take the files back to here")
    dialog = visitor.page.get_by_role("dialog", name="Take the files back?")
    await dialog.get_by_role("button", name="Back", exact=True).click()
    await expect(shown).to_contain_text("a.txt")
    await act_on_message(visitor, "WRITE", "Take the files back to here")
    await dialog.get_by_role("button", name="Take the files back", exact=True).click()
    # It waits on the worker, as an answer does.
    await expect(visitor.kind("notice")).to_contain_text(
        "The files were taken back", timeout=ANSWER_MS
    )
    await visitor.state("active")
    await visitor.button("Refresh").click()
    await expect(shown).not_to_contain_text("a.txt", timeout=ANSWER_MS)
    await expect(visitor.kind("answer").last).to_contain_text("written")

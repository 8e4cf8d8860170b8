"""Answering a step that waits: by mouse, by keyboard, in every way that there is."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from support.visitor import ANSWER_MS, Guests, Visitor
from support.worker_client import say, script, tool

pytestmark = pytest.mark.browser

TOUCH = tool("Bash", command="touch made; ls", description="Make a file")


async def test_a_denial_with_words_reaches_the_agent(visitor: Visitor) -> None:
    await visitor.start(script(TOUCH, say("As you wish.")))
    card = await visitor.asked()
    await card.get_by_role("button", name="Deny").click()
    await visitor.page.get_by_role("textbox", name="Tell the agent").fill("Use another folder")
    await card.get_by_role("button", name="Deny").click()
    await visitor.settled()
    denied = await visitor.expand("Bash")
    await expect(denied).to_have_attribute("data-state", "denied")
    await expect(denied).to_contain_text("Use another folder")


async def test_allowed_for_the_session_it_does_not_ask_again(visitor: Visitor) -> None:
    await visitor.start(script(TOUCH, TOUCH, say("Twice.")))
    card = await visitor.asked()
    await card.get_by_role("button", name="Allow for this session").click()
    await visitor.settled()
    await expect(visitor.tool("Bash")).to_have_count(2)


async def test_edited_input_is_what_runs(visitor: Visitor) -> None:
    await visitor.start(script(tool("Bash", command="echo one > out; cat out"), say("Ran.")))
    card = await visitor.asked()
    await card.get_by_role("button", name="Edit input").click()
    await card.get_by_role("textbox", name="command").fill("echo two > out; cat out")
    await card.get_by_role("button", name="Allow with changes").click()
    await visitor.settled()
    ran = await visitor.expand("Bash")
    await expect(ran).to_contain_text("You changed the input")
    await expect(ran.locator("pre")).to_contain_text("two")


async def test_input_that_is_no_json_is_refused_at_once(visitor: Visitor) -> None:
    await visitor.start(script(tool("Bash", command="touch y", timeout=1000), say("Ran.")))
    card = await visitor.asked()
    await card.get_by_role("button", name="Edit input").click()
    await card.get_by_role("textbox", name="timeout").fill("{")
    await card.get_by_role("button", name="Allow with changes").click()
    await expect(card.get_by_role("alert")).to_contain_text("not valid JSON")
    await visitor.button("Stop").click()
    await visitor.settled()


@pytest.mark.parametrize(("key", "count"), [("y", 1), ("Alt+y", 1)])
async def test_a_key_allows_what_is_in_sight(visitor: Visitor, key: str, count: int) -> None:
    await visitor.start(script(TOUCH, say("Ran.")))
    await visitor.asked()
    if key == "y":
        await visitor.page.locator("#conversation").focus()
    await visitor.page.keyboard.press(key)
    await visitor.settled()
    await expect(visitor.tool("Bash")).to_have_count(count)


async def test_letters_in_the_message_field_are_text(visitor: Visitor) -> None:
    await visitor.start(script(TOUCH, say("Ran.")))
    await visitor.asked()
    await visitor.composer.press_sequentially("yes sir")
    await expect(visitor.composer).to_have_value("yes sir")
    await expect(visitor.approval).to_be_visible()
    await visitor.page.keyboard.press("Alt+n")
    await expect(visitor.page.get_by_role("textbox", name="Tell the agent")).to_be_focused()
    await visitor.page.keyboard.press("Escape")
    await visitor.page.keyboard.press("Control+Shift+X")
    await visitor.settled()


async def test_the_agent_is_stopped_by_key_while_the_usage_lies_over_the_page(
    visitor: Visitor,
) -> None:
    await visitor.start(script(TOUCH, say("Ran.")))
    await visitor.asked()
    await visitor.page.get_by_role("button", name="Cost $").click()
    await expect(visitor.page.get_by_role("dialog", name="Usage")).to_be_visible()
    await visitor.page.keyboard.press("Control+Shift+X")
    await expect(visitor.page.locator("[data-turn=interrupted]")).to_be_visible(timeout=ANSWER_MS)


async def test_single_keys_can_be_switched_off(visitor: Visitor) -> None:
    await visitor.start(script(TOUCH, say("Ran.")))
    await visitor.asked()
    await visitor.page.locator("#conversation").focus()
    await visitor.page.keyboard.press("?")
    await visitor.page.get_by_role("checkbox", name="Single-key shortcuts").uncheck()
    await visitor.page.keyboard.press("Escape")
    await visitor.page.locator("#conversation").focus()
    await visitor.page.keyboard.press("y")
    await visitor.page.keyboard.press("Alt+y")
    await visitor.settled()


async def test_a_question_is_answered_with_its_choices(visitor: Visitor) -> None:
    await visitor.start("ask me a question with choices")
    card = await visitor.asked()
    await expect(card.get_by_role("button", name="Answer")).to_be_disabled()
    await card.get_by_role("radio", name="Green").check()
    await card.get_by_role("button", name="Answer").click()
    await visitor.settled()
    await expect(visitor.kind("answer").last).to_contain_text("Green")
    answered = await visitor.expand("AskUserQuestion")
    await expect(answered).to_contain_text("Green")


async def test_a_question_can_be_answered_in_own_words_or_with_several(visitor: Visitor) -> None:
    options = [{"label": "Salt", "description": ""}, {"label": "Wind", "description": "strong"}]
    question = {"question": "What?", "header": "W", "multiSelect": True, "options": options}
    await visitor.start(script(tool("AskUserQuestion", questions=[question]), say("Thanks.")))
    card = await visitor.asked()
    await card.get_by_role("checkbox", name="Salt").check()
    await card.get_by_role("checkbox", name="Something else").check()
    await card.get_by_role("textbox", name="Your own answer").fill("Rain")
    await card.get_by_role("button", name="Answer").click()
    await visitor.settled()
    answered = await visitor.expand("AskUserQuestion")
    await expect(answered).to_contain_text("Salt, Rain")


async def test_an_answer_given_in_one_tab_shows_in_the_other(
    guests: Guests, visitor: Visitor
) -> None:
    session = await visitor.start(script(TOUCH, say("Ran.")))
    await visitor.asked()
    async with guests.visitor() as other:
        await other.open(session)
        await other.asked()
        await visitor.allow()
        await expect(other.approval).to_have_count(0, timeout=ANSWER_MS)
        await other.settled()
        await expect(other.tool("Bash")).to_have_attribute("data-state", "done")


async def test_a_step_out_of_sight_is_announced_and_shown_before_a_key_answers(
    visitor: Visitor,
) -> None:
    await visitor.start(script(say("word ", n=3000), TOUCH, say("Ran.")))
    await visitor.settled()
    await visitor.say(script(TOUCH, say("Ran.")))
    await visitor.asked()
    await visitor.page.locator("#conversation").evaluate("e => e.scrollTo(0, 0)")
    strip = visitor.page.get_by_text("1 step waits for you")
    await expect(strip).to_be_visible()
    await visitor.page.keyboard.press("Alt+y")
    await expect(visitor.approval).to_be_in_viewport()
    await expect(strip).to_have_count(0)
    await visitor.page.keyboard.press("Alt+y")
    await visitor.settled()

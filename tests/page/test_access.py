"""Open to everyone: axe, keyboard, targets, zoom, motion, what is said to those who listen."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from support.access import no_violations, small_targets
from support.play import new_session
from support.stack import Stack
from support.visitor import ANSWER_MS, Guests, Visitor
from support.worker_client import say, script, tool

pytestmark = pytest.mark.browser

PHONE = {"width": 390, "height": 844}

RICH = """# Heading

Text with `code`, a [link](https://example.org/) and a list:

1. one
2. two

| a | b |
|---|---|
| 1 | 2 |

```python
x = 1
```

> quoted
"""


async def test_axe_finds_nothing_in_a_session_with_everything(guest: Visitor) -> None:
    await guest.home()
    await no_violations(guest)
    todos = [{"content": "Look", "status": "in_progress", "activeForm": "Looking"}]
    await guest.start(
        script(
            {"t": "think", "thinking": "Hm.", "text": "First the plan."}
            | {"tools": [{"name": "TodoWrite", "input": {"todos": todos}}]},
            tool("Bash", command="touch seen; ls", description="List"),
            tool("Write", file_path="a.txt", content="one\n"),
            say(RICH),
        )
    )
    await guest.asked()
    await no_violations(guest)
    await guest.page.keyboard.press("Alt+e")
    await expect(guest.page.get_by_role("textbox", name="command")).to_be_focused()
    await no_violations(guest)
    await guest.page.keyboard.press("Escape")
    await guest.page.keyboard.press("Alt+n")
    await no_violations(guest)
    await guest.page.keyboard.press("Escape")
    await guest.allow()
    await guest.allow()
    await guest.settled()
    await guest.expand("Bash")
    await guest.expand("Write")
    await guest.page.locator("[data-plan]").get_by_role("button").click()
    await no_violations(guest)
    await guest.button("Files").click()
    await expect(guest.page.get_by_role("complementary").get_by_text("a.txt")).to_be_visible()
    await no_violations(guest)


async def test_axe_finds_nothing_in_questions_menus_and_dialogs(guest: Visitor) -> None:
    await guest.start("ask me a question with choices")
    await guest.asked()
    await no_violations(guest)
    await guest.page.locator("#conversation").focus()
    await guest.page.keyboard.press("?")
    await expect(guest.page.get_by_role("dialog")).to_be_visible()
    await no_violations(guest)
    await guest.page.keyboard.press("Escape")
    await guest.button("Menu").click()
    await expect(guest.page.get_by_role("menu")).to_be_visible()
    await no_violations(guest)
    await guest.page.keyboard.press("Escape")
    await guest.page.get_by_role("button", name="Cost").click()
    await no_violations(guest)
    await guest.page.keyboard.press("Escape")
    await guest.button("Stop").click()
    await guest.settled()
    await no_violations(guest)


async def test_axe_finds_nothing_in_a_queue_a_stop_and_without_a_connection(guest: Visitor) -> None:
    await guest.start(script(say("word ", n=600, chunk_delay=0.05)))
    await expect(guest.kind("answer")).to_contain_text("word", timeout=ANSWER_MS)
    await guest.say("hello one")
    queue = guest.page.locator("[data-queue]")
    await expect(queue).to_contain_text("hello one")
    await no_violations(guest)
    await queue.get_by_role("button", name="Edit queued message").click()
    await no_violations(guest)
    await queue.get_by_role("button", name="Back").click()
    await queue.get_by_role("button", name="Take back").click()
    await expect(queue).to_have_count(0)
    await guest.button("Stop").click()
    await expect(guest.page.locator("[data-turn=interrupted]")).to_be_visible(timeout=ANSWER_MS)
    await guest.settled()
    await no_violations(guest)
    await guest.page.context.set_offline(True)
    await expect(guest.page.locator("[data-trouble=offline]")).to_be_visible()
    await guest.say("hello two")
    await expect(guest.page.locator("[data-unsent]")).to_have_count(1)
    await no_violations(guest)
    await guest.page.context.set_offline(False)
    await guest.connected()
    await guest.settled()


async def test_axe_finds_nothing_in_a_structured_result(guest: Visitor, page_stack: Stack) -> None:
    schema = {"type": "object", "properties": {"boats": {"type": "array"}}}
    async with page_stack.client() as client:
        session = await new_session(client, options={"output_schema": schema})
    await guest.open(session)
    boats = [{"name": "Ida", "length": 7.5}, {"name": "Ada", "length": 12}]
    await guest.turn(script(tool("StructuredOutput", boats=boats, total=2)))
    result = guest.page.locator("[data-result]")
    await expect(result.get_by_role("row")).to_have_count(3)
    await no_violations(guest)
    await result.get_by_role("button", name="Tree").click()
    await no_violations(guest)


async def test_axe_finds_nothing_before_sign_in_and_where_nothing_is(guests: Guests) -> None:
    async with guests.visitor(signed_in=False) as stranger:
        await stranger.page.goto(stranger.url)
        await expect(stranger.page.get_by_role("heading", name="Sign in")).to_be_visible()
        await no_violations(stranger)
    async with guests.visitor() as lost:
        await lost.page.goto(f"{lost.url}/sessions/sesn_01K7Z00000000000000000000")
        await expect(lost.page.get_by_role("heading", name="does not exist")).to_be_visible()
        await no_violations(lost)


async def test_every_control_is_large_enough_to_be_hit(guest: Visitor) -> None:
    await guest.start(script(tool("Bash", command="touch seen"), say(RICH)))
    await guest.asked()
    assert await small_targets(guest) == []
    await guest.allow()
    await guest.settled()
    await guest.expand("Bash")
    await guest.button("Files").click()
    assert await small_targets(guest) == []


@pytest.mark.parametrize("width", [640, 320])
async def test_at_200_and_400_per_cent_nothing_is_cut_off(guests: Guests, width: int) -> None:
    zoomed = {"width": width, "height": width * 3 // 4}
    async with guests.visitor(viewport=zoomed) as visitor:
        await visitor.start(script(tool("Bash", command="touch " + "x" * 80), say(RICH)))
        await visitor.asked()
        await visitor.allow()
        await visitor.settled()
        overflow = await visitor.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert overflow == 0
        await visitor.composer.scroll_into_view_if_needed()
        await expect(visitor.composer).to_be_in_viewport(ratio=1)
        await expect(visitor.rows.last).to_be_in_viewport()
        await visitor.button("Files").scroll_into_view_if_needed()
        await expect(visitor.button("Files")).to_be_in_viewport(ratio=1)


async def test_on_a_phone_long_lines_of_a_helper_stay_within_the_page(guests: Guests) -> None:
    async with guests.visitor(viewport=PHONE, has_touch=True, is_mobile=True) as visitor:
        await visitor.start("send a helper to look around")
        await visitor.allow()
        await visitor.settled()
        helper = await visitor.expand("Agent")
        await expect(helper.locator("pre").first).to_be_visible()
        wider = await visitor.page.evaluate(
            """[...document.querySelectorAll("main p, main pre, main section")]
                .filter((e) => e.checkVisibility() && e.getBoundingClientRect().right > innerWidth)
                .map((e) => e.textContent.slice(0, 80))"""
        )
        assert wider == []


async def test_the_whole_way_is_possible_by_keyboard(visitor: Visitor) -> None:
    page = visitor.page
    await visitor.home()
    await expect(visitor.composer).to_be_focused()
    await page.keyboard.type(script(tool("Bash", command="touch seen"), say("Done.")))
    await page.keyboard.press("Enter")
    await visitor.asked()
    allow = visitor.approval.get_by_role("button", name="Allow", exact=True)
    for _ in range(40):
        if await allow.evaluate("e => e === document.activeElement"):
            break
        await page.keyboard.press("Shift+Tab")
    await expect(allow).to_be_focused()
    outline = await allow.evaluate("e => getComputedStyle(e).outlineStyle")
    assert outline == "solid"
    await page.keyboard.press("Enter")
    await expect(page.locator("#conversation")).to_be_focused()
    await visitor.settled()
    await page.keyboard.press("Alt+F")
    await expect(page.get_by_role("complementary")).to_be_visible()
    await page.keyboard.press("Alt+F")
    await page.keyboard.press("Alt+K")
    await expect(page.get_by_role("searchbox")).to_be_focused()
    await page.keyboard.press("Alt+B")
    await expect(page.get_by_role("navigation")).to_be_hidden()
    await page.keyboard.press("Alt+B")
    await page.keyboard.press("Alt+Z")
    await expect(page.get_by_role("navigation")).to_be_hidden()
    await page.keyboard.press("Alt+Z")
    await page.keyboard.press("Alt+C")
    await expect(page.get_by_role("heading", name="What shall we work on?")).to_be_visible()


async def test_the_focus_returns_to_where_it_was_when_a_dialog_closes(visitor: Visitor) -> None:
    page = visitor.page
    session = await visitor.start(script(say("one")))
    await visitor.settled()
    conversation = page.locator("#conversation")
    await conversation.focus()
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(conversation).to_be_focused()
    menu = visitor.button("Menu")
    await menu.focus()
    await page.keyboard.press("Enter")
    await page.get_by_role("menuitem", name="Share").press("Enter")
    await expect(page.get_by_role("dialog")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(menu).to_be_focused()
    entry = page.get_by_role("listitem").filter(has=page.locator(f"a[href='/sessions/{session}']"))
    actions = entry.get_by_role("button")
    await actions.focus()
    await page.keyboard.press("Enter")
    await page.get_by_role("menuitem", name="Delete").press("Enter")
    await page.get_by_role("dialog").get_by_role("button", name="Keep").press("Enter")
    await expect(actions).to_be_focused()


async def test_the_skip_link_leads_past_the_list(visitor: Visitor) -> None:
    await visitor.home()
    link = visitor.page.get_by_role("link", name="Skip to the conversation")
    await link.focus()
    await expect(link).to_be_in_viewport()
    await visitor.page.keyboard.press("Enter")
    await expect(visitor.page.get_by_role("main")).to_be_focused()
    await visitor.page.keyboard.press("Tab")
    inside = await visitor.page.evaluate("!!document.activeElement.closest('main')")
    assert inside


async def test_focus_mode_leaves_only_the_conversation(visitor: Visitor) -> None:
    await visitor.start(script(say("one")))
    await visitor.settled()
    await visitor.button("Focus mode").click()
    await expect(visitor.page.get_by_role("navigation")).to_be_hidden()
    await expect(visitor.kind("answer")).to_be_visible()
    await visitor.button("Leave focus mode").click()
    await expect(visitor.page.get_by_role("navigation")).to_be_visible()


async def test_those_who_listen_hear_what_needs_them(visitor: Visitor) -> None:
    said = visitor.page.locator("[data-live]")
    await visitor.start(script(tool("Bash", command="touch seen"), say("Done.")))
    await expect(said.filter(has_text="This needs approval for Bash")).to_have_attribute(
        "aria-live", "assertive", timeout=ANSWER_MS
    )
    await visitor.allow()
    await expect(said.filter(has_text="The answer is complete")).to_have_attribute(
        "aria-live", "polite", timeout=ANSWER_MS
    )


async def test_with_reduced_motion_nothing_moves(guests: Guests) -> None:
    async with guests.visitor(reduced_motion="reduce") as visitor:
        await visitor.start(script(say("word ", n=600, chunk_delay=0.05)))
        await expect(visitor.kind("working")).to_be_visible(timeout=ANSWER_MS)
        running = await visitor.page.evaluate(
            "document.getAnimations().filter((a) => a.playState === 'running').length"
        )
        assert running == 0
        await visitor.button("Stop").click()
        await visitor.settled()


async def test_the_chosen_appearance_stays(visitor: Visitor) -> None:
    await visitor.home()
    await visitor.button("Menu").click()
    await visitor.page.get_by_role("menuitemradio", name="Dark").click()
    root = visitor.page.locator("html")
    await expect(root).to_have_attribute("data-theme", "dark")
    await visitor.page.reload()
    await expect(root).to_have_attribute("data-theme", "dark")

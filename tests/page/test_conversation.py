"""What an agent says and does, as the page shows it."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from support.stack import Stack
from support.visitor import ANSWER_MS, Visitor
from support.worker_client import say, script, tool

pytestmark = pytest.mark.browser

MARKDOWN = """Some **bold** words and `code`.

| a | b |
|---|---|
| 1 | 2 |

```python
def f(x):
    return "yes"
```

<img src=x onerror=alert(1)> [bad](javascript:alert(1)) [good](https://example.org/)
"""


async def test_an_answer_is_markdown_with_highlighted_code_and_no_html(visitor: Visitor) -> None:
    await visitor.start(script(say(MARKDOWN)))
    await visitor.settled()
    answer = visitor.kind("answer").last
    await expect(answer.locator("strong")).to_have_text("bold")
    await expect(answer.locator("td").first).to_have_text("1")
    await expect(answer.locator("pre .hljs-keyword").first).to_have_text("def")
    await expect(answer.locator("img")).to_have_count(0)
    await expect(answer).to_contain_text("<img src=x onerror=alert(1)>")
    await expect(answer.get_by_role("link")).to_have_count(1)
    await expect(answer.get_by_role("link")).to_have_attribute(
        "rel", "noopener noreferrer nofollow"
    )


async def test_an_answer_is_shown_while_it_is_written(visitor: Visitor) -> None:
    await visitor.start(script(say("tick ", n=600, chunk_delay=0.05)))
    answer = visitor.kind("answer").last
    await expect(answer).to_contain_text("tick tick", timeout=ANSWER_MS)
    await visitor.state("running")
    await visitor.button("Stop").click()
    await visitor.settled()


async def test_a_very_long_message_is_folded_and_opens(visitor: Visitor) -> None:
    await visitor.start("\n".join(f"line {number}" for number in range(60)))
    await visitor.settled()
    message = visitor.kind("user")
    folded = await message.bounding_box()
    await message.get_by_role("button", name="Show the whole message").click()
    await expect(message.get_by_role("button", name="Show less")).to_be_visible()
    whole = await message.bounding_box()
    assert folded is not None
    assert whole is not None
    assert whole["height"] > 2 * folded["height"]


async def test_a_command_is_shown_as_it_runs_with_the_own_folder_drawn_short(
    visitor: Visitor, page_stack: Stack
) -> None:
    session = await visitor.start(script(say("one")))
    await visitor.settled()
    own = next(page_stack.layout.data.rglob(session))
    await visitor.say(script(tool("Bash", command=f"touch {own}/seen /tmp/other"), say("Done.")))
    card = await visitor.asked()
    await expect(card.locator("pre")).to_have_text("touch …/seen /tmp/other")
    await expect(card.locator("abbr")).to_have_attribute(
        "title", f"The session's own folder: {own}/"
    )
    await card.get_by_role("button", name="Deny").click()
    await card.get_by_role("button", name="Deny").last.click()
    await visitor.settled()


async def test_thinking_is_folded_and_opens(visitor: Visitor) -> None:
    await visitor.start("think about tides")
    await visitor.settled()
    head = visitor.kind("thinking").get_by_role("button")
    await expect(head).to_contain_text("Thought for")
    await expect(head).to_have_attribute("aria-expanded", "false")
    await head.click()
    await expect(visitor.kind("thinking")).to_contain_text("scripted model does not reason")


async def test_a_command_is_approved_and_its_output_is_a_terminal(visitor: Visitor) -> None:
    await visitor.start(script(tool("Bash", command="echo $((6*7)) > f; cat f"), say("Fine.")))
    card = await visitor.asked()
    await expect(card.get_by_role("heading")).to_have_text("This needs approval for Bash")
    await expect(card).to_contain_text("echo $((6*7))")
    await visitor.allow()
    await visitor.settled()
    opened = await visitor.expand("Bash")
    await expect(opened).to_have_attribute("data-state", "done")
    await expect(opened.locator("pre")).to_contain_text("42")
    await expect(opened.get_by_role("button").first).to_contain_text("s")  # its duration


async def test_a_failed_command_says_so(visitor: Visitor) -> None:
    await visitor.start(script(tool("Bash", command="touch x; echo oops >&2; exit 3"), say("Hm.")))
    await visitor.allow()
    await visitor.settled()
    opened = await visitor.expand("Bash")
    await expect(opened).to_have_attribute("data-state", "failed")
    await expect(opened).to_contain_text("Failed")
    await expect(opened.locator("pre")).to_contain_text("oops")


async def test_a_written_file_and_its_edit_are_shown_as_differences(visitor: Visitor) -> None:
    write = tool("Write", file_path="poem.txt", content="one\ntwo\nthree\n")
    read = tool("Read", file_path="poem.txt")
    edit = tool("Edit", file_path="poem.txt", old_string="two", new_string="2")
    await visitor.start(script(write, read, edit, say("Done.")))
    card = await visitor.asked()
    await expect(card.locator("[data-kind=added]")).to_have_count(3)
    await visitor.allow()
    await visitor.allow()
    await visitor.settled()
    opened = await visitor.expand("Edit")
    await expect(opened.locator("[data-kind=removed]")).to_contain_text("two")
    await expect(opened.locator("[data-kind=added]")).to_contain_text("2")
    await expect(opened.get_by_role("button").first).to_contain_text("poem.txt")


async def test_what_a_helper_does_is_nested_under_its_card(visitor: Visitor) -> None:
    await visitor.start("send a helper to look around")
    await visitor.allow()
    await visitor.settled()
    helper = await visitor.expand("Agent")
    await expect(helper.locator("section[data-tool=Bash]")).to_have_count(1)
    await expect(helper).to_contain_text("files in the working directory")


async def test_a_plan_is_shown_while_it_is_worked_off(visitor: Visitor) -> None:
    first = {"content": "Dig", "status": "in_progress", "activeForm": "Digging"}
    second = {"content": "Plant", "status": "pending", "activeForm": "Planting"}
    plan = tool("TodoWrite", todos=[first, second])
    await visitor.start(script(plan, say("More later.")))
    await visitor.settled()
    strip = visitor.page.locator("[data-plan]")
    await expect(strip).to_contain_text("Digging")
    await expect(strip).to_contain_text("0 of 2")
    await strip.get_by_role("button").click()
    await expect(strip.get_by_role("listitem")).to_have_count(2)


async def test_background_work_has_its_own_list(visitor: Visitor) -> None:
    await visitor.start("run a job in the background")
    await visitor.allow()
    await visitor.button("Background work").click()
    panel = visitor.page.get_by_role("complementary")
    await expect(panel.locator("[data-status=completed]")).to_be_visible(timeout=ANSWER_MS)
    await expect(panel).to_contain_text("Work for a few seconds")


async def test_trouble_with_the_model_is_told_and_settled_in_one_row(visitor: Visitor) -> None:
    await visitor.start("error 529")
    await expect(visitor.kind("problem")).to_contain_text("The model is busy", timeout=ANSWER_MS)
    await visitor.settled()
    await expect(visitor.kind("problem")).to_have_count(1)
    await expect(visitor.kind("problem")).to_contain_text("Worked after trying again")


async def test_a_model_that_stays_away_leaves_a_sentence_and_retry(visitor: Visitor) -> None:
    await visitor.start("always error 529")
    await visitor.settled()
    await expect(visitor.kind("problem")).to_contain_text("Try again in a minute")
    await visitor.button("Retry").click()
    await expect(visitor.kind("user")).to_have_count(2)
    await visitor.settled()


async def test_cost_and_context_are_shown(visitor: Visitor) -> None:
    await visitor.start(script(say("short", usage={"input_tokens": 100_000})))
    await visitor.settled()
    usage = visitor.page.get_by_role("button", name="Cost $")
    await usage.click()
    popover = visitor.page.get_by_role("dialog", name="Usage")
    await expect(popover).to_contain_text("Context used")
    await visitor.button("What fills the context").click()
    await expect(popover).to_contain_text("System", timeout=ANSWER_MS)


async def test_scripted_answers_are_announced(visitor: Visitor) -> None:
    await visitor.home()
    banner = visitor.page.locator("[data-scripted]")
    await expect(banner).to_contain_text("Scripted answers")
    await visitor.button("Hide this note").click()
    await expect(banner).to_have_count(0)
    await visitor.start(script(say("one")))
    await expect(banner).to_be_visible()
    await visitor.button("Hide this note").click()
    mark = visitor.button("Answers are scripted. Show what that means")
    await visitor.page.keyboard.press("Alt+C")
    await expect(mark).to_be_visible()
    await mark.click()
    await expect(banner).to_be_visible()


async def test_nobody_reads_sdk_or_mcp(visitor: Visitor) -> None:
    await visitor.start("hello")
    await visitor.settled()
    text = await visitor.page.locator("body").inner_text()
    assert "SDK" not in text
    assert "MCP" not in text

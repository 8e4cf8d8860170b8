"""What a step shows of itself: all that it gets, in words, and a plan as the text that it is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.async_api import WebSocketRoute, expect

from support.visitor import Visitor
from support.worker_client import say, script, tool

pytestmark = pytest.mark.browser

PLAN = "# Tides\n\n1. Read the **tables**\n2. Draw them\n\n```sh\nls\n```\n"
TICKET = {
    "title": "Sails torn",
    "body": "\n".join(f"line {number}" for number in range(40)),
    "priority": 3,
    "urgent": True,
    "labels": ["sea", {"name": "wind"}],
    "dueDate": None,
}


async def call_it(visitor: Visitor, name: str, given: dict[str, Any]) -> None:
    """The page reads of another tool where Bash is called; everything else is what it is."""

    def renamed(text: str | bytes) -> str:
        body = json.loads(text)
        for event in body.get("events", ()):
            if event.get("name") == "Bash":
                event |= {"name": name, "input": given, "title": None, "description": None}
        return json.dumps(body)

    def between(page: WebSocketRoute) -> None:
        server = page.connect_to_server()
        server.on_message(lambda text: page.send(renamed(text)))

    await visitor.page.route_web_socket("**/ws?*", between)


async def test_a_plan_is_read_as_text_and_accepted_or_sent_back(visitor: Visitor) -> None:
    await call_it(visitor, "ExitPlanMode", {"plan": PLAN})
    await visitor.start(script(tool("Bash", command="touch made"), say("As you wish.")))
    card = await visitor.asked()
    await expect(card.get_by_role("heading", name="The agent's plan is ready")).to_be_visible()
    await expect(card.get_by_role("heading", name="Tides")).to_be_visible()
    await expect(card.locator("strong")).to_have_text("tables")
    await expect(card).not_to_contain_text('"plan"')
    await expect(card.get_by_role("button", name="Allow for this session")).to_have_count(0)
    await visitor.page.keyboard.press("Alt+s")
    await visitor.page.keyboard.press("Alt+e")
    await expect(card.get_by_role("button", name="Accept the plan")).to_be_visible()
    await card.get_by_role("button", name="Keep planning").click()
    await visitor.page.get_by_role("textbox", name="what the plan should change").fill("Shorter")
    await card.get_by_role("button", name="Keep planning").click()
    await visitor.settled()
    done = await visitor.expand("ExitPlanMode")
    await expect(done.get_by_role("heading", name="Tides")).to_be_visible()
    await expect(done).to_contain_text("Shorter")


async def test_what_a_connected_tool_gets_is_a_table_of_fields(visitor: Visitor) -> None:
    await call_it(visitor, "mcp__harbour__add_ticket", TICKET)
    await visitor.start(script(tool("Bash", command="touch made"), say("Made.")))
    card = await visitor.asked()
    await expect(card.locator("dt")).to_have_text(
        ["title", "body", "priority", "urgent", "labels", "due date"]
    )
    values = card.locator("dd")
    await expect(values.nth(0)).to_have_text("Sails torn")
    await expect(values.nth(3)).to_have_text("yes")
    await expect(values.nth(4)).to_contain_text("wind")
    await expect(values.nth(1)).not_to_contain_text("line 39")
    await card.get_by_role("button", name="Show all 40 lines").click()
    await expect(values.nth(1)).to_contain_text("line 39")
    await card.get_by_role("button", name="Deny").click()
    await card.get_by_role("button", name="Deny").click()
    await visitor.settled()


async def test_reading_says_which_part_and_a_command_how_it_runs(visitor: Visitor) -> None:
    await visitor.start(
        script(
            tool("Bash", command="printf 'a\\nb\\nc\\n' > abc", timeout=9000),
            tool("Read", file_path="abc", offset=2, limit=1),
            say("Read."),
        )
    )
    card = await visitor.asked()
    await expect(card.locator("dt")).to_have_text(["Time limit (ms)"])
    await visitor.allow()
    await visitor.settled()
    read = await visitor.expand("Read")
    await expect(read.locator("dt")).to_have_text(["File", "From line", "Lines"])
    await expect(read.locator("dd")).to_have_text(["abc", "2", "1"])

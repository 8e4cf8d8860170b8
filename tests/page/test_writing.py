"""Writing to the agent: queue, stop, retry, attachments, settings."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from playwright.async_api import Route, expect

from support.stack import Stack
from support.visitor import ANSWER_MS, Visitor
from support.worker_client import MODEL, say, script, tool

pytestmark = pytest.mark.browser

SLOW = script(say("word ", n=600, chunk_delay=0.05))
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


async def test_enter_sends_and_shift_enter_makes_a_line(visitor: Visitor) -> None:
    await visitor.home()
    await visitor.composer.press_sequentially("hello")
    await visitor.composer.press("Shift+Enter")
    await visitor.composer.press_sequentially("there")
    await expect(visitor.composer).to_have_value("hello\nthere")
    await visitor.composer.press("Enter")
    await expect(visitor.kind("user")).to_contain_text("hello\nthere", timeout=20_000)
    await visitor.settled()


async def test_messages_during_a_turn_queue_and_can_be_changed_or_taken_back(
    visitor: Visitor,
) -> None:
    await visitor.start(SLOW)
    await expect(visitor.kind("answer")).to_contain_text("word", timeout=ANSWER_MS)
    await visitor.say("hello one")
    await visitor.say("hello two")
    queue = visitor.page.locator("[data-queue]")
    await expect(queue.get_by_role("listitem")).to_have_count(2)
    await queue.get_by_role("button", name="Edit queued message").first.click()
    await queue.get_by_role("textbox").fill("hello again")
    await queue.get_by_role("button", name="Save").click()
    await expect(queue.get_by_role("listitem").first).to_contain_text("hello again")
    await queue.get_by_role("button", name="Take back").last.click()
    await expect(queue.get_by_role("listitem")).to_have_count(1)
    await visitor.button("Stop").click()
    await expect(visitor.kind("user").last).to_contain_text("hello again", timeout=ANSWER_MS)
    await expect(visitor.kind("user").last).to_contain_text("edited")
    await expect(queue).to_have_count(0)
    await visitor.settled()
    await expect(visitor.page.get_by_text("hello two")).to_have_count(0)


async def test_a_stopped_answer_is_marked_and_can_be_tried_again(visitor: Visitor) -> None:
    await visitor.start(SLOW)
    await expect(visitor.kind("answer")).to_contain_text("word", timeout=ANSWER_MS)
    await visitor.page.keyboard.press("Control+Shift+X")
    cut = visitor.page.locator("[data-turn=interrupted]")
    await expect(cut).to_contain_text("You stopped this", timeout=ANSWER_MS)
    await visitor.settled()
    await cut.get_by_role("button", name="Retry").click()
    await expect(visitor.kind("user")).to_have_count(2)
    await visitor.state("running")
    await visitor.button("Stop").click()
    await visitor.settled()


async def test_an_answer_can_be_copied(visitor: Visitor) -> None:
    await visitor.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await visitor.start(script(say("Copy **me**.")))
    await visitor.settled()
    await visitor.button("Copy answer").click()
    await expect(visitor.button("Copied")).to_be_visible()
    pasted = await visitor.page.evaluate("() => navigator.clipboard.readText()")
    assert pasted == "Copy **me**."


async def test_files_come_by_picking_pasting_and_dropping(visitor: Visitor, tmp_path: Path) -> None:
    note = tmp_path / "note.txt"
    note.write_text("a note")
    await visitor.home()
    await visitor.page.locator("form input[type=file]").set_input_files(note)
    encoded = base64.b64encode(PIXEL).decode()
    for kind in ("paste", "drop"):
        await visitor.composer.evaluate(
            """(field, [kind, encoded]) => {
                const bytes = Uint8Array.from(atob(encoded), (c) => c.charCodeAt(0));
                const data = new DataTransfer();
                data.items.add(new File([bytes], `${kind}.png`, { type: "image/png" }));
                const event = kind === "paste"
                    ? new ClipboardEvent("paste", { clipboardData: data, bubbles: true })
                    : new DragEvent("drop", { dataTransfer: data, bubbles: true });
                field.dispatchEvent(event);
            }""",
            [kind, encoded],
        )
    for name in ("note.txt", "paste.png", "drop.png"):
        await expect(visitor.button(f"Remove {name}")).to_be_visible()
    await visitor.button("Remove drop.png").click()
    await visitor.composer.fill("What is this?")
    await expect(visitor.button("Send")).to_be_enabled()
    await visitor.composer.press("Enter")
    message = visitor.kind("user").last
    await expect(message.get_by_role("img", name="Attached image")).to_be_visible(timeout=20_000)
    await expect(message.get_by_role("link", name="note.txt")).to_be_visible()
    await visitor.settled()


async def test_a_file_that_cannot_be_attached_says_why(visitor: Visitor, tmp_path: Path) -> None:
    odd = tmp_path / "odd.bin"
    odd.write_bytes(bytes(range(256)))
    await visitor.home()
    await visitor.page.locator("form input[type=file]").set_input_files(odd)
    await expect(visitor.page.get_by_role("alert")).to_contain_text("cannot be attached")


async def test_a_file_that_failed_holds_the_message_back_until_it_is_tried_again_or_removed(
    visitor: Visitor, tmp_path: Path
) -> None:
    note = tmp_path / "note.txt"
    note.write_text("a note")
    await visitor.home()
    await visitor.page.route("**/api/v1/files", lambda route: route.abort())
    await visitor.page.locator("form input[type=file]").set_input_files(note)
    await expect(visitor.page.get_by_role("alert")).to_contain_text("Upload the file again")
    await visitor.composer.fill(script(say("Read.")))
    await expect(visitor.button("Send")).to_be_disabled()
    await visitor.composer.press("Enter")
    await expect(visitor.composer).not_to_have_value("")
    await visitor.page.unroute("**/api/v1/files")
    await visitor.button("Upload note.txt again").click()
    await expect(visitor.page.get_by_role("alert")).to_have_count(0)
    await visitor.button("Send").click()
    message = visitor.kind("user").last
    await expect(message.get_by_role("link", name="note.txt")).to_be_visible(timeout=20_000)
    await visitor.settled()


async def test_a_session_that_could_not_be_started_leaves_text_and_files(
    visitor: Visitor, tmp_path: Path
) -> None:
    note = tmp_path / "note.txt"
    note.write_text("a note")

    async def refuse(route: Route) -> None:
        if route.request.method == "POST":
            await route.abort()
        else:
            await route.continue_()

    await visitor.home()
    await visitor.page.locator("form input[type=file]").set_input_files(note)
    text = script(say("Read."))
    await visitor.composer.fill(text)
    await expect(visitor.button("Send")).to_be_enabled()
    await visitor.page.route("**/api/v1/sessions", refuse)
    await visitor.composer.press("Enter")
    await expect(visitor.page.get_by_role("alert")).to_contain_text("cannot be reached")
    await expect(visitor.composer).to_have_value(text)
    await expect(visitor.button("Remove note.txt")).to_be_visible()
    await visitor.page.unroute("**/api/v1/sessions")
    await visitor.composer.press("Enter")
    message = visitor.kind("user").last
    await expect(message.get_by_role("link", name="note.txt")).to_be_visible(timeout=20_000)
    await visitor.settled()
    await visitor.home()
    await expect(visitor.composer).to_have_value("")


async def test_the_start_shows_the_chosen_agents_own_permissions(
    visitor: Visitor, page_stack: Stack
) -> None:
    async with page_stack.client() as client:
        name = "Planner of tides"
        made = await client.post(
            "/agents", json={"name": name, "model": MODEL, "options": {"permission_mode": "plan"}}
        )
        made.raise_for_status()
        await visitor.home()
        await expect(visitor.page.get_by_role("button", name="Permissions: Ask")).to_be_visible()
        await visitor.page.get_by_role("button", name="Agent: ").click()
        await visitor.page.get_by_role("menuitemradio", name=name).click()
        await expect(visitor.page.get_by_role("button", name="Permissions: Plan")).to_be_visible()
        await client.post(f"/agents/{made.json()['id']}/archive")


async def test_only_permissions_that_hold_are_offered(visitor: Visitor) -> None:
    await visitor.start(script(say("one")))
    await visitor.settled()
    await visitor.page.get_by_role("button", name="Permissions: Ask first").click()
    choices = visitor.page.get_by_role("menuitemradio")
    await expect(choices.filter(has_text="Never ask")).to_be_visible()
    await expect(choices.filter(has_text="Allow all")).to_have_count(0)


async def test_model_and_permissions_are_chosen_and_shown(visitor: Visitor) -> None:
    await visitor.start(script(say("one")))
    await visitor.settled()
    await visitor.page.get_by_role("button", name="Permissions: Ask first").click()
    await visitor.page.get_by_role("menuitemradio", name="Plan only").click()
    await expect(visitor.page.get_by_role("button", name="Permissions: Plan only")).to_be_visible()
    await expect(visitor.kind("change").last).to_contain_text("Permissions: Plan only")
    await visitor.page.get_by_role("button", name="Model: ").click()
    await visitor.page.get_by_role("menuitemradio").last.click()
    await expect(visitor.kind("change").last).to_contain_text("Model: ")


async def test_a_draft_survives_a_reload(visitor: Visitor) -> None:
    await visitor.start(script(say("one")))
    await visitor.settled()
    await visitor.composer.fill("half a thought")
    await visitor.page.reload()
    await expect(visitor.composer).to_have_value("half a thought")


async def test_files_of_the_workspace_are_browsed_previewed_and_downloaded(
    visitor: Visitor,
) -> None:
    make = "mkdir -p src && echo 'print(1)' > src/a.py && printf '# Hi\\n' > read.md"
    await visitor.start(script(tool("Bash", command=make), say("Made.")))
    await visitor.allow()
    await visitor.settled()
    await visitor.button("Files").click()
    panel = visitor.page.get_by_role("complementary")
    await panel.get_by_role("button", name="src").click()
    await panel.get_by_role("button", name="a.py").click()
    await expect(panel.locator("pre")).to_contain_text("print(1)", timeout=20_000)
    async with visitor.page.expect_download() as download:
        await panel.get_by_role("link", name="Download src/a.py").click()
    assert Path(await (await download.value).path()).read_text() == "print(1)\n"
    await panel.get_by_role("button", name="Back to the list").click()
    await panel.get_by_role("button", name="read.md").click()
    await expect(panel.get_by_role("heading", name="Hi")).to_be_visible()

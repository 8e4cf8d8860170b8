"""Looking back: the scrubber, exported files, links for others, and a session a day later."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Locator, expect

from csp_controlplane.store.database import Database
from csp_controlplane.supervisor.access import OWNER_TENANT
from support.session_api import until_event
from support.stack import Stack
from support.visitor import ANSWER_MS, Guests, Visitor
from support.waiting import wait_until
from support.worker_client import say, script, tool
from support.written_log import conversation, event, file_of, imported, text

pytestmark = pytest.mark.browser

EVIL = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"


async def written(stack: Stack, turns: int = 3) -> str:
    """A session of so many turns that lasted an hour each; its id."""
    events: list[dict[str, Any]] = []
    for n in range(turns):
        at = len(events)
        said, start = f"sevt_{at + 1:026d}", f"sevt_{at + 2:026d}"
        hour = {"processed_at": f"2030-01-01T{n:02d}:00:00.000Z"}
        later = {"processed_at": f"2030-01-01T{n:02d}:00:04.000Z"}
        events += [
            event(at + 1, "user.message", content=text(f"Question {n}")) | hour,
            event(at + 2, "span.turn_start", message_ids=[said], origin="user") | hour,
            event(at + 3, "agent.message", content=text(f"Reply {n}")) | later,
            event(at + 4, "span.turn_end", outcome="completed", turn_start_id=start,
                  message_ids=[said]) | later,
        ]  # fmt: skip
    async with stack.client() as client:
        return await imported(client, file_of(events, title="Three tides"))


def slider(visitor: Visitor) -> Locator:
    return visitor.page.get_by_role("slider", name="Place in the session")


async def test_a_session_is_replayed_by_slider_keys_and_time(
    visitor: Visitor, page_stack: Stack
) -> None:
    session = await written(page_stack)
    await visitor.open(session)
    await visitor.button("Menu").click()
    await visitor.page.get_by_role("menuitem", name="Replay").click()
    place = slider(visitor)
    await expect(place).to_have_value("0")
    await expect(visitor.page.get_by_text("Press play")).to_be_visible()

    await place.focus()
    for _ in range(4):
        await visitor.page.keyboard.press("ArrowRight")
    await expect(place).to_have_attribute("aria-valuetext", "Event 4 of 14")
    await expect(visitor.kind("answer")).to_have_text(["Reply 0"])
    await visitor.page.keyboard.press("PageDown")
    await expect(visitor.kind("user")).to_have_count(2)
    await visitor.page.keyboard.press("ArrowLeft")
    await visitor.page.keyboard.press("PageUp")
    await expect(visitor.kind("answer")).to_have_count(0)
    await visitor.page.keyboard.press("End")
    await expect(visitor.kind("answer")).to_have_count(3)
    await visitor.page.keyboard.press("Home")
    await expect(place).to_have_value("0")

    await visitor.page.get_by_role("combobox", name="Speed").select_option("32 times")
    await visitor.button("Play").click()
    await expect(visitor.button("Pause")).to_be_visible()
    await expect(visitor.kind("answer")).to_have_count(3)
    await expect(visitor.button("Play")).to_be_visible()
    await visitor.page.keyboard.press("Escape")
    await visitor.button("Back to the session").click()
    await visitor.page.wait_for_url(f"**/sessions/{session}")


async def test_a_replay_can_be_paused_and_takes_its_true_time(
    visitor: Visitor, page_stack: Stack
) -> None:
    """The page's clock is the test's, so that true speed can be told from haste."""
    session = await written(page_stack)
    await visitor.page.clock.install()
    await visitor.page.goto(f"{visitor.url}/sessions/{session}/replay")
    await expect(slider(visitor)).to_have_value("0")
    await visitor.button("Play").click()
    await visitor.page.clock.run_for(3000)
    await expect(visitor.kind("user")).to_have_text(["Question 0"])
    await expect(visitor.kind("answer")).to_have_count(0)
    await visitor.page.clock.run_for(1500)
    await expect(visitor.kind("answer")).to_have_text(["Reply 0"])
    await visitor.button("Pause").click()
    await visitor.page.clock.run_for(60_000)
    await expect(visitor.kind("user")).to_have_count(1)
    await visitor.button("Play").click()
    await visitor.page.clock.run_for(3500)  # an hour passed, a replay waits three seconds
    await expect(visitor.kind("user")).to_have_count(2)


async def test_exports_are_downloaded_and_the_web_page_runs_nothing(
    visitor: Visitor, page_stack: Stack, tmp_path: Path
) -> None:
    await visitor.start(EVIL + script(tool("Glob", pattern="*"), say(EVIL + " **bold**")))
    await visitor.settled()
    saved = {}
    for name in ("Web page", "Markdown", "JSON Lines"):
        await visitor.button("Menu").click()
        async with visitor.page.expect_download() as download:
            await visitor.page.get_by_role("menuitem", name=name).click()
        file = await download.value
        saved[name] = tmp_path / file.suggested_filename
        await file.save_as(saved[name])
    lines = saved["JSON Lines"].read_text().splitlines()
    assert json.loads(lines[0])["type"] == "csp.session"
    assert json.loads(lines[-1])["type"] == "csp.end"
    assert "**bold**" in saved["Markdown"].read_text()

    requests: list[str] = []
    opened = await visitor.page.context.new_page()
    opened.on("request", lambda request: requests.append(request.url))
    await opened.goto(saved["Web page"].as_uri())
    await expect(opened.locator("strong")).to_have_text("bold")
    await expect(opened.locator("section.said")).to_contain_text("<script>")
    assert await opened.title() != "owned"
    assert [url for url in requests if not url.startswith("file:")] == []
    await opened.locator("summary").first.click()
    await expect(opened.locator("details[open] pre").first).to_be_visible()
    await opened.close()


async def test_an_exported_session_is_imported_on_the_start_page(
    visitor: Visitor, tmp_path: Path
) -> None:
    file = tmp_path / "tides.jsonl"
    file.write_text("\n".join(file_of(conversation(), title="From afar")))
    await visitor.home()
    await visitor.page.locator("input[type=file][accept*=jsonl]").set_input_files(file)
    await visitor.page.wait_for_url("**/sessions/sesn_*")
    await expect(visitor.page.get_by_role("heading", level=1)).to_have_text("From afar")
    await expect(visitor.kind("notice")).to_contain_text("Imported from a file")
    bad = tmp_path / "bad.jsonl"
    bad.write_text("\n".join([*file_of(conversation())[:3], "{"]))
    await visitor.home()
    await visitor.page.locator("input[type=file][accept*=jsonl]").set_input_files(bad)
    await expect(visitor.page.get_by_role("alert")).to_contain_text("Line 4: it is not JSON")


async def test_a_link_shows_the_conversation_until_it_is_revoked(
    guests: Guests, visitor: Visitor
) -> None:
    await visitor.start("OPEN " + script(say("for everybody")))
    await visitor.settled()
    await visitor.button("Menu").click()
    await visitor.page.get_by_role("menuitem", name="Share").click()
    dialog = visitor.page.get_by_role("dialog")
    await dialog.get_by_role("radio", name="a day").check()
    await dialog.get_by_role("button", name="Make a link").click()
    link = await dialog.get_by_role("textbox", name="Link").input_value()
    await visitor.page.keyboard.press("Escape")
    await visitor.turn("LATER " + script(say("for me alone")))

    async with guests.visitor(signed_in=False) as guest:
        await guest.page.goto(link)
        await expect(guest.kind("answer")).to_have_text(["for everybody"])
        await expect(guest.page.get_by_text("read only")).to_be_visible()
        await expect(guest.page.get_by_text("LATER")).to_have_count(0)
        for name in ("What to do with this message", "Answer again in a branch"):
            await expect(guest.button(name)).to_have_count(0)
        await expect(guest.page.get_by_role("textbox")).to_have_count(0)
        await guest.button("Replay").click()
        await expect(slider(guest)).to_have_value("0")

        await visitor.button("Menu").click()
        await visitor.page.get_by_role("menuitem", name="Share").click()
        await dialog.get_by_role("button", name="Revoke").click()
        await expect(dialog.locator("[data-over=true]")).to_contain_text("revoked · opened once")
        await guest.page.reload()
        await expect(guest.page.get_by_role("heading", level=1)).to_have_text(
            "This link shows nothing"
        )


async def a_day_passes(stack: Stack, session: str) -> None:
    """For the server, whose clock is everybody's: the session was last used yesterday."""
    db = await Database.connect(stack.instance.database_url, max_size=1)
    async with db.tenant(OWNER_TENANT) as connection:
        changed = await connection.execute(
            "update sessions set last_event_at = now() - interval '1 day' where id = $1", session
        )
    await db.close()
    assert changed == "UPDATE 1"


async def test_a_session_is_gone_on_with_a_day_later(visitor: Visitor, page_stack: Stack) -> None:
    """The tab slept over night, the worker is gone: a message wakes the session as it was."""
    await visitor.page.clock.install()
    session = await visitor.start("EVENING " + script(say("good night")))
    await visitor.settled()
    async with page_stack.client() as client:
        await until_event(client, session, "session.usage")  # the last that is written of a turn
        await a_day_passes(page_stack, session)

        async def rests() -> bool:
            shown = (await client.get(f"/sessions/{session}")).json()
            return bool(shown["state"] == "paused")

        await wait_until(rests, 90, "the idle session giving its worker back", interval=0.5)
    await visitor.page.clock.fast_forward("24:00:00")
    await visitor.state("paused")
    await visitor.connected()
    await visitor.turn("MORNING " + script(say("good morning")))
    answers = visitor.kind("answer")
    await expect(answers).to_have_text(["good night", "good morning"], timeout=ANSWER_MS)
    context: BrowserContext = visitor.page.context
    again = await context.new_page()
    await again.goto(visitor.page.url)
    await expect(again.locator("article[data-kind=answer]")).to_have_count(2)
    await again.close()

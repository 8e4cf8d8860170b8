"""When a part of the page breaks or the network is poor, the rest stays and says what to do."""

from __future__ import annotations

import pytest
from playwright.async_api import Route, expect

from support.access import no_violations
from support.visitor import ANSWER_MS, Guests, Visitor
from support.worker_client import say, script, tool

pytestmark = pytest.mark.browser

BROKEN = "This part of the page stopped working"


async def test_a_part_that_breaks_leaves_the_rest_and_comes_back(visitor: Visitor) -> None:
    async def nonsense(route: Route) -> None:
        await route.fulfill(json={"files": [None], "truncated": False})

    await visitor.start(script(say("one")))
    await visitor.settled()
    await visitor.page.route("**/files?*", nonsense)
    await visitor.button("Files").click()
    panel = visitor.page.get_by_role("complementary")
    await expect(panel.get_by_role("alert")).to_contain_text(BROKEN)
    assert visitor.complaints
    visitor.complaints.clear()
    await visitor.turn(script(say("two")))
    await visitor.page.unroute("**/files?*")
    await panel.get_by_role("button", name="Show it again").click()
    await expect(panel).to_contain_text("The workspace is empty")
    await expect(panel.get_by_role("alert")).to_have_count(0)


async def test_a_part_that_cannot_be_loaded_says_so_and_a_reload_brings_it(
    visitor: Visitor,
) -> None:
    session = await visitor.start(script(say("one")))
    await visitor.settled()
    await visitor.page.route("**/assets/ReplayPage-*.js", lambda route: route.abort())
    await visitor.page.goto(f"{visitor.url}/sessions/{session}/replay")
    await expect(visitor.page.get_by_role("alert")).to_contain_text(BROKEN)
    await expect(visitor.page.get_by_role("navigation")).to_be_visible()
    visitor.complaints.clear()
    await visitor.page.unroute("**/assets/ReplayPage-*.js")
    await visitor.button("Reload the page").click()
    await expect(visitor.button("Play")).to_be_visible(timeout=20_000)


async def test_without_tls_from_another_host_the_page_works(guests: Guests) -> None:
    async with guests.visitor(signed_in=False) as visitor:
        visitor.url = visitor.url.replace("127.0.0.1", "plain.example")
        await visitor.follow((await guests.link()).replace("127.0.0.1", "plain.example"))
        await expect(visitor.composer).to_be_visible()
        assert not await visitor.page.evaluate("isSecureContext")
        await visitor.start(script(say("word ", n=600, chunk_delay=0.05)))
        await visitor.state("running")
        await visitor.button("Stop").click()
        await visitor.settled()


async def test_on_a_slow_network_the_page_says_what_it_waits_for(guests: Guests) -> None:
    async with guests.visitor() as visitor:
        wire = await visitor.page.context.new_cdp_session(visitor.page)
        session = await visitor.start(script(tool("Bash", command="touch seen"), say("one")))
        await visitor.allow()
        await visitor.settled()
        await visitor.home()
        await wire.send("Network.enable")
        slow = {"latency": 1500, "downloadThroughput": 50_000, "uploadThroughput": 50_000}
        await wire.send("Network.emulateNetworkConditions", {"offline": False, **slow})
        await visitor.page.locator(f"nav a[href$='{session}']").click()
        await expect(visitor.page.get_by_text("Loading the conversation…")).to_be_visible()
        await expect(visitor.kind("answer")).to_contain_text("one", timeout=ANSWER_MS)
        await visitor.button("Files").click()
        panel = visitor.page.get_by_role("complementary")
        await expect(panel.get_by_text("Loading…")).to_be_visible()
        await expect(panel.get_by_text("seen")).to_be_visible(timeout=ANSWER_MS)
        await visitor.turn(script(say("two")))
        await expect(visitor.kind("answer").last).to_contain_text("two")


async def test_what_went_wrong_stays_until_it_is_closed(guest: Visitor) -> None:
    await guest.page.clock.install()
    await guest.start(script(say("one")))
    await guest.settled()
    page = guest.page
    await page.route("**/rewind", lambda route: route.abort())
    await guest.button("What to do with this message").click()
    await page.get_by_role("menuitem", name="Take the files back").click()
    await page.get_by_role("dialog").get_by_role("button", name="Take the files back").click()
    error = page.locator("[data-toast=error]")
    await expect(error).to_contain_text("cannot be reached")
    await page.clock.run_for(60_000)
    await expect(error).to_be_visible()
    await no_violations(guest)
    await guest.button("Attach files").click(trial=True)
    await guest.composer.fill("nothing lies on what is written")
    await guest.button("Send").click(trial=True)
    await error.get_by_role("button", name="Close this message").click()
    await expect(error).to_have_count(0)


async def test_a_note_goes_by_itself_but_not_while_somebody_points_at_it(visitor: Visitor) -> None:
    page = visitor.page
    await page.clock.install()
    session = await visitor.start(script(say("one")))
    await visitor.settled()
    entry = page.get_by_role("listitem").filter(has=page.locator(f"a[href$='{session}']"))
    await entry.hover()
    await entry.get_by_role("button", name="Actions for").click()
    await page.get_by_role("menuitem", name="Archive").click()
    note = page.locator("[data-toast=note]")
    await note.hover()
    await page.clock.run_for(60_000)
    await expect(note).to_be_visible()
    await note.get_by_role("button", name="Undo").focus()
    await page.mouse.move(5, 5)
    await page.clock.run_for(60_000)
    await expect(note).to_be_visible()
    await visitor.composer.focus()
    await page.clock.run_for(8_000)
    await expect(note).to_have_count(0)

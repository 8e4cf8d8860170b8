"""When the connection goes: what is shown, what is kept, and how it comes back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.async_api import Browser, WebSocketRoute, expect

from support.access import no_violations
from support.casualties import kill, replaced
from support.play import log_of
from support.stack import Stack
from support.visitor import ANSWER_MS, Guests, Visitor
from support.worker_client import say, script

pytestmark = pytest.mark.browser

GATEWAY = "csp_controlplane.gateway"


@pytest.fixture(scope="module")
def fragile_stack(browser_path: str) -> Iterator[Stack]:
    """An installation of which parts are killed."""
    with Stack() as running:
        yield running


async def test_typed_while_the_gateway_is_dead_is_kept_and_sent_once(
    browser: Browser, fragile_stack: Stack
) -> None:
    async with Guests(browser, fragile_stack).visitor() as visitor:
        await visitor.start(script(say("word ", n=500, chunk_delay=0.05)))
        await expect(visitor.kind("answer")).to_contain_text("word", timeout=ANSWER_MS)
        old = fragile_stack.pid(GATEWAY)
        kill(old)
        trouble = visitor.page.locator("[data-trouble]")
        await expect(trouble).to_contain_text("What you send is kept", timeout=10_000)
        await visitor.composer.fill("hello from the dark")
        await visitor.composer.press("Enter")
        await expect(visitor.page.get_by_text("hello from the dark").first).to_be_visible()
        await replaced(fragile_stack, GATEWAY, old)
        await visitor.connected()
        await expect(trouble).to_have_count(0)
        await expect(visitor.page.locator("[data-unsent]")).to_have_count(0)
        await visitor.button("Stop").click()
        await visitor.settled()
        said = visitor.kind("user").filter(has_text="hello from the dark")
        await expect(said).to_have_count(1)
        await visitor.page.reload()
        await visitor.settled()
        await expect(said).to_have_count(1)


async def test_what_was_said_right_before_leaving_is_sent_without_a_socket(
    visitor: Visitor, page_stack: Stack
) -> None:
    def dead_end(_socket: WebSocketRoute) -> None:
        """Never connected to the gateway."""

    await visitor.page.route_web_socket("**/ws?*", dead_end)
    session = await visitor.start(script(say("one")))
    await expect(visitor.page.locator("[data-unsent]")).to_have_count(1)
    sent = f"{visitor.url}/api/v1/sessions/{session}/events"
    async with visitor.page.expect_response(
        lambda answer: answer.request.method == "POST" and answer.url == sent
    ):
        await visitor.page.keyboard.press("Alt+C")
    async with page_stack.client() as client:
        log = await log_of(client, session)
    assert [event["type"] for event in log].count("user.message") == 1
    kept = "Object.keys(localStorage).filter((key) => key.startsWith('csp.outbox.'))"
    assert await visitor.page.evaluate(kept) == []


async def test_a_gateway_that_hands_over_is_not_noticed(visitor: Visitor) -> None:
    lines: list[WebSocketRoute] = []

    def through(socket: WebSocketRoute) -> None:
        lines.append(socket)
        socket.connect_to_server()

    await visitor.page.route_web_socket("**/ws?*", through)
    await visitor.start(script(say("word ", n=200, chunk_delay=0.02)))
    await expect(visitor.kind("answer")).to_contain_text("word", timeout=ANSWER_MS)
    await visitor.page.evaluate(
        "() => { window.seen = 0; new MutationObserver(() => {"
        " if (document.querySelector('[data-trouble]')) window.seen += 1; })"
        ".observe(document.body, { subtree: true, childList: true }); }"
    )
    known = len(lines)
    await lines[-1].close(code=1012, reason="handed over")
    await visitor.settled()
    assert len(lines) > known
    assert await visitor.page.evaluate("window.seen") == 0
    await expect(visitor.kind("answer")).to_contain_text("word " * 200)


async def test_offline_is_shown_and_ends(visitor: Visitor) -> None:
    await visitor.start(script(say("hi")))
    await visitor.settled()
    await visitor.page.context.set_offline(True)
    trouble = visitor.page.locator("[data-trouble=offline]")
    await expect(trouble).to_contain_text("You are offline")
    await visitor.say(script(say("after the storm")))
    await visitor.page.context.set_offline(False)
    await visitor.connected()
    await expect(visitor.kind("answer").last).to_contain_text("after the storm", timeout=ANSWER_MS)


async def test_a_page_that_fell_behind_says_so_and_catches_up(visitor: Visitor) -> None:
    await visitor.start(script(say("one")))
    await visitor.settled()
    routes: list[WebSocketRoute] = []
    slow = False

    async def watch(route: WebSocketRoute) -> None:
        if slow:
            await route.close(code=4408, reason="Too slow")
        else:
            routes.append(route)
            route.connect_to_server()

    await visitor.page.route_web_socket("**/ws?*", watch)
    await visitor.page.reload()
    await visitor.connected()
    slow = True
    await routes[-1].close(code=4408, reason="Too slow")
    trouble = visitor.page.locator("[data-trouble=slow]")
    await expect(trouble).to_contain_text("fell behind", timeout=20_000)
    slow = False
    await visitor.connected()
    await expect(trouble).to_have_count(0)
    await visitor.turn(script(say("two")))


async def test_waits_grow_and_can_be_cut_short(visitor: Visitor) -> None:
    refuse = False
    attempts = 0

    async def watch(route: WebSocketRoute) -> None:
        nonlocal attempts
        attempts += 1
        if refuse:
            await route.close(code=1013, reason="The database is away.")
        else:
            routes.append(route)
            route.connect_to_server()

    routes: list[WebSocketRoute] = []
    await visitor.start(script(say("one")))
    await visitor.settled()
    await visitor.page.route_web_socket("**/ws?*", watch)
    await visitor.page.reload()
    await visitor.connected()
    refuse = True
    await routes[-1].close(code=1013)
    trouble = visitor.page.locator("[data-trouble=unready]")
    await expect(trouble).to_contain_text("next try in 4 s", timeout=20_000)
    await expect(trouble).to_contain_text("cannot get at its data")
    before = attempts
    refuse = False
    await visitor.button("Try now").click()
    await visitor.connected()
    assert attempts == before + 1


async def test_a_refused_message_stays_and_says_why(visitor: Visitor, page_stack: Stack) -> None:
    session = await visitor.start(script(say("word ", n=600, chunk_delay=0.05)))
    await expect(visitor.kind("answer")).to_contain_text("word", timeout=ANSWER_MS)
    one = {"type": "user.message", "content": [{"type": "text", "text": "hello"}]}
    async with page_stack.client() as client:
        for _ in range(2):
            answer = await client.post(f"/sessions/{session}/events", json={"events": [one] * 50})
            assert answer.status_code == 200, answer.text
    await visitor.say("one too many")
    unsent = visitor.page.locator("[data-unsent]")
    await expect(unsent).to_contain_text("100 messages are already waiting")
    await visitor.page.reload()
    await expect(unsent).to_contain_text("one too many")
    await unsent.get_by_role("button", name="Discard").click()
    await expect(unsent).to_have_count(0)
    await visitor.page.request.delete(f"{visitor.url}/api/v1/sessions/{session}")


async def test_a_page_that_may_not_connect_says_why_and_does_not_try_for_ever(
    guest: Visitor,
) -> None:
    why = "A page of 'https://elsewhere.example' may not act here. Set CSP_PUBLIC_URL."
    attempts = 0
    clock = guest.page.clock
    await clock.install()

    async def refuse(route: WebSocketRoute) -> None:
        nonlocal attempts
        attempts += 1
        await route.close(code=4400, reason=why)

    await guest.start(script(say("one")))
    await guest.settled()
    await guest.page.route_web_socket("**/ws?*", refuse)
    await guest.page.reload()
    await expect(guest.kind("answer")).to_contain_text("one")
    await clock.run_for(5_000)
    trouble = guest.page.locator("[data-trouble=refused]")
    await expect(trouble).to_contain_text("The server refuses the connection to this page")
    await expect(trouble).to_contain_text(why)
    await no_violations(guest)
    await clock.run_for(120_000)
    assert attempts == 1
    await guest.page.unroute_all()
    await guest.say("hello from here")
    await expect(trouble).to_contain_text("What you send is kept here")
    await expect(guest.page.locator("[data-unsent]")).to_have_count(1)


async def test_without_room_in_the_browser_what_was_typed_is_kept_by_the_page(
    visitor: Visitor,
) -> None:
    await visitor.page.add_init_script(
        """Storage.prototype.setItem = () => {
            throw new DOMException("full", "QuotaExceededError");
        };"""
    )
    session = await visitor.start(script(say("one")))
    await visitor.settled()
    await visitor.page.context.set_offline(True)
    await expect(visitor.page.locator("[data-trouble=offline]")).to_be_visible()
    await visitor.say(script(say("after the storm")))
    await expect(visitor.page.locator("[data-unsent]")).to_have_count(1)
    await visitor.page.keyboard.press("Alt+C")
    await expect(visitor.page.get_by_role("heading", level=1)).to_contain_text("What shall we")
    await visitor.page.locator(f"nav a[href$='{session}']").click()
    await visitor.page.context.set_offline(False)
    await visitor.button("Try again").or_(visitor.page.locator("[data-connection]")).first.click()
    await visitor.connected()
    await expect(visitor.kind("answer").last).to_contain_text("after the storm", timeout=ANSWER_MS)
    await expect(visitor.page.locator("[data-unsent]")).to_have_count(0)

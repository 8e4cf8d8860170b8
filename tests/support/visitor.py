"""A person in front of the page: opens it in Chromium, writes, answers, and looks.

Waiting is the browser's own: every `expect` retries until its deadline. The page forbids eval, so
nothing here hands it JavaScript to wait on.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import Browser, Locator, Page, expect

from csp_controlplane.supervisor.access import OwnerAccess
from support.stack import Stack

BROWSER_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP plain.example 127.0.0.1",
)
ANSWER_MS = 60_000
"""For whatever waits on the agent; the machine may be busy."""

EXPECTED_COMPLAINTS = (
    "Failed to load resource",
    "WebSocket connection to",
    "ERR_",
    "Cross-Origin-Opener-Policy header has been ignored",
)
"""What the browser itself logs when a server is away or has no TLS: not a mistake of the page."""


@dataclass(slots=True)
class Visitor:
    """One tab."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)

    def listen(self) -> None:
        """Collects errors of the page's own code."""
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on(
            "console",
            lambda message: (
                self.complaints.append(message.text)
                if message.type == "error"
                and not any(known in message.text for known in EXPECTED_COMPLAINTS)
                else None
            ),
        )

    # ---- going somewhere ------------------------------------------------------------------------

    async def home(self) -> None:
        await self.page.goto(f"{self.url}/")
        await expect(self.composer).to_be_visible(timeout=20_000)

    async def follow(self, link: str) -> None:
        """Opens a one-time link and presses its button."""
        await self.page.goto(link)
        await self.page.get_by_role("button", name="Sign in").click()

    async def open(self, session_id: str) -> None:
        await self.page.goto(f"{self.url}/sessions/{session_id}")
        await expect(self.page.locator("[data-connection=live]")).to_be_attached(timeout=20_000)

    @property
    def session_id(self) -> str:
        found = re.search(r"/sessions/(sesn_\w+)", self.page.url)
        assert found, f"{self.page.url} is not a session's address"
        return found.group(1)

    # ---- writing --------------------------------------------------------------------------------

    @property
    def composer(self) -> Locator:
        return self.page.get_by_role("textbox", name="Message", exact=True)

    async def start(self, text: str) -> str:
        """A new session with this message; its id."""
        await self.home()
        await self.say(text)
        await self.page.wait_for_url("**/sessions/sesn_*", timeout=20_000)
        await expect(self.page.locator("[data-kind=user]").first).to_be_visible(timeout=20_000)
        return self.session_id

    async def say(self, text: str) -> None:
        await self.composer.fill(text)
        await self.composer.press("Enter")
        await expect(self.composer).to_have_value("")

    async def settled(self) -> None:
        """The turn that was begun has come to its end."""
        await expect(self.rows.last).to_have_attribute("data-kind", "turn", timeout=ANSWER_MS)
        await self.state("active")

    async def turn(self, text: str) -> None:
        """Says something and waits for the end of its answer."""
        await self.say(text)
        await expect(self.rows.filter(has_text=text[:60]).last).to_be_visible(timeout=20_000)
        await self.settled()

    # ---- looking --------------------------------------------------------------------------------

    @property
    def rows(self) -> Locator:
        """The rows of the conversation that are in the page."""
        return self.page.locator("[role=feed] article")

    def kind(self, kind: str) -> Locator:
        return self.page.locator(f"article[data-kind={kind}]")

    def tool(self, name: str) -> Locator:
        """Cards of finished or running calls of a tool."""
        return self.page.locator(f"section[data-tool={name}]")

    @property
    def approval(self) -> Locator:
        """A step that waits for this person."""
        return self.page.locator("[data-approval]")

    async def asked(self) -> Locator:
        """Waits until a step asks; its card."""
        await expect(self.approval.first).to_be_visible(timeout=ANSWER_MS)
        return self.approval.first

    async def state(self, state: str) -> None:
        """Waits for the session's state as the header shows it."""
        shown = self.page.locator("[data-session-state]")
        await expect(shown).to_have_attribute("data-session-state", state, timeout=ANSWER_MS)

    async def connected(self) -> None:
        await expect(self.page.locator("[data-connection=live]")).to_be_attached(timeout=60_000)

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    async def allow(self) -> None:
        """Allows the step that waits, and sees that it is taken."""
        card = await self.asked()
        identity = await card.get_attribute("data-approval")
        await card.get_by_role("button", name="Allow", exact=True).click()
        gone = self.page.locator(f"[data-approval='{identity}']")
        await expect(gone).to_have_count(0, timeout=20_000)

    async def expand(self, name: str) -> Locator:
        """Opens the last card of a tool."""
        card = self.tool(name).last
        await card.get_by_role("button").first.click()
        return card


class Guests:
    """Makes signed-in visitors of one installation."""

    def __init__(self, browser: Browser, stack: Stack) -> None:
        self._browser = browser
        self._stack = stack
        self._signed_in: dict[str, Any] | None = None

    async def link(self) -> str:
        """A one-time sign-in link."""
        async with OwnerAccess.open(self._stack.instance.database_url) as access:
            return await access.sign_in_link(self._stack.url)

    @asynccontextmanager
    async def visitor(self, *, signed_in: bool = True, **context: Any) -> AsyncIterator[Visitor]:
        """A tab in a browser profile of its own. Errors of the page's code fail the test."""
        if signed_in:
            context["storage_state"] = await self._state()
        profile = await self._browser.new_context(**{"locale": "en-GB", **context})
        profile.set_default_timeout(20_000)
        visitor = Visitor(await profile.new_page(), self._stack.url)
        visitor.listen()
        try:
            yield visitor
        finally:
            await profile.close()
        assert visitor.complaints == [], visitor.complaints

    async def _state(self) -> dict[str, Any]:
        if self._signed_in is None:
            profile = await self._browser.new_context()
            first = Visitor(await profile.new_page(), self._stack.url)
            await first.follow(await self.link())
            await expect(first.composer).to_be_visible(timeout=30_000)
            self._signed_in = dict(await profile.storage_state())
            await profile.close()
        return self._signed_in

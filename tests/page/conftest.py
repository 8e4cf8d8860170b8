"""The page as people use it: Chromium before a whole installation."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from playwright.async_api import Browser, async_playwright, expect

from support.stack import Stack
from support.visitor import BROWSER_ARGUMENTS, Guests, Visitor

PHONE = {"width": 390, "height": 844}

# The machine may be busy: what the page owes at once is measured by the bench, not here.
expect.set_options(timeout=20_000)


@pytest.fixture(scope="session")
def page_stack(browser_path: str) -> Iterator[Stack]:
    """One `csp up` for all tests of the page that break nothing."""
    with Stack() as running:
        yield running


@pytest.fixture(scope="session")
async def browser(browser_path: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(
            executable_path=browser_path, args=list(BROWSER_ARGUMENTS)
        )
        yield running
        await running.close()


@pytest.fixture(scope="session")
def guests(browser: Browser, page_stack: Stack) -> Guests:
    return Guests(browser, page_stack)


@pytest.fixture
async def visitor(guests: Guests) -> AsyncIterator[Visitor]:
    """A signed-in person with one tab."""
    async with guests.visitor() as one:
        yield one


@pytest.fixture(params=["light", "dark", "phone"])
async def guest(request: pytest.FixtureRequest, guests: Guests) -> AsyncIterator[Visitor]:
    """The same person in each of the page's dresses, without motion."""
    settings: dict[str, Any] = {"reduced_motion": "reduce"}
    if request.param == "phone":
        settings |= {"viewport": PHONE, "has_touch": True, "is_mobile": True}
    else:
        settings |= {"color_scheme": request.param}
    async with guests.visitor(**settings) as one:
        yield one

"""Signing in and out."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from csp_controlplane.supervisor.access import OwnerAccess
from support.stack import Stack
from support.visitor import Guests

pytestmark = pytest.mark.browser


async def test_a_stranger_sees_how_to_sign_in(guests: Guests) -> None:
    async with guests.visitor(signed_in=False) as stranger:
        await stranger.page.goto(stranger.url)
        await expect(stranger.page.get_by_role("heading", name="Sign in")).to_be_visible()
        await expect(stranger.page.get_by_text("csp login")).to_be_visible()


async def test_a_password_signs_in_and_a_wrong_one_says_so(
    guests: Guests, page_stack: Stack
) -> None:
    async with OwnerAccess.open(page_stack.instance.database_url) as access:
        await access.add_user("ada@example.org", "Ada", "member", "correct horse battery")
    async with guests.visitor(signed_in=False) as ada:
        await ada.page.goto(f"{ada.url}/sessions/sesn_01K7Z00000000000000000000")
        await ada.page.get_by_label("Email").fill("ada@example.org")
        await ada.page.get_by_label("Password").fill("wrong password")
        await ada.button("Sign in").click()
        await expect(ada.page.get_by_role("alert")).to_contain_text("do not belong together")
        await ada.page.get_by_label("Password").fill("correct horse battery")
        await ada.button("Sign in").click()
        await expect(ada.page.get_by_role("heading", level=1)).to_contain_text("does not exist")


async def test_a_one_time_link_works_once_with_one_key(guests: Guests) -> None:
    link = await guests.link()
    async with guests.visitor(signed_in=False) as preview:
        await preview.page.goto(link)
        await preview.page.goto(link)
    async with guests.visitor(signed_in=False) as first:
        await first.page.goto(link)
        await expect(first.button("Sign in")).to_be_focused()
        await first.page.keyboard.press("Enter")
        await expect(first.composer).to_be_visible()
        assert first.page.url == f"{first.url}/"
    async with guests.visitor(signed_in=False) as second:
        await second.follow(link)
        await expect(second.page.get_by_role("heading")).to_contain_text("does not work any more")
        await expect(second.composer).to_have_count(0)


async def test_signing_out_in_one_tab_shows_in_the_next_request_of_the_other(
    guests: Guests,
) -> None:
    link = await guests.link()
    async with guests.visitor(signed_in=False) as person:
        await person.follow(link)
        await expect(person.composer).to_be_visible()
        await person.composer.fill("not sent yet")
        await person.page.context.clear_cookies()
        await person.composer.press("Enter")
        await expect(person.page.get_by_text("You were signed out")).to_be_visible()

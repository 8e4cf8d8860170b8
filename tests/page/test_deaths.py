"""A process that dies under a session: the page says so in plain words, at once."""

from __future__ import annotations

import signal

import pytest
from playwright.async_api import expect

from support.access import no_violations
from support.casualties import worker_of
from support.stack import Stack
from support.visitor import ANSWER_MS, Visitor
from support.worker_client import say, script, tool

pytestmark = pytest.mark.browser

SOON_MS = 2_000
SLOW = script(say("word ", n=400, chunk_delay=0.05))


async def answering(visitor: Visitor) -> str:
    session = await visitor.start(SLOW)
    await expect(visitor.kind("answer")).to_contain_text("word word", timeout=ANSWER_MS)
    return session


async def goes_on(visitor: Visitor) -> None:
    await visitor.turn(script(say("and on it goes")))
    await expect(visitor.kind("answer").last).to_contain_text("and on it goes")


async def test_a_killed_worker_is_said_within_2_s(guest: Visitor, page_stack: Stack) -> None:
    session = await answering(guest)
    worker = await worker_of(page_stack, session)
    worker.kill()
    end = guest.page.locator("[data-turn=interrupted]")
    await expect(end).to_contain_text("process ended unexpectedly", timeout=SOON_MS)
    await expect(end).to_contain_text("Everything up to here is saved")
    await expect(guest.kind("answer").first).to_contain_text("word word")
    await no_violations(guest)
    await worker.gone()
    await goes_on(guest)


async def test_a_killed_agent_is_said_within_2_s(visitor: Visitor, page_stack: Stack) -> None:
    session = await answering(visitor)
    worker = await worker_of(page_stack, session)
    worker.named("claude").send_signal(signal.SIGKILL)
    end = visitor.page.locator("[data-turn=interrupted]")
    await expect(end).to_contain_text("agent's process ended unexpectedly", timeout=SOON_MS)
    await goes_on(visitor)


async def test_a_question_whose_process_died_is_shown_as_no_longer_waiting(
    guest: Visitor, page_stack: Stack
) -> None:
    session = await guest.start(script(tool("Bash", command="touch never"), say("never")))
    await guest.asked()
    worker = await worker_of(page_stack, session)
    worker.kill()
    card = guest.tool("Bash")
    await expect(card).to_have_attribute("data-state", "expired", timeout=SOON_MS)
    await expect(card).to_contain_text("No longer waiting")
    await expect(guest.approval).to_have_count(0)
    await no_violations(guest)
    await worker.gone()
    await goes_on(guest)

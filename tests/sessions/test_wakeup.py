"""A wake-up call for one: it is not missed when it comes first, and refuses a second sleeper."""

from __future__ import annotations

import asyncio

import pytest

from csp_controlplane.live.wakeup import Wakeup


async def test_it_wakes_who_waits_and_who_comes_later() -> None:
    wakeup = Wakeup()
    waiter = asyncio.create_task(wakeup.wait())
    await asyncio.sleep(0)
    assert not waiter.done()
    wakeup.set()
    async with asyncio.timeout(5):
        await waiter
        await wakeup.wait()
    wakeup.clear()
    assert not wakeup.is_set()


async def test_a_second_waiter_is_refused_and_a_cancelled_one_leaves_its_place() -> None:
    wakeup = Wakeup()
    waiter = asyncio.create_task(wakeup.wait())
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="one waiter"):
        await wakeup.wait()
    waiter.cancel()
    await asyncio.gather(waiter, return_exceptions=True)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await wakeup.wait()

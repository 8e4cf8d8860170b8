"""Waiting for something that must come true, with a deadline instead of a sleep.

A test names what it waits for, so that a failure says what did not happen rather than that time
passed. Polling is for what has no event to wait on: a file, a process, another process's state.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast, overload

T = TypeVar("T")


class DeadlineExceeded(AssertionError):
    """What was waited for did not come true in time."""


@overload
async def wait_until(
    predicate: Callable[[], Awaitable[T]],
    deadline: float = ...,
    what: str = ...,
    interval: float = ...,
) -> T: ...


@overload
async def wait_until(
    predicate: Callable[[], T],
    deadline: float = ...,
    what: str = ...,
    interval: float = ...,
) -> T: ...


async def wait_until(
    predicate: Callable[[], T | Awaitable[T]],
    deadline: float = 30.0,
    what: str = "the condition",
    interval: float = 0.02,
) -> T:
    """The first truthy value of `predicate`, which may be a plain or an async function.

    Raises DeadlineExceeded after `deadline` seconds, with the last value seen. An exception of the
    predicate is the test's, and passes through.
    """
    end = time.monotonic() + deadline
    while True:
        outcome = predicate()
        if isinstance(outcome, Awaitable):
            outcome = await asyncio.wait_for(outcome, max(0.1, end - time.monotonic()))
        value = cast("T", outcome)
        if value:
            return value
        if time.monotonic() >= end:
            raise DeadlineExceeded(
                f"{what} did not come true within {deadline:g} s; last: {value!r}"
            )
        await asyncio.sleep(interval)


def wait_until_sync(
    predicate: Callable[[], T], deadline: float = 30.0, what: str = "the condition"
) -> T:
    """The same for fixtures that run outside an event loop."""
    end = time.monotonic() + deadline
    while not (value := predicate()):
        if time.monotonic() >= end:
            raise DeadlineExceeded(
                f"{what} did not come true within {deadline:g} s; last: {value!r}"
            )
        time.sleep(0.02)
    return value

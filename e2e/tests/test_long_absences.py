"""Ten minutes without a part of the cluster, with a session in mid-turn all the while.

`CSP_E2E_ABSENCE_SECONDS` makes them shorter, to try the tests themselves.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import httpx
import pytest

from e2e.installation import Installation
from e2e.sessions import (
    KIND,
    ended,
    followed,
    pod_of,
    resource,
    shown_is_stored,
    until_condition,
    watching,
)
from support.play import MODEL, say, script, slow
from support.viewer import Event, Viewer
from support.waiting import wait_until, wait_until_sync

pytestmark = [pytest.mark.long, pytest.mark.timeout(2400)]

AWAY_S = float(os.environ.get("CSP_E2E_ABSENCE_SECONDS", "600"))
_A_SECOND = 10
"""Pieces of the answer; the model pauses after each."""
_BEYOND_S = 120
"""For so long the answer goes on when the part is back."""
_DEADLINE_S = 2 * AWAY_S + 300


@asynccontextmanager
async def answering(installation: Installation) -> AsyncIterator[tuple[Viewer, Event]]:
    """A viewer, and the message whose answer takes longer than the absence. In the end the answer
    must be whole, of one pod, and in the database."""
    pieces = int((AWAY_S + _BEYOND_S) * _A_SECOND)
    async with watching(installation) as viewer:
        await viewer.turn(script(say("before. ")), deadline=120)
        pod = pod_of(installation, viewer.session_id)
        long = slow(pieces, pause=1 / _A_SECOND, word="tick ")
        message = await viewer.say(script(long))
        await viewer.partial(20, deadline=120)
        yield viewer, message
        end = await followed(viewer, message, deadline=_DEADLINE_S)
        assert end["outcome"] == "completed"
        assert viewer.text() == "before. " + "tick " * pieces
        assert (await viewer.turn(script(say("after")), deadline=180))["outcome"] == "completed"
        assert pod_of(installation, viewer.session_id)["uid"] == pod["uid"]
        await shown_is_stored(installation, viewer)


@asynccontextmanager
async def without(go: Callable[[], object], come_back: Callable[[], object]) -> AsyncIterator[None]:
    """The part is away inside, for the whole time."""
    await asyncio.to_thread(go)
    back = time.monotonic() + AWAY_S
    try:
        yield
        await wait_until(lambda: time.monotonic() >= back, AWAY_S + 60, "the time", interval=1)
    finally:
        await asyncio.to_thread(come_back)


def scaled(installation: Installation, kind: str, component: str, replicas: int) -> None:
    """Brings a part to so many replicas; returns when they are there and no others."""
    name = f"{kind}/csp-{component}"
    installation.csp("scale", name, f"--replicas={replicas}")
    installation.csp("rollout", "status", name, "--timeout=120s", timeout=150)
    there = ("pods", "-l", f"app.kubernetes.io/component={component}")
    wait_until_sync(lambda: len(installation.get(*there)) == replicas, 120, f"{name} scaled")


async def streams_on(viewer: Viewer, message: Event) -> None:
    """The answer is shown as it is made, for as long as the absence takes."""
    await viewer.partial(int(len("tick ") * AWAY_S * _A_SECOND), deadline=_DEADLINE_S)
    assert ended(viewer, message) is None


async def test_an_api_server_that_is_away_for_ten_minutes(installation: Installation) -> None:
    cluster = installation.cluster
    async with answering(installation) as (viewer, message):
        async with without(cluster.stop_api_server, cluster.start_api_server):
            await streams_on(viewer, message)
        await asyncio.to_thread(installation.ready)
    installation.apply(resource("later"))
    await until_condition(installation, "later", "Ready", deadline=180)
    installation.csp("delete", KIND, "later", "--wait=true")


async def test_an_operator_that_is_away_for_ten_minutes(installation: Installation) -> None:
    scale = partial(scaled, installation, "deployment", "operator")
    go, come_back = partial(scale, 0), partial(scale, 2)
    async with answering(installation) as (viewer, message):
        async with without(go, come_back):
            await asyncio.to_thread(installation.apply, resource("patient"))
            await streams_on(viewer, message)
        await until_condition(installation, "patient", "Ready", deadline=180)
    installation.csp("delete", KIND, "patient", "--wait=true")
    installation.ready()


async def test_a_postgresql_that_is_away_for_ten_minutes(installation: Installation) -> None:
    """Nothing new is accepted meanwhile; what was begun becomes durable afterwards."""
    scale = partial(scaled, installation, "statefulset", "postgresql")
    go, come_back = partial(scale, 0), partial(scale, 1)
    async with answering(installation) as (viewer, message):
        async with without(go, come_back):
            assert await accepts_nothing(installation)
            assert ended(viewer, message) is None
        await asyncio.to_thread(installation.ready)


async def accepts_nothing(installation: Installation) -> bool:
    """A gateway says that it cannot serve, or none is offered any more."""
    async with installation.client() as client:
        try:
            answer = await client.post("/agents", json={"name": "n", "model": MODEL})
        except httpx.TransportError:
            return True
    return answer.status_code == 503

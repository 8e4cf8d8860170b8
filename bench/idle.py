"""What a session that does nothing costs the gateway: its gRPC stream, its socket, its objects.

On a gateway of its own, because a used process has free memory that new sessions would fill for
nothing. The first sessions pay for what is made once and are not counted.
"""

from __future__ import annotations

import asyncio

from bench.figures import Figure
from bench.lab import Lab
from bench.meter import pss_bytes

FIRST = 50
COUNTED = 200
SETTLE_S = 3.0
"""Until timers of the last connections have run once."""


async def measure(lab: Lab, quick: bool) -> list[Figure]:
    """idle_session_kb."""
    counted = 100 if quick else COUNTED
    first = await lab.watched_sessions(FIRST)
    await asyncio.sleep(SETTLE_S)
    before = pss_bytes(lab.gateway.pid)
    more = await lab.watched_sessions(counted)
    await asyncio.sleep(SETTLE_S)
    after = pss_bytes(lab.gateway.pid)
    for one in first + more:
        one.client.close()
    detail = {
        "gateway MB before": before / 1e6,
        "gateway MB after": after / 1e6,
        "sessions": float(counted),
        "goal": 60.0,
    }
    return [Figure("idle_session_kb", (after - before) / 1000 / counted, 110.0, detail)]

"""Blows at what lies between two parts: connections break, or what is answered comes late.

Every link of a plane has a relay of the bench in it. A cut breaks all of a relay's connections and
lets new ones pass; a slow link keeps what is said to the client back, and says it in the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from bench.chaos.crowd import Crowd
from bench.chaos.ground import GATEWAYS, MODEL, PROXY, Ground
from bench.chaos.prey import hunt
from bench.chaos.schedule import Blow
from bench.chaos.worker_link import CUT, HOLD, RELEASE, tell
from support.choke import Choke

SLOW_S = (0.3, 2.3)
SLOW_WORKER_S = (0.3, 7.0)
"""The longest is longer than a worker waits for its writer."""


class Cuts:
    """`kinds` are the blows that can be struck here."""

    def __init__(self, ground: Ground, crowd: Crowd) -> None:
        self._ground = ground
        self._crowd = crowd
        databases, links = ground.stores.relays, ground.links
        self.kinds: dict[str, Callable[[Blow], Awaitable[bool]]] = {
            "worker link cut": self._cut_worker,
            "worker link slow": self._slow_worker,
        }
        for name, relays in (
            ("client", [links[gateway] for gateway in GATEWAYS]),
            ("database", [databases[gateway] for gateway in GATEWAYS]),
            ("proxy database", [databases[PROXY]]),
            ("cache", [databases["cache"]]),
            ("model", [links[MODEL]]),
        ):
            self.kinds[f"{name} link cut"] = _cutting(relays)
            self.kinds[f"{name} link slow"] = _slowing(relays)

    async def _cut_worker(self, blow: Blow) -> bool:
        found = await hunt(self._ground, self._crowd, blow, lambda person: person.unfinished() > 0)
        return found is not None and tell(self._ground.control(found.id), CUT)

    async def _slow_worker(self, blow: Blow) -> bool:
        found = await hunt(self._ground, self._crowd, blow, lambda person: person.writing)
        if found is None or not tell(self._ground.control(found.id), HOLD):
            return False
        await asyncio.sleep(_between(SLOW_WORKER_S, blow.how))
        tell(self._ground.control(found.id), RELEASE)
        return True


def _cutting(relays: list[Choke]) -> Callable[[Blow], Awaitable[bool]]:
    async def cut(blow: Blow) -> bool:
        await asyncio.to_thread(relays[blow.whom % len(relays)].cut)
        return True

    return cut


def _slowing(relays: list[Choke]) -> Callable[[Blow], Awaitable[bool]]:
    async def slow(blow: Blow) -> bool:
        relay = relays[blow.whom % len(relays)]
        await asyncio.to_thread(relay.hold_answers)
        try:
            await asyncio.sleep(_between(SLOW_S, blow.how))
        finally:
            await asyncio.to_thread(relay.release)
        return True

    return slow


def _between(least_and_most: tuple[float, float], how: float) -> float:
    least, most = least_and_most
    return least + (most - least) * how

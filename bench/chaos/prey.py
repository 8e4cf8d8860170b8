"""Finding a worker to hit: of somebody who is in the right situation, waited for a while."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from bench.chaos.crowd import Crowd
from bench.chaos.ground import Ground, Prey
from bench.chaos.person import Person
from bench.chaos.schedule import Blow

PREY_S = 20.0
LOOK_S = 0.05


async def hunt(
    ground: Ground, crowd: Crowd, blow: Blow, fit: Callable[[Person], bool]
) -> Prey | None:
    """None: nobody was in that situation for so long."""
    chance = random.Random(blow.whom)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PREY_S
    while loop.time() < deadline:
        for person in chance.sample(crowd.people, len(crowd.people)):
            if fit(person) and (found := await ground.worker(person.session)):
                return found
        await asyncio.sleep(LOOK_S)
    return None

"""The people of a chaos run: each has a session, speaks into it, watches it from several places.

They behave as clients should: a connection that ended, or that they had enough of, is made again at
either gateway, with what was seen. Some watch from the beginning, one comes late and reads all of
it, one reads the stream for programs. What they saw is kept for the checker.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import httpx

from bench.chaos.ground import GATEWAYS, Ground
from bench.chaos.listener import Listener
from bench.chaos.person import Person
from bench.chaos.voice import ANSWER_S, FOR_EVER_S, LOOK_S, Voice
from support.play import new_session
from support.viewer import Viewer
from support.waiting import DeadlineExceeded, wait_until

WATCHERS = 2
TRY_S = 20.0
"""Whoever does not get in for so long tries the other gateway, or the same once more."""

COMES_LATE_S = (10.0, 60.0)
FOR_GOOD = (4404, 4409, 4410)


class Crowd:
    """`begin`, then `end`; the tasks run between."""

    def __init__(self, ground: Ground, seed: int) -> None:
        self._ground = ground
        self._chance = random.Random(seed + 1)
        self.people: list[Person] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._speakers: list[asyncio.Task[None]] = []
        self._late: list[asyncio.Task[None]] = []
        self.restless = True

    async def begin(self, count: int) -> None:
        for place in range(count):
            base = f"{self._ground.url(GATEWAYS[0])}/api/v1"
            async with httpx.AsyncClient(
                base_url=base, headers=self._ground.headers, trust_env=False, timeout=ANSWER_S
            ) as client:
                session = await new_session(client)
            person = Person(session)
            self.people.append(person)
            for _ in range(WATCHERS):
                self._join(person, Viewer("", session, self._ground.headers))
            if place % 2:
                self._join(person, Listener("", session, self._ground.headers))
            else:
                self._late.append(self._task(self._come_late(person), f"late {session}"))
            voice = Voice(self._ground, person, self._chance, lambda: self.restless)
            self._speakers.append(self._task(voice.speak(), f"say {session}"))
            self._tasks.append(self._task(voice.answer(), f"answer {session}"))

    async def fall_silent(self) -> None:
        """Nobody says anything new; what was begun to be said is said to its end."""
        self.restless = False
        await asyncio.gather(*self._speakers, *self._late)

    async def end(self) -> None:
        tasks = (*self._tasks, *self._speakers, *self._late)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def failed(self) -> list[Exception]:
        """What people died of: a mistake of the bench."""
        tasks = [task for task in self._tasks if task.done() and not task.cancelled()]
        return [error for task in tasks if isinstance(error := task.exception(), Exception)]

    # ---- watching

    def _join(self, person: Person, watcher: Viewer | Listener) -> None:
        if isinstance(watcher, Viewer):
            person.sockets.append(watcher)
        else:
            person.streams.append(watcher)
        watching = self._watch(person, watcher)
        self._tasks.append(self._task(watching, f"watch {person.session}"))

    async def _come_late(self, person: Person) -> None:
        """Somebody who has seen nothing wants all of it."""
        await self._until_silence(self._chance.uniform(*COMES_LATE_S))
        self._join(person, Viewer("", person.session, self._ground.headers))

    async def _watch(self, person: Person, watcher: Viewer | Listener) -> None:
        while True:
            watcher.url = self._ground.url(self._chance.choice(GATEWAYS))
            try:
                await watcher.connect(deadline=TRY_S)
                await self._until_it_ends(watcher)
            except (DeadlineExceeded, TimeoutError):
                continue
            except AssertionError as error:
                person.problems.append(str(error))
                return
            person.reconnections += 1
            if watcher.closed is not None and watcher.closed[0] in FOR_GOOD:
                person.problems.append(f"closed: {watcher.closed}")
                return

    async def _until_it_ends(self, watcher: Viewer | Listener) -> None:
        """By itself, or because this client has had enough for now."""
        patience = self._chance.uniform(2, 30) if self.restless else FOR_EVER_S
        with suppress(DeadlineExceeded):
            await wait_until(
                lambda: watcher.closed is not None, patience, "a connection's end", LOOK_S
            )

    async def _until_silence(self, patience: float) -> None:
        with suppress(DeadlineExceeded):
            await wait_until(lambda: not self.restless, patience, "silence", LOOK_S)

    def _task(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        return asyncio.create_task(work, name=name)

    def state(self) -> list[dict[str, Any]]:
        """For a person who wonders what the run waits for."""
        return [
            {
                "session": person.session,
                "seq": [watcher.seq for watcher in person.watchers],
                "unfinished": person.unfinished(),
            }
            for person in self.people
        ]

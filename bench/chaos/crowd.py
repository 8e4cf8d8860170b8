"""The people of a chaos run: each has a session, speaks into it, watches it from several places.

They behave as clients should: a message that was not answered is sent again under its id, a
connection that ended is made again with what was seen. What they saw is kept for the checker.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx

from bench.chaos.ground import GATEWAYS, Ground
from support.play import new_session, slow
from support.viewer import Event, Viewer, text_message
from support.waiting import wait_until
from support.worker_client import script

WATCHERS = 2
ANSWER_S = 20.0
LOOK_S = 0.1
MOST_WAITING = 3


@dataclass
class Person:
    """One session and what its owner knows of it."""

    session: str
    viewers: list[Viewer]
    accepted: dict[str, Event] = field(default_factory=dict)
    """By client id: what was answered 2xx."""
    sent: dict[str, Event] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    reconnections: int = 0

    @property
    def writing(self) -> bool:
        """Whether somebody who is connected sees text that is still being written."""
        connected = [viewer for viewer in self.viewers if viewer.closed is None]
        return any(len(text) > 10 for viewer in connected for text in viewer.open.values())

    def unfinished(self) -> int:
        """Messages that were accepted and whose turn's end nobody here has seen."""
        seen = {
            message
            for event in max(self.viewers, key=lambda viewer: viewer.seq).facts
            if event["type"] == "span.turn_end"
            for message in event["message_ids"]
        }
        return sum(event["id"] not in seen for event in self.accepted.values())


class Crowd:
    """`begin`, then `end`; the tasks run between."""

    def __init__(self, ground: Ground, seed: int) -> None:
        self._ground = ground
        self._chance = random.Random(seed + 1)
        self.people: list[Person] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._speakers: list[asyncio.Task[None]] = []
        self.restless = True

    async def begin(self, count: int) -> None:
        for _ in range(count):
            async with self._client(GATEWAYS[0]) as client:
                session = await new_session(client)
            viewers = [
                Viewer(self._ground.url(GATEWAYS[place % len(GATEWAYS)]), session,
                       self._ground.headers)
                for place in range(WATCHERS)
            ]  # fmt: skip
            person = Person(session, viewers)
            self.people.append(person)
            for viewer in viewers:
                watching = self._watch(person, viewer)
                self._tasks.append(asyncio.create_task(watching, name=f"watch {session}"))
            self._speakers.append(asyncio.create_task(self._speak(person), name=f"say {session}"))

    async def fall_silent(self) -> None:
        """Nobody says anything new; what was begun to be said is said to its end."""
        self.restless = False
        await asyncio.gather(*self._speakers)

    async def end(self) -> None:
        for task in (*self._tasks, *self._speakers):
            task.cancel()
        await asyncio.gather(*self._tasks, *self._speakers, return_exceptions=True)

    # ---- speaking

    async def _speak(self, person: Person) -> None:
        while self.restless:
            words = self._chance.randrange(20, 120)
            await self._send(person, script(slow(words, 0.03)))
            patience = self._chance.uniform(1, 25)
            # Who is impatient sends the next message into the queue.
            await self._until(lambda: person.unfinished() == 0 or not self.restless, patience)
            await self._until(lambda: person.unfinished() <= MOST_WAITING or not self.restless)

    async def _send(self, person: Person, text: str) -> None:
        client_id = f"chaos-{secrets.token_hex(6)}"
        event = {**text_message(text), "client_id": client_id}
        person.sent[client_id] = event
        while True:
            gateway = self._chance.choice(GATEWAYS)
            try:
                async with self._client(gateway) as client:
                    answer = await client.post(
                        f"/sessions/{person.session}/events", json={"events": [event]}
                    )
            except httpx.HTTPError:
                await asyncio.sleep(0.1)
                continue
            if answer.status_code == 200:
                person.accepted[client_id] = answer.json()["data"][0]
                return
            if answer.status_code < 500 and answer.status_code != 429:
                person.problems.append(f"refused: {answer.status_code} {answer.text[:200]}")
                return
            await asyncio.sleep(0.2)

    def _client(self, gateway: str) -> httpx.AsyncClient:
        base = f"{self._ground.url(gateway)}/api/v1"
        return httpx.AsyncClient(
            base_url=base, headers=self._ground.headers, trust_env=False, timeout=ANSWER_S
        )

    # ---- watching

    async def _watch(self, person: Person, viewer: Viewer) -> None:
        while True:
            try:
                await viewer.connect(deadline=600)
                await self._until_it_ends(viewer)
            except AssertionError as error:
                person.problems.append(str(error))
                return
            person.reconnections += 1
            if viewer.closed is not None and viewer.closed[0] in (4404, 4409, 4410):
                person.problems.append(f"closed: {viewer.closed}")
                return

    async def _until_it_ends(self, viewer: Viewer) -> None:
        """By itself, or because this client has had enough for now."""
        patience = self._chance.uniform(2, 30) if self.restless else 10_000.0
        await self._until(lambda: viewer.closed is not None, patience)

    async def _until(self, seen: Callable[[], bool], patience: float = 10_000.0) -> None:
        with suppress(AssertionError):
            await wait_until(seen, patience, "what a person waits for", LOOK_S)

    def state(self) -> list[dict[str, Any]]:
        """For a person who wonders what the run waits for."""
        return [
            {"session": p.session, "seq": [v.seq for v in p.viewers], "unfinished": p.unfinished()}
            for p in self.people
        ]

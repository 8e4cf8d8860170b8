"""What one person of a chaos run says: messages, answers to questions, interruptions, changes.

What was not answered is said again under its id, by request or over a socket, to either gateway,
until it is accepted or refused. Only what may come too late may be refused.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress

import httpx

from bench.chaos.ground import GATEWAYS, Ground
from bench.chaos.person import Person
from support.play import bash, slow
from support.scripts import script
from support.shown import Event
from support.viewer import text_message
from support.waiting import DeadlineExceeded, wait_until

ANSWER_S = 20.0
LOOK_S = 0.1
AGAIN_S = 0.2
FOR_EVER_S = 10_000.0
MOST_WAITING = 3
BY_SOCKET = 0.4
TWO_ANSWER = 0.3
PASSING = ("overloaded_error", "api_error", "rate_limit_error")
LATE = ("user.tool_confirmation", "user.message_update", "user.message_cancel")
"""May be refused: the question, or the message in the queue, need not be there any more."""

SAME_LENGTH = 8


class Refused(Exception):
    """For good."""


class Voice:
    """`speak` ends when `restless` says no; `answer` goes on until it is cancelled."""

    def __init__(
        self, ground: Ground, person: Person, chance: random.Random, restless: Callable[[], bool]
    ) -> None:
        self._ground = ground
        self._person = person
        self._chance = chance
        self._restless = restless

    async def speak(self) -> None:
        ways = (self._talk, self._use_a_tool, self._interrupt, self._change, self._take_back)
        while self._restless():
            (way,) = self._chance.choices(ways, weights=(5, 3, 2, 2, 2))
            await way()
            patience = self._chance.uniform(1, 25)
            # Who is impatient sends the next message into the queue.
            await self._until(lambda: self._person.unfinished() == 0, patience)
            await self._until(lambda: self._person.unfinished() <= MOST_WAITING)

    async def answer(self) -> None:
        """Allows what the agent asks for; now and then in two places at once."""
        answered: set[str] = set()
        while True:
            self._person.learn()
            for question in self._person.questions:
                if question in answered:
                    continue
                allow = {"type": "user.tool_confirmation", "tool_use_id": question,
                         "result": "allow"}  # fmt: skip
                answers = 2 if self._chance.random() < TWO_ANSWER else 1
                await asyncio.gather(*(self._say(allow) for _ in range(answers)))
                answered.add(question)
            self._person.questions.clear()
            await asyncio.sleep(LOOK_S)

    # ---- ways to speak

    async def _talk(self) -> None:
        await self._say(self._message(self._chance.randrange(20, 120)))

    async def _use_a_tool(self) -> None:
        answer = slow(self._chance.randrange(5, 30), 0.03)
        await self._say(text_message(script(bash("echo ran >> ran"), answer)))

    async def _interrupt(self) -> None:
        await self._say(self._message(120))
        await self._until(lambda: self._person.writing, self._chance.uniform(0, 8))
        await self._say({"type": "user.interrupt"})

    async def _change(self) -> None:
        if waiting := await self._two():
            content = self._message(30)["content"]
            await self._say(
                {"type": "user.message_update", "message_id": waiting, "content": content}
            )

    async def _take_back(self) -> None:
        if waiting := await self._two():
            await self._say({"type": "user.message_cancel", "message_id": waiting})

    async def _two(self) -> str | None:
        """Two messages; the id of the second, which most probably waits."""
        await self._say(self._message(40))
        second = await self._say(self._message(20))
        return str(second["id"]) if second else None

    def _message(self, words: int) -> Event:
        """Its answer is of words that no other message has."""
        return text_message(script(slow(words, 0.03, f"{secrets.token_hex(SAME_LENGTH // 2)} ")))

    # ---- how it is said

    async def _say(self, event: Event) -> Event | None:
        """The event as it was accepted. None: it was refused."""
        client_id = f"chaos-{secrets.token_hex(6)}"
        event = {**event, "client_id": client_id}
        self._person.sent[client_id] = event
        while True:
            try:
                accepted = await self._way()(event)
            except Refused as refusal:
                self._person.refused.add(client_id)
                if event["type"] not in LATE:
                    self._person.problems.append(f"refused: {event['type']} {refusal}")
                return None
            if accepted is not None:
                self._person.accepted[client_id] = accepted
                return accepted
            await asyncio.sleep(AGAIN_S)

    def _way(self) -> Callable[[Event], Awaitable[Event | None]]:
        if self._person.connected and self._chance.random() < BY_SOCKET:
            return self._by_socket
        return self._by_request

    async def _by_request(self, event: Event) -> Event | None:
        base = f"{self._ground.url(self._chance.choice(GATEWAYS))}/api/v1"
        try:
            async with httpx.AsyncClient(
                base_url=base, headers=self._ground.headers, trust_env=False, timeout=ANSWER_S
            ) as client:
                answer = await client.post(
                    f"/sessions/{self._person.session}/events", json={"events": [event]}
                )
        except httpx.HTTPError:
            return None
        if answer.status_code == 200:
            accepted: Event = answer.json()["data"][0]
            return accepted
        _must_pass(answer.json()["error"])
        return None

    async def _by_socket(self, event: Event) -> Event | None:
        viewer = self._chance.choice(self._person.connected)
        client_id, known = event["client_id"], len(viewer.errors)

        def answers() -> list[Event]:
            return [e for e in viewer.errors[known:] if e.get("client_id") == client_id]

        await viewer.post(event, client_id=client_id)
        with suppress(DeadlineExceeded):
            await wait_until(
                lambda: client_id in viewer.acks or answers() or viewer.closed is not None,
                ANSWER_S, "an answer", LOOK_S,
            )  # fmt: skip
        if client_id in viewer.acks:
            return viewer.acks[client_id][0]
        for error in answers():
            _must_pass(error["error"])
        return None

    async def _until(self, seen: Callable[[], bool], patience: float = FOR_EVER_S) -> None:
        """Or until nobody is to say anything new."""
        with suppress(DeadlineExceeded):
            await wait_until(
                lambda: seen() or not self._restless(), patience, "what a person waits for", LOOK_S
            )


def _must_pass(error: Event) -> None:
    """Raises Refused unless the same can be said again later."""
    if error["type"] not in PASSING:
        raise Refused(f"{error['type']}: {error['message']}")

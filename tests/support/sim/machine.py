"""The search: Hypothesis chooses what happens next, and the promises are checked after each choice.

A run ends in peace: everything that is down comes back, all that waits is let go, and then each
message must have had its turn and everybody must have seen everything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from csp_controlplane.attach.tokens import WorkerTokens
from csp_controlplane.store import sessions
from csp_controlplane.store.database import Database
from support.sim.checks import Broken, always, in_peace
from support.sim.clock import VirtualLoop
from support.sim.plane import TENANT, Plane
from support.sim.worker import Worker
from support.viewer import text_message

REST_ROUNDS = 120
LETS_EACH_ROUND = 200
LETS_TO_BIND = 12
APPEND_FACTS = "before: append facts"
MOST_INTERRUPTS = 3
WORK = ["speak", "speak", "state", "ask", "finish"]
PLACES = st.integers(0, 1)


@dataclass
class Surroundings:
    """What all examples share."""

    loop: VirtualLoop
    db: Database
    directory: Path
    tokens: WorkerTokens
    jwks: Path
    url: str
    broken: list[Broken] = field(default_factory=list)
    """What was found, in order: when Hypothesis runs an example again and it goes another way, it
    reports that instead."""


class Machine(RuleBasedStateMachine):
    """One session, two gateways, and whatever can happen to them."""

    around: ClassVar[Surroundings]

    def __init__(self) -> None:
        super().__init__()
        around = self.around
        self.plane = Plane(around.loop, around.db, around.directory, around.tokens, around.jwks)
        self.failed = False
        self.said = 0
        self.interrupted = 0
        self.agreed = 0

    def _do(self, work: Callable[[], Awaitable[None] | None]) -> None:
        """One rule: the work, then quiet, then the promises."""
        try:
            self._run(self._then_check(work))
        except BaseException:
            self.failed = True
            raise

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            self.around.loop.run(work)
        except Broken as broken:
            self.around.broken.append(broken)
            raise

    async def _then_check(self, work: Callable[[], Awaitable[None] | None]) -> None:
        doing = work()
        if doing is not None:
            await doing
        await self.around.loop.settle()
        await always(self.plane)

    @initialize()
    def begin(self) -> None:
        self._do(self.plane.begin)

    # ---- what goes on

    @rule(choices=st.lists(st.integers(0, 9), min_size=1, max_size=12))
    def go_on(self, choices: list[int]) -> None:
        """Somebody who waits goes on: mostly whoever has waited longest."""
        for choice in choices:
            if waiting := self.plane.steps.waiting:
                point = waiting[choice % len(waiting) if choice > 4 else 0]
                self._do(partial(self.plane.steps.let, point))

    @rule(place=PLACES, again=st.booleans())
    def say(self, place: int, again: bool) -> None:
        """A person sends a message, or sends one again whose answer did not come."""
        gateway = self.plane.gateways[place]
        if gateway is None or self.said > 4:
            return
        self.said += not again
        self._do(partial(gateway.send, f"m{self.said}", text_message("hello")))

    @rule(place=PLACES)
    def interrupt(self, place: int) -> None:
        """A person wants the running turn to end."""
        gateway = self.plane.gateways[place]
        if gateway is not None and self.interrupted < MOST_INTERRUPTS:
            self.interrupted += 1
            self._do(partial(gateway.send, f"i{self.interrupted}", {"type": "user.interrupt"}))

    @rule(which=st.integers(0, 3))
    def agree(self, which: int) -> None:
        """Two people answer the same question at once, each at a gateway."""
        asked = [tool_use for worker in self.plane.workers.values() for tool_use in worker.asked]
        if not asked:
            return
        answer = {"type": "user.tool_confirmation", "tool_use_id": asked[which % len(asked)],
                  "result": "allow"}  # fmt: skip
        for gateway in filter(None, self.plane.gateways):
            self.agreed += 1
            self._do(partial(gateway.send, f"y{self.agreed}", answer))

    @rule(which=st.integers(0, 3), what=st.sampled_from(WORK))
    def answer(self, which: int, what: str) -> None:
        """A CLI goes on with its answer, also one whose worker is given up."""
        self._do(partial(self._answer, which, what))

    async def _answer(self, which: int, what: str) -> None:
        answering = [
            worker
            for worker in self.plane.workers.values()
            if worker.answering and await self.plane.admits(worker)
        ]
        if answering:
            getattr(answering[which % len(answering)], what)()

    @rule(seconds=st.sampled_from([0.1, 1.0, 6.0, 11.0]))
    def wait(self, seconds: float) -> None:
        self._do(partial(asyncio.sleep, seconds))

    @rule(place=PLACES)
    def look(self, place: int) -> None:
        """A gateway reads what no message announced."""
        if (gateway := self.plane.gateways[place]) is not None:
            self._do(gateway.catch_up)

    # ---- what goes wrong

    @rule(place=PLACES, arrive=st.booleans())
    def kill_gateway(self, place: int, arrive: bool) -> None:
        self._do(partial(self.plane.kill_gateway, place, arrive))

    @rule(place=PLACES)
    def start_gateway(self, place: int) -> None:
        self._do(partial(self.plane.start_gateway, place))

    @rule(which=st.integers(0, 3), arrive=st.booleans())
    def kill_worker(self, which: int, arrive: bool) -> None:
        living = self._living()
        if living:
            self._do(partial(self.plane.kill_worker, living[which % len(living)], arrive))

    @rule()
    def lose_sight_of_worker(self) -> None:
        self._do(self.plane.lose_sight)

    @rule()
    def give_up_worker(self) -> None:
        """Another worker is bound while what the old one said is on its way into the log."""
        self._do(self.plane.lose_sight)
        self._do(self.plane.expire_lease)
        for _ in range(LETS_TO_BIND):
            if not (others := [p for p in self.plane.steps.waiting if p.what != APPEND_FACTS]):
                self._do(partial(asyncio.sleep, 1.0))
                continue
            self._do(partial(self.plane.steps.let, others[0]))

    @rule(place=PLACES, which=st.integers(0, 3))
    def break_link(self, place: int, which: int) -> None:
        gateway = self.plane.gateways[place]
        streams = [s for s in gateway.streams if not s.broken] if gateway else []
        if streams:
            self._do(streams[which % len(streams)].sever)

    @rule()
    def expire_lease(self) -> None:
        self._do(self.plane.expire_lease)

    def _living(self) -> list[Worker]:
        return [worker for worker in self.plane.workers.values() if worker.alive]

    # ---- the end

    def teardown(self) -> None:
        try:
            if not self.failed and self.plane.gateways != [None, None]:
                self._run(self._rest())
        finally:
            self.around.loop.run(self.plane.close())

    async def _rest(self) -> None:
        plane = self.plane
        for place in range(len(plane.gateways)):
            await plane.start_gateway(place)
        for _ in range(REST_ROUNDS):
            for _ in range(LETS_EACH_ROUND):
                if not plane.steps.waiting:
                    break
                plane.steps.let(plane.steps.waiting[0])
                await self.around.loop.settle()
            for worker in self._living():
                if worker.answering and await plane.admits(worker):
                    worker.finish()
            for gateway in plane.gateways:
                assert gateway is not None
                await gateway.catch_up()
            await asyncio.sleep(1.0)
            await self.around.loop.settle()
            if await self._rests():
                await in_peace(plane)
                return
        row = await sessions.load(plane.db, TENANT, plane.session)
        raise Broken(f"the session does not come to rest: {row and row.fold}")

    async def _rests(self) -> bool:
        row = await sessions.load(self.plane.db, TENANT, self.plane.session)
        assert row is not None
        shown = all(viewer.seq == row.last_seq for viewer in self.plane.viewers)
        undone = row.fold.queue or row.fold.turn or row.fold.needs_worker
        return shown and not undone and not self.plane.steps.waiting

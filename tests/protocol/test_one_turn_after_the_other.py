"""A turn is over in the worker, and the log does not know it yet, while the next message waits."""

from __future__ import annotations

from functools import partial

import pytest

from support.sim.machine import APPEND_FACTS, Machine, Surroundings
from support.sim.steps import Point

pytestmark = pytest.mark.timeout(300)


def let_all_but(machine: Machine, held: str) -> None:
    steps = machine.plane.steps

    def others() -> list[Point]:
        return [point for point in steps.waiting if point.what != held]

    while points := others():
        machine._do(partial(steps.let, points[0]))


def test_the_model_is_not_asked_for_the_next_message_before_the_log_has_the_end_of_the_turn(
    around: Surroundings,
) -> None:
    machine = Machine()
    plane = machine.plane
    try:
        machine.begin()
        machine.say(0, False)
        let_all_but(machine, "")
        machine.say(0, False)
        let_all_but(machine, "")
        (worker,) = plane.workers.values()
        assert worker.answering and around.loop.run(plane.admits(worker))
        machine._do(worker.finish)
        let_all_but(machine, APPEND_FACTS)
        assert not worker.answering
        let_all_but(machine, "")
        assert worker.answering and around.loop.run(plane.admits(worker))
    finally:
        around.loop.run(plane.close())

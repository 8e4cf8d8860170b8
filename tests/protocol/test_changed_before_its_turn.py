"""A message is changed at one gateway while the other is writing down that its turn begins."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from support.sim.machine import Machine, Surroundings
from support.sim.plane import Gateway
from support.sim.steps import Point
from support.viewer import text_message

pytestmark = pytest.mark.timeout(300)

CHANGES: dict[str, dict[str, Any]] = {
    "message_changed": {"type": "user.message_update", "content": text_message("new")["content"]},
    "message_cancelled": {"type": "user.message_cancel"},
}


def let(machine: Machine, which: Callable[[Point], bool]) -> None:
    """Goes on with these steps and no others, until none of them is left."""
    steps = machine.plane.steps
    while points := [point for point in steps.waiting if which(point)]:
        machine._do(partial(steps.let, points[0]))


def appends(point: Point) -> bool:
    return point.what == "before: append facts"


def by_name(machine: Machine, name: str) -> Gateway:
    return next(g for g in machine.plane.gateways if g is not None and g.name == name)


@pytest.mark.parametrize("reason", CHANGES)
def test_what_was_accepted_before_the_turn_is_in_the_log_ends_it(
    reason: str, around: Surroundings
) -> None:
    machine = Machine()
    plane = machine.plane
    try:
        machine.begin()
        machine.say(0, False)
        let(machine, lambda point: not appends(point))
        (append,) = plane.steps.waiting
        writer = by_name(machine, append.actor)
        (other,) = (g for g in plane.gateways if g is not None and g is not writer)
        change = {**CHANGES[reason], "message_id": plane.accepted["m1"]}
        machine._do(partial(other.send, "change", change))
        let(machine, lambda point: point.actor == other.name)
        assert "change" in plane.accepted
        let(machine, lambda point: point.actor == writer.name)
        # The other gateway's stream is as slow as it can be.
        let(machine, lambda point: point.actor.startswith(f"{writer.name}-"))
        (worker,) = plane.workers.values()
        assert worker.session is not None and worker.session.turns.current is not None
        assert worker.session.turns.current.stop == reason
    finally:
        around.loop.run(plane.close())

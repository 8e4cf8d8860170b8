"""A gateway binds a worker and then says so: two steps, between which it may die or be too late."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from csp_controlplane.attach import lifecycle
from csp_controlplane.store import sessions
from support.sim.checks import rows_of
from support.sim.machine import Machine, Surroundings
from support.sim.plane import TENANT, Gateway, Plane

pytestmark = pytest.mark.timeout(300)

SAYS_SO = "before: append control events"
"""Nobody has said anything yet, so that it can be nothing else."""


def go_on_until_it_says_so(machine: Machine) -> int:
    """Where the gateway is that has bound the worker."""
    steps = machine.plane.steps
    while steps.waiting[0].what != SAYS_SO:
        machine._do(partial(steps.let, steps.waiting[0]))
    names = [gateway.name for gateway in machine.plane.gateways if gateway is not None]
    return names.index(steps.waiting[0].actor)


def gateway(plane: Plane, place: int) -> Gateway:
    found = plane.gateways[place]
    assert found is not None
    return found


def test_a_gateway_that_dies_before_it_says_so_costs_no_worker(around: Surroundings) -> None:
    machine = Machine()
    try:
        machine.begin()
        place = go_on_until_it_says_so(machine)
        machine.kill_gateway(place, False)
        machine.say(1 - place, False)
    finally:
        machine.teardown()  # in which all comes to rest
    log, epochs = around.loop.run(rows_of(machine.plane))
    codes = [row.body["code"] for row in log if row.type == "session.notice"]
    assert codes == ["worker_bound"]
    assert len(epochs) == 1


def test_who_gives_up_after_another_had_a_worker_does_not_say_that_there_is_none(
    around: Surroundings,
) -> None:
    machine = Machine()
    plane = machine.plane
    try:
        machine.begin()
        place = go_on_until_it_says_so(machine)
        machine._do(partial(plane.steps.let, plane.steps.waiting[0]))
        late = gateway(plane, 1 - place)
        core = replace(late.core, db=plane.db)
        around.loop.run(lifecycle.say_bind_failed(core, late.hub, "No worker has become ready."))
        row = around.loop.run(sessions.load(plane.db, TENANT, plane.session))
        assert row.fold.state == "active"
    finally:
        machine.teardown()

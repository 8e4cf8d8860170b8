"""Clocks that are wrong by hours decide nothing: neither the control plane's, nor a kubelet's, nor
the operator's own, nor that of an operator that is no more."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from time import monotonic
from typing import Any

import pytest

from csp_crds import names
from csp_operator.clock import ServerClock
from support.heartbeat import Heartbeat
from support.kube import POOLS, SESSIONS, Kube, Object, StandInNode, bound, pool, session
from support.operator_process import OperatorProcess
from support.settled import full
from support.waiting import wait_until

Start = Callable[..., OperatorProcess]
HOURS = timedelta(hours=3)
TRUE_TIME = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def text(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize("wrong", [-HOURS, HOURS], ids=["behind", "ahead"])
def test_the_operators_own_clock_is_put_right_by_the_first_answer(wrong: timedelta) -> None:
    passed = [0.0]
    clock = ServerClock(wall=lambda: TRUE_TIME + wrong, monotonic=lambda: passed[0])
    assert clock.now() == TRUE_TIME + wrong
    clock.hear(format_datetime(TRUE_TIME, usegmt=True))
    assert clock.now() == TRUE_TIME
    passed[0] = 90.0
    assert clock.now() == TRUE_TIME + timedelta(seconds=90)


def test_rounding_and_nonsense_do_not_move_the_clock() -> None:
    passed = [0.0]
    clock = ServerClock(wall=lambda: TRUE_TIME, monotonic=lambda: passed[0])
    clock.hear(format_datetime(TRUE_TIME, usegmt=True))
    passed[0] = 10.9
    clock.hear(format_datetime(TRUE_TIME + timedelta(seconds=10), usegmt=True))
    for nothing in (None, "", "yesterday", "Sun, 99 Foo 2026 00:00:00 GMT"):
        clock.hear(nothing)
    passed[0] = 11.5
    assert clock.now() == TRUE_TIME + timedelta(seconds=11)


async def test_what_the_control_plane_dates_wrongly_is_neither_idle_nor_busy(
    kube: Kube, node: StandInNode, operator: OperatorProcess, gateways: Heartbeat
) -> None:
    await kube.create(POOLS, pool())
    for name, idle_timeout in (("old", "30m"), ("new", "2s")):
        await kube.create(SESSIONS, session(name, lifecycle={"idleTimeout": idle_timeout}))
        await kube.until(SESSIONS, name, bound)
    await _report(kube, "old", datetime.now(UTC) - HOURS)
    await _report(kube, "new", datetime.now(UTC) + HOURS)
    await kube.until(SESSIONS, "new", lambda found: found["status"]["phase"] == "Paused")
    assert bound(await kube.get(SESSIONS, "old"))


async def test_a_kubelet_that_dates_wrongly_costs_its_pods_no_time(
    kube: Kube, node: StandInNode, start_operator: Start
) -> None:
    start_operator({"CSP_OPERATOR_UNREADY_SECONDS": "3"})
    await kube.create(POOLS, pool())
    await full(kube, 2)
    victims = [pod["metadata"]["name"] for pod in await kube.pods()]
    begun = monotonic()
    for name, wrong in zip(victims, (-HOURS, HOURS), strict=True):
        ready = {"type": "Ready", "status": "False"}
        ready["lastTransitionTime"] = text(datetime.now(UTC) + wrong)
        await kube.merge("pods", name, {"status": {"conditions": [ready]}}, sub="status")
    ended: dict[str, float] = {}

    async def replaced() -> bool:
        there = {pod["metadata"]["name"] for pod in await kube.pods()}
        for name in victims:
            if name not in there:
                ended.setdefault(name, monotonic() - begun)
        return len(ended) == 2 and len(there) == 2

    await wait_until(replaced, 30, "two other pods")
    assert min(ended.values()) >= 3


@pytest.mark.parametrize("wrong", [-HOURS, HOURS], ids=["behind", "ahead"])
async def test_a_lease_of_a_dead_leader_with_a_wrong_clock_is_taken(
    kube: Kube, node: StandInNode, start_operator: Start, wrong: timedelta
) -> None:
    at = (datetime.now(UTC) + wrong).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    spec = {"holderIdentity": "dead", "leaseDurationSeconds": 2, "renewTime": at, "acquireTime": at}
    lease: Object = {"metadata": {"name": "csp-operator"}, "spec": spec}
    await kube.create("leases", lease)
    start_operator()
    await kube.create(POOLS, pool())
    await kube.create(SESSIONS, session("one"))
    await kube.until(SESSIONS, "one", bound)


async def _report(kube: Kube, name: str, when: datetime) -> None:
    """The control plane says that no turn runs, by its own clock."""

    def says(kind: str, status: str) -> dict[str, Any]:
        changed = {"lastTransitionTime": text(when), "message": ""}
        return {"type": kind, "status": status, "reason": "Test", **changed}

    conditions = [says("Ready", "True"), says("TurnActive", "False")]
    status = {"lastActivity": text(when), "conditions": conditions}
    await kube.apply_status(SESSIONS, name, names.CONTROL_PLANE_MANAGER, status)

"""What a pool needs, rule by rule."""

from __future__ import annotations

from typing import Any

import pytest

from csp_crds.pool import AgentPoolSpec, AgentPoolStatus
from csp_operator.decide.percent import resolve
from csp_operator.decide.pool_status import pool_status
from csp_operator.decide.pools import PoolFacts, PoolPlan, census, decide_pool
from csp_operator.views import PodView, PoolView, Trouble
from support.views import NOW, ago, claimed_pod, pod_view, starting_pod


def spec(**more: Any) -> AgentPoolSpec:
    scaling = {"targetSpare": 4, "cooldownSeconds": 60} | more.pop("scaling", {})
    return AgentPoolSpec.model_validate({"template": {"image": "i"}, "scaling": scaling, **more})


def decide(pods: list[PodView], pool: AgentPoolSpec | None = None, **more: Any) -> PoolPlan:
    values: dict[str, Any] = {"reserved": frozenset(), "pending": 0, "now": NOW, "clock": 1000.0}
    return decide_pool(PoolFacts(pool or spec(), "new", pods, **(values | more)))


def ready(count: int, **changes: Any) -> list[PodView]:
    return [pod_view(f"p{number}", **changes) for number in range(count)]


def removed(plan: PoolPlan) -> dict[str, str]:
    return {item.pod.uid: item.why for item in plan.remove}


@pytest.mark.parametrize(
    ("pods", "create"),
    [
        ([], 4),
        (ready(3), 1),
        (ready(4), 0),
        ([*ready(2), starting_pod("s")], 1),
        ([*ready(4), claimed_pod("c")], 0),
        ([*ready(3), claimed_pod("c")], 1),
        ([*ready(3), pod_view("d", deleting=True)], 1),
    ],
)
def test_missing_pods_are_made(pods: list[PodView], create: int) -> None:
    assert decide(pods).create == create


def test_what_was_asked_for_and_not_answered_counts() -> None:
    assert decide(ready(1), pending=2).create == 1


def test_not_more_start_together_than_allowed() -> None:
    pool = spec(refill={"maxConcurrent": 3})
    assert decide([], pool).create == 3
    assert decide([starting_pod("s1"), starting_pod("s2")], pool).create == 1
    assert decide([], pool, pending=3).create == 0


def test_not_more_are_made_in_a_second_than_allowed() -> None:
    plan = decide([], allowance=1)
    assert (plan.create, plan.look_again_s) == (1, 1.0)


@pytest.mark.parametrize(
    ("scaling", "wanted"),
    [
        ({"targetSpare": 2}, 2),
        ({"targetSpare": 2, "minWarm": 5}, 5),
        ({"targetSpare": 0, "minWarm": 1}, 1),
        ({"targetSpare": 0, "maxWarm": 0}, 0),
    ],
)
def test_min_warm_is_a_floor(scaling: dict[str, int], wanted: int) -> None:
    assert decide([], spec(scaling=scaling)).create == wanted


def test_too_many_go_after_the_cooldown_only() -> None:
    first = decide(ready(6))
    assert (first.surplus_since, first.look_again_s, removed(first)) == (1000.0, 60.0, {})
    later = decide(ready(6), surplus_since=1000.0, clock=1061.0)
    assert set(removed(later).values()) == {"surplus"}
    assert len(later.remove) == 2


def test_the_least_useful_go_first() -> None:
    pods = [*ready(4), starting_pod("slow"), starting_pod("old", template_hash="old")]
    plan = decide(pods, surplus_since=0.0, clock=1000.0)
    assert removed(plan) == {"old": "outdated", "slow": "surplus"}


def test_ended_pods_go_at_once() -> None:
    plan = decide([*ready(3), pod_view("dead", phase="Failed")])
    assert (removed(plan), plan.create) == ({"dead": "ended"}, 1)


def test_a_pod_that_hangs_is_replaced() -> None:
    lately, hung = pod_view("p8", ready=False), pod_view("p9", ready=False)
    plan = decide([*ready(2), lately, hung], unready_since={"p8": 990.0, "p9": 939.0})
    assert removed(plan) == {"p9": "unready"}
    assert plan.create == 1
    assert plan.look_again_s == 50


@pytest.mark.parametrize("told", [-7200, 7200], ids=["behind", "ahead"])
def test_the_clock_of_a_kubelet_makes_no_pod_hang(told: int) -> None:
    pods = [*ready(3), pod_view("p9", ready=False, ready_since=ago(told))]
    assert removed(decide(pods, unready_since={"p9": 941.0})) == {}
    assert removed(decide(pods, unready_since={"p9": 940.0})) == {"p9": "unready"}


@pytest.mark.parametrize(
    ("arriving", "held_since", "create", "again"),
    [
        (0, None, 2, None),
        (2, None, 0, 0.1),
        (2, 999.0, 0, 0.1),
        (2, 998.05, 0, pytest.approx(0.05)),
        (2, 998.0, 2, None),
        (3, None, 2, None),
    ],
    ids=["nobody", "enough", "still", "nearly", "too-long", "not-enough"],
)
def test_a_refill_waits_for_people_while_there_are_pods_for_them(
    arriving: int, held_since: float | None, create: int, again: object
) -> None:
    plan = decide(ready(2), arriving=arriving, held_since=held_since)
    assert (plan.create, plan.look_again_s) == (create, again)
    assert plan.held_since == (None if create else held_since or 1000.0)


def test_after_failures_the_pool_waits() -> None:
    plan = decide([], failures=3, failed_at=998.0)
    assert (plan.create, plan.held_back_s) == (0, 6.0)
    assert decide([], failures=3, failed_at=990.0).create == 4


def test_a_pod_that_is_being_claimed_is_left_alone() -> None:
    plan = decide(ready(6), surplus_since=0.0, clock=1000.0, reserved=frozenset({"p5"}))
    assert "p5" not in removed(plan)


# ---- a new template


def old(count: int, **changes: Any) -> list[PodView]:
    return [pod_view(f"old{n}", template_hash="old", created=ago(99 + n), **changes)
            for n in range(count)]  # fmt: skip


def test_a_rolling_update_keeps_enough_ready() -> None:
    pool = spec(updateStrategy={"maxUnavailable": 1})
    plan = decide(old(4), pool)
    assert removed(plan) == {"old3": "outdated"}  # the oldest
    assert plan.create == 1
    waiting = decide([*old(3), starting_pod("new1")], pool)
    assert removed(waiting) == {}
    assert removed(decide([*old(3), pod_view("new1")], pool)) == {"old2": "outdated"}


def test_old_pods_that_are_not_ready_go_at_once() -> None:
    plan = decide(old(4, ready=False, was_ready=False))
    assert len(plan.remove) == 4
    assert plan.create == 4


def test_claimed_pods_are_never_touched() -> None:
    plan = decide([claimed_pod("c", template_hash="old"), *ready(4)])
    assert plan.remove == ()


def test_on_claim_old_pods_are_used_up() -> None:
    plan = decide(old(3), spec(updateStrategy={"type": "OnClaim"}))
    assert (plan.remove, plan.create) == ((), 1)


@pytest.mark.parametrize(
    ("value", "of", "number"), [(3, 10, 3), ("25%", 10, 3), ("25%", 1, 1), ("100%", 7, 7)]
)
def test_shares_are_rounded_up(value: int | str, of: int, number: int) -> None:
    assert resolve(value, of) == number


# ---- the status


def view(pool: AgentPoolSpec) -> PoolView:
    return PoolView("ns", "default", "pool-uid", 1, 1, False, pool, AgentPoolStatus(), None)


@pytest.mark.parametrize(
    ("pods", "more", "available", "progressing", "unschedulable"),
    [
        (ready(4), {}, "PodsWait", ("True", "Complete"), "False"),
        (ready(1), {}, "PodsWait", ("True", "Filling"), "False"),
        ([], {}, "NoneReady", ("True", "Filling"), "False"),
        ([], {"refused": "exceeded quota"}, "NoneReady", ("False", "PodsRefused"), "False"),
        ([], {"held_back_s": 3.0}, "NoneReady", ("False", "PodsFail"), "False"),
        (
            [starting_pod("s", trouble=Trouble("Unschedulable", "0/3 nodes are available"))],
            {},
            "NoneReady",
            ("False", "Unschedulable"),
            "True",
        ),
        (
            [starting_pod("s", trouble=Trouble("ImagePullBackOff", "Back-off pulling image"))],
            {},
            "NoneReady",
            ("False", "ImagePull"),
            "False",
        ),
        ([*ready(3), *old(1)], {}, "PodsWait", ("True", "Updating"), "False"),
    ],
)
def test_conditions_say_why(
    pods: list[PodView],
    more: dict[str, Any],
    available: str,
    progressing: tuple[str, str],
    unschedulable: str,
) -> None:
    status = pool_status(view(spec()), census(pods), "new", NOW, **more)
    by_type = {item.type: item for item in status.conditions}
    assert by_type["Available"].reason == available
    assert (by_type["Progressing"].status, by_type["Progressing"].reason) == progressing
    assert by_type["Unschedulable"].status == unschedulable


def test_the_scheduler_and_the_kubelet_are_quoted() -> None:
    pods = [starting_pod("s", trouble=Trouble("Unschedulable", "0/3 nodes are available"))]
    status = pool_status(view(spec()), census(pods), "new", NOW)
    assert {item.message for item in status.conditions[1:]} == {"0/3 nodes are available"}

"""What the pool decides, as tables."""

from __future__ import annotations

import pytest

from csp_controlplane.supervisor.demand import Demand
from csp_controlplane.supervisor.pool import Observed, PoolPolicy, Spare, choose, plan, targets
from csp_crds.agent import AgentSpec

POLICY = PoolPolicy(default_profile="d", warm=2, total=4, recent_s=100.0, parallel_starts=1)


def spare(name: str, profile: str = "d", *, ready: bool = True, at: float = 0.0) -> Spare:
    return Spare(name, profile, ready, at)


def seen(
    *spares: Spare,
    now: float = 1000.0,
    used: dict[str, float] | None = None,
    retry: dict[str, float] | None = None,
    starting: int = 0,
    room: int = 10,
) -> Observed:
    return Observed(now, spares, used or {}, retry or {}, starting, room)


@pytest.mark.parametrize(
    ("used", "expected"),
    [
        ({}, {"d": 2}),
        ({"d": 999.0}, {"d": 2}),
        ({"a": 950.0}, {"d": 2, "a": 1}),
        ({"a": 900.0}, {"d": 2}),
        ({"a": 950.0, "b": 960.0, "c": 940.0}, {"d": 2, "b": 1, "a": 1}),
    ],
)
def test_the_latest_used_profiles_get_a_spare_within_the_total(
    used: dict[str, float], expected: dict[str, int]
) -> None:
    assert targets(POLICY, used, 1000.0) == expected


def test_a_pool_of_zero_keeps_nothing_for_anyone() -> None:
    policy = PoolPolicy("d", 0, 4, 100.0, 1)
    assert targets(policy, {"a": 999.0}, 1000.0) == {"d": 0}
    assert plan(policy, seen(used={"a": 999.0})).start == ()


@pytest.mark.parametrize(
    ("observed", "start"),
    [
        (seen(), ("d",)),
        (seen(spare("1", ready=False)), ()),
        (seen(spare("1")), ("d",)),
        (seen(spare("1"), spare("2")), ()),
        (seen(spare("1"), starting=1), ()),
        (seen(spare("1"), room=0), ()),
        (seen(spare("1"), spare("2"), used={"a": 999.0}), ("a",)),
        (seen(spare("1"), used={"a": 999.0}), ("d",)),
        (seen(retry={"d": 1001.0}), ()),
        (seen(retry={"d": 999.0}), ("d",)),
        (seen(retry={"d": 1001.0}, used={"a": 999.0}), ("a",)),
    ],
)
def test_refill_starts_one_at_a_time_and_what_is_missing(
    observed: Observed, start: tuple[str, ...]
) -> None:
    assert plan(POLICY, observed).start == start


def test_the_place_of_a_taken_spare_stays_empty_for_a_moment() -> None:
    demand = Demand(AgentSpec(), refill_delay=2.0)
    profile = demand.default_profile
    assert demand.start_at() == {}
    demand.spare_taken(profile, 100.0)
    demand.spare_taken(profile, 101.0)
    assert demand.start_at() == {profile: 102.0}, "many sessions do not put it off for ever"
    demand.spare_taken(profile, 102.0)
    assert demand.start_at() == {profile: 104.0}


def test_after_a_failure_the_longer_wait_counts() -> None:
    demand = Demand(AgentSpec(), refill_delay=2.0)
    demand.used(AgentSpec(), 100.0)
    retry_s = demand.spare_failed(demand.default_profile, "no", 100.0)
    assert demand.start_at()[demand.default_profile] == 100.0 + max(2.0, retry_s)


def test_more_may_start_at_once_where_there_are_processors() -> None:
    policy = PoolPolicy("d", 3, 4, 100.0, 2)
    assert plan(policy, seen()).start == ("d", "d")


def test_a_surplus_ends_with_those_that_are_not_ready_then_the_youngest() -> None:
    observed = seen(
        spare("old", at=1), spare("young", at=3), spare("middle", at=2), spare("x", ready=False)
    )
    assert plan(POLICY, observed).stop == ("x", "young")


def test_spares_of_a_profile_that_is_no_longer_used_end() -> None:
    observed = seen(spare("1"), spare("2"), spare("3", "a"), used={"a": 100.0})
    assert plan(POLICY, observed).stop == ("3",)


@pytest.mark.parametrize(
    ("observed", "seconds"),
    [
        (seen(spare("1"), spare("2")), None),
        (seen(retry={"d": 1004.0}), 4.0),
        (seen(spare("1"), spare("2"), spare("3", "a"), used={"a": 990.0}), 90.0),
    ],
)
def test_the_plan_says_when_time_alone_changes_it(
    observed: Observed, seconds: float | None
) -> None:
    assert plan(POLICY, observed).look_again_s == seconds


@pytest.mark.parametrize(
    ("spares", "expected"),
    [
        ([], None),
        ([spare("1")], ("1", "warm")),
        ([spare("2", at=2), spare("1", at=1)], ("1", "warm")),
        ([spare("1", "a"), spare("2")], ("2", "warm")),
        ([spare("1", "a"), spare("2", ready=False)], ("1", "partial")),
        ([spare("1", ready=False)], ("1", "starting")),
        ([spare("1", "a", ready=False)], None),
    ],
)
def test_a_session_gets_the_spare_that_is_usable_soonest(
    spares: list[Spare], expected: tuple[str, str] | None
) -> None:
    choice = choose(spares, "d")
    assert (choice and (choice.worker_id, choice.fit)) == expected

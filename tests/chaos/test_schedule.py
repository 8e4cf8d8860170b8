"""What goes wrong in a chaos run follows from its seed."""

from __future__ import annotations

from collections import Counter

from bench.chaos import schedule


def test_the_same_seed_is_the_same_schedule() -> None:
    assert schedule.make(7, schedule.QUICK) == schedule.make(7, schedule.QUICK)
    assert schedule.make(7, schedule.QUICK) != schedule.make(8, schedule.QUICK)


def test_a_schedule_holds_its_quotas_and_its_parts_are_the_whole() -> None:
    whole = schedule.make(7, schedule.FULL)
    assert Counter(blow.kind for blow in whole.blows) == Counter(schedule.FULL)
    parts = [schedule.make(7, schedule.FULL, (part, 5)).blows for part in range(1, 6)]
    assert Counter(blow for part in parts for blow in part) == Counter(whole.blows)


def test_a_full_run_kills_as_often_as_it_promises() -> None:
    plan = schedule.make(7, schedule.FULL)
    assert schedule.shortfalls(plan, schedule.FULL) == []


def test_too_few_hits_are_a_shortfall() -> None:
    plan = schedule.make(7, schedule.FULL)
    for kind, least in schedule.LEAST.items():
        planned = {k: n for k, n in schedule.FULL.items() if k.startswith(kind)}
        hits = {**schedule.FULL, **dict.fromkeys(planned, 0), kind: least - 1}
        assert f"{kind}: {least - 1} hits, {least} are the least" in schedule.shortfalls(plan, hits)


def test_a_part_has_to_hit_as_often_in_proportion() -> None:
    plan = schedule.make(7, schedule.FULL, (1, 5))
    planned = Counter(blow.kind for blow in plan.blows)
    assert schedule.shortfalls(plan, planned) == []
    assert len(schedule.shortfalls(plan, {})) > 5


def test_what_a_machine_cannot_do_is_not_asked_for() -> None:
    plan = schedule.make(7, schedule.FULL)
    hits = {**schedule.FULL, "postgres full": 0}
    assert schedule.shortfalls(plan, hits) == ["postgres full: 0 hits, 1 are the least"]
    assert schedule.shortfalls(plan, hits, {"postgres full"}) == []

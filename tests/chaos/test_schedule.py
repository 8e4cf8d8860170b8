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
    quotas = schedule.FULL
    assert sum(count for kind, count in quotas.items() if kind.startswith("gateway killed")) >= 200
    assert sum(count for kind, count in quotas.items() if kind.startswith("worker killed")) >= 200
    assert min(quotas["postgres killed"], quotas["valkey killed"]) >= 20
    for place in ("mid-delta", "between commit and acknowledgement",
                  "between acknowledgement and show"):  # fmt: skip
        assert quotas[f"gateway killed {place}"] >= 20

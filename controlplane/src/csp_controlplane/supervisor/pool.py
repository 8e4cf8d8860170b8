"""Which spares to keep, start, stop and hand out: pure decisions over plain values.

A spare's CLI is already up, for one spawn profile. Sessions of that profile get it whole; others
get it with its CLI restarted, which still saves the start of the worker itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class PoolPolicy:
    """Bounds of the pool; see SupervisorSettings."""

    default_profile: str
    warm: int
    total: int
    recent_s: float
    parallel_starts: int


@dataclass(frozen=True, slots=True)
class Spare:
    """A worker that no session has yet."""

    worker_id: str
    profile: str
    ready: bool
    started_at: float


@dataclass(frozen=True, slots=True)
class Observed:
    """What is, at one moment. Times are monotonic seconds."""

    now: float
    spares: Sequence[Spare]
    used_at: Mapping[str, float]
    """Profile to when a session last asked for it."""
    start_at: Mapping[str, float]
    """Profile to when a spare of it may start: its last start failed, or one was just taken."""
    starting_for_sessions: int
    room: int
    """Workers that may still be started."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do now. `look_again_s`: when time alone will change the plan; None: never."""

    start: tuple[str, ...]
    stop: tuple[str, ...]
    look_again_s: float | None


def targets(policy: PoolPolicy, used_at: Mapping[str, float], now: float) -> dict[str, int]:
    """How many spares each profile should have: the default first, then the latest used."""
    wanted = {policy.default_profile: min(policy.warm, policy.total)}
    left = policy.total - wanted[policy.default_profile]
    if policy.warm == 0:
        return wanted  # warm spares are switched off
    for profile in sorted(used_at, key=lambda name: used_at[name], reverse=True):
        if left <= 0 or used_at[profile] <= now - policy.recent_s:
            break
        if profile not in wanted:
            wanted[profile] = 1
            left -= 1
    return wanted


def plan(policy: PoolPolicy, seen: Observed) -> Plan:
    """The steps from what is to what should be, within the limits."""
    wanted = targets(policy, seen.used_at, seen.now)
    start: list[str] = []
    stop: list[str] = []
    waits: list[float] = []
    starting = seen.starting_for_sessions + sum(not spare.ready for spare in seen.spares)
    free = min(policy.parallel_starts - starting, seen.room)
    for profile, count in wanted.items():
        have = sum(spare.profile == profile for spare in seen.spares)
        if have >= count:
            continue
        wait = seen.start_at.get(profile, seen.now) - seen.now
        if wait > 0:
            waits.append(wait)
            continue
        starts = max(0, min(count - have, free))
        free -= starts
        start += [profile] * starts
    for profile in {spare.profile for spare in seen.spares}:
        same = sorted(
            (spare for spare in seen.spares if spare.profile == profile),
            key=lambda spare: (spare.ready, -spare.started_at),
        )
        surplus = len(same) - wanted.get(profile, 0)
        stop += [spare.worker_id for spare in same[: max(0, surplus)]]
    waits += [
        seen.used_at[profile] + policy.recent_s - seen.now
        for profile in wanted
        if profile != policy.default_profile
    ]
    return Plan(tuple(start), tuple(stop), min(waits, default=None))


@dataclass(frozen=True, slots=True)
class Choice:
    """The spare that a session gets."""

    worker_id: str
    fit: Literal["warm", "partial", "starting"]


def choose(spares: Sequence[Spare], profile: str) -> Choice | None:
    """The best spare for a session, or None: start a worker for it.

    A ready spare of another profile is better than one of ours that is still starting; a starting
    one of another profile saves too little to be worth its place.
    """
    oldest_first = sorted(spares, key=lambda spare: spare.started_at)
    ours = [spare for spare in oldest_first if spare.profile == profile]
    for spare in ours:
        if spare.ready:
            return Choice(spare.worker_id, "warm")
    for spare in oldest_first:
        if spare.ready:
            return Choice(spare.worker_id, "partial")
    return Choice(ours[0].worker_id, "starting") if ours else None

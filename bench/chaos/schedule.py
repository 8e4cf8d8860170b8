"""What goes wrong, when and to whom: decided by the seed alone, before anything runs.

A schedule is a list of blows in order. Its quotas say how many of each kind it holds; the rest is
chance. The same seed and quotas are the same list.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

FULL: Mapping[str, int] = {
    "gateway killed": 150,
    "gateway killed mid-delta": 30,
    "gateway killed between commit and acknowledgement": 30,
    "gateway killed between acknowledgement and show": 30,
    "worker killed": 180,
    "worker killed mid-delta": 60,
    "cli killed": 20,
    "model proxy killed": 20,
    "postgres killed": 22,
    "valkey killed": 22,
    "valkey flushed": 20,
    "gateway paused": 12,
    "worker paused": 12,
    "postgres read-only": 8,
    "postgres full": 5,
    "old epoch woken late": 20,
    "client link cut": 20,
    "client link slow": 20,
    "worker link cut": 20,
    "worker link slow": 20,
    "database link cut": 20,
    "database link slow": 20,
    "proxy database link cut": 10,
    "proxy database link slow": 10,
    "cache link cut": 10,
    "cache link slow": 10,
    "model link cut": 20,
    "model link slow": 20,
}
QUICK: Mapping[str, int] = {
    "gateway killed": 6,
    "gateway killed mid-delta": 3,
    "gateway killed between commit and acknowledgement": 3,
    "gateway killed between acknowledgement and show": 3,
    "worker killed": 4,
    "worker killed mid-delta": 3,
    "cli killed": 1,
    "model proxy killed": 1,
    "postgres killed": 2,
    "valkey killed": 1,
    "valkey flushed": 1,
    "gateway paused": 1,
    "worker paused": 1,
    "postgres read-only": 1,
    "postgres full": 1,
    "old epoch woken late": 4,
    "client link cut": 2,
    "client link slow": 2,
    "worker link cut": 2,
    "worker link slow": 2,
    "database link cut": 2,
    "database link slow": 2,
    "proxy database link cut": 1,
    "proxy database link slow": 1,
    "cache link cut": 1,
    "cache link slow": 1,
    "model link cut": 2,
    "model link slow": 2,
}
LEAST: Mapping[str, int] = {
    "gateway killed": 200,
    "worker killed": 200,
    "postgres killed": 20,
    "valkey killed": 20,
    "gateway killed mid-delta": 20,
    "gateway killed between commit and acknowledgement": 20,
    "gateway killed between acknowledgement and show": 20,
}
"""Hits that a whole run promises, of all kinds that begin so; of a part or a short run, as many in
proportion."""

OTHERS = 4
"""Of every other kind one in so many must have hit."""

PAUSE_S = (0.2, 1.2)
WORKERS = ("worker", "cli")


@dataclass(frozen=True, slots=True)
class Blow:
    """One thing that goes wrong. `whom` and `how` are numbers to choose by when it happens."""

    kind: str
    after_s: float
    whom: int
    how: float


@dataclass(frozen=True)
class Schedule:
    """All of them, in order."""

    seed: int
    blows: tuple[Blow, ...] = field(repr=False)

    def lanes(self) -> tuple[tuple[Blow, ...], ...]:
        """Those at links, at workers, and the others: one of each goes on at the same time."""
        lanes: dict[str, list[Blow]] = {"links": [], "workers": [], "others": []}
        for blow in self.blows:
            others = "workers" if blow.kind.startswith(WORKERS) else "others"
            lanes["links" if " link " in blow.kind else others].append(blow)
        return tuple(map(tuple, lanes.values()))


def make(seed: int, quotas: Mapping[str, int], share: tuple[int, int] = (1, 1)) -> Schedule:
    """`share`: the k-th of n parts of the whole list, for runs that are cut in pieces."""
    chance = random.Random(seed)
    kinds = [kind for kind, count in sorted(quotas.items()) for _ in range(count)]
    chance.shuffle(kinds)
    blows = [
        Blow(kind, chance.uniform(*PAUSE_S), chance.randrange(2**16), chance.random())
        for kind in kinds
    ]
    part, parts = share
    return Schedule(seed, tuple(blows[part - 1 :: parts]))


def shortfalls(
    plan: Schedule, hits: Mapping[str, int], impossible: Collection[str] = ()
) -> list[str]:
    """What was struck less often than the plan promises. `impossible`: kinds not asked for."""
    planned = Counter(blow.kind for blow in plan.blows)
    others = {kind: count for kind, count in planned.items() if not kind.startswith(tuple(LEAST))}
    least = {
        **{kind: count * _of(kind, planned) // _of(kind, FULL) for kind, count in LEAST.items()},
        **{kind: count // OTHERS for kind, count in others.items()},
    }
    return [
        f"{kind}: {_of(kind, hits)} hits, {count} are the least"
        for kind, count in sorted(least.items())
        if kind not in impossible and _of(kind, hits) < count
    ]


def _of(prefix: str, counts: Mapping[str, int]) -> int:
    return sum(count for kind, count in counts.items() if kind.startswith(prefix))

"""Whether the operator's memory stays where it is while sessions come and go for ten minutes."""

from __future__ import annotations

import asyncio
from itertools import count

from bench.cluster_lab import ClusterLab, open_cluster
from bench.figures import Figure
from bench.meter import pss_bytes
from support.kube import SESSIONS

FIGURES = ("operator_growth_mb",)
POOL, TOGETHER = 20, 5
WARM_UP_S, SECONDS, QUICK_SECONDS = 60.0, 600.0, 60.0
GROWTH_MB = 3.0
"""What memory that is full of holes may add; a leak of one session's views is ten times that."""


async def measure(quick: bool) -> list[Figure]:
    seconds = QUICK_SECONDS if quick else SECONDS
    async with open_cluster() as lab:
        await lab.fill(POOL)
        numbers = count()
        await _churn(lab, numbers, WARM_UP_S if not quick else WARM_UP_S / 3)
        before = pss_bytes(lab.operator_pid)
        through = await _churn(lab, numbers, seconds)
        after = pss_bytes(lab.operator_pid)
    detail: dict[str, float | str] = {
        "seconds": seconds,
        "sessions": float(through),
        "MB before": before / 1e6,
        "MB after": after / 1e6,
    }
    return [Figure("operator_growth_mb", (after - before) / 1e6, GROWTH_MB, detail)]


async def _churn(lab: ClusterLab, numbers: count[int], seconds: float) -> int:
    """Claims sessions a few at once and deletes them, until the time is over. How many."""
    loop = asyncio.get_running_loop()
    end, through = loop.time() + seconds, 0
    while loop.time() < end:
        names = [f"flat-{next(numbers)}" for _ in range(TOGETHER)]
        await asyncio.gather(*(lab.claim(name) for name in names))
        await asyncio.gather(*(lab.kube.delete(SESSIONS, name) for name in names))
        lab.forget(names)
        await lab.full(POOL)
        through += TOGETHER
    return through

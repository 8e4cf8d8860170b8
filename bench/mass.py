"""What many sessions that do nothing cost the operator: memory for each, processor time for all."""

from __future__ import annotations

import asyncio

from bench.cluster_lab import ClusterLab, open_cluster
from bench.figures import Figure
from bench.meter import cpu_ns, pss_bytes

FIGURES = ("operator_mb_per_1000_sessions", "operator_rest_cpu_percent")
WARM = 200
FIRST = 100
"""The first sessions pay for what is made once and are not counted."""
SETTLE_S = 5.0


async def measure(quick: bool) -> list[Figure]:
    count, seconds = (300, 15.0) if quick else (1000, 60.0)
    async with open_cluster() as lab:
        await lab.fill(WARM)
        await _sessions(lab, 0, FIRST)
        before = pss_bytes(lab.operator_pid)
        await _sessions(lab, FIRST, FIRST + count)
        after = pss_bytes(lab.operator_pid)
        cpu = cpu_ns(lab.operator_pid)
        await asyncio.sleep(seconds)
        cpu = cpu_ns(lab.operator_pid) - cpu
        there = len(await lab.kube.pods())
    detail: dict[str, float | str] = {
        "MB before": before / 1e6,
        "MB after": after / 1e6,
        "sessions": float(count),
    }
    rest: dict[str, float | str] = {
        "seconds": seconds,
        "sessions": float(FIRST + count),
        "pods": float(there),
        "warm pods": float(WARM),
    }
    return [
        Figure(
            "operator_mb_per_1000_sessions", (after - before) / 1e6 / count * 1000, None, detail
        ),
        Figure("operator_rest_cpu_percent", cpu / 1e9 / seconds * 100, None, rest),
    ]


async def _sessions(lab: ClusterLab, first: int, last: int) -> None:
    """Sessions with these numbers, bound, and the pool full again; as many at once as wait."""
    for begin in range(first, last, WARM):
        numbers = range(begin, min(last, begin + WARM))
        await asyncio.gather(*(lab.claim(f"mass-{number}") for number in numbers))
        await lab.full(WARM)
    await asyncio.sleep(SETTLE_S)

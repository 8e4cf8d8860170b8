"""A session one at a time: POST of an AgentSession until a watch says Bound, 30 pods waiting.

Each claim begins when the pool is full again. Writes are counted from the API server's audit log:
those of the claim itself, those that refill the pool, and Events and Leases beside them.
"""

from __future__ import annotations

from bench.cluster_lab import ClusterLab, label_of, open_cluster
from bench.figures import Figure
from bench.meter import cpu_ns
from bench.stats import percentile

FIGURES = ("claim_p50_ms", "claim_p95_ms", "claim_api_writes")
POOL = 30
WARM_UP = 10
P50_MS, P95_MS, WRITES = 15.0, 25.0, 3.0


async def measure(quick: bool) -> list[Figure]:
    count = 30 if quick else 150
    async with open_cluster() as lab:
        await lab.fill(POOL)
        await _claims(lab, "before", WARM_UP)
        before, cpu = lab.writes(), cpu_ns(lab.operator_pid)
        took = await _claims(lab, "one", count)
        after, cpu = lab.writes(), cpu_ns(lab.operator_pid) - cpu
    detail: dict[str, float | str] = {
        "claims": count,
        "min ms": min(took),
        "max ms": max(took),
        "operator cpu ms each": cpu / 1e6 / count,
    }
    return [
        Figure("claim_p50_ms", percentile(took, 0.5), P50_MS, detail),
        Figure("claim_p95_ms", percentile(took, 0.95), P95_MS, detail),
        _writes(before, after, count),
    ]


async def _claims(lab: ClusterLab, prefix: str, count: int) -> list[float]:
    """Milliseconds of each. Raises when one did not come warm: that measures something else."""
    took = []
    for number in range(count):
        await lab.full(POOL)
        seconds, start = await lab.claim(f"{prefix}-{number}")
        if start != "warm":
            raise RuntimeError(f"claim {number} came {start}")
        took.append(seconds * 1000)
    await lab.full(POOL)
    return took


def _writes(before: dict[str, int], after: dict[str, int], count: int) -> Figure:
    made = {kind: after[kind] - before.get(kind, 0) for kind in after}
    sums = {"claim": 0, "refill": 0, "beside": 0}
    for kind, number in made.items():
        sums[label_of(kind)] += number
    each: dict[str, float | str] = {f"{kind} each": n / count for kind, n in sums.items()}
    detail = each | {kind: float(number) for kind, number in sorted(made.items()) if number}
    return Figure("claim_api_writes", sums["claim"] / count, WRITES, detail)

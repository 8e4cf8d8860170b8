"""A session one at a time: POST of an AgentSession until a watch says Bound, 30 pods waiting.

Each claim begins when the pool is full again, and has a bare one as its neighbour: the same calls
by one client, without an operator. Writes are counted from the API server's audit log: those of the
claim itself, those that refill the pool, and Events and Leases beside them.
"""

from __future__ import annotations

from bench.bare_claim import BareClaims, bare_claims
from bench.cluster_lab import ClusterLab, label_of, open_cluster
from bench.figures import Figure
from bench.meter import cpu_ns
from bench.stats import Pair, median_ratio, percentile
from csp_crds import names

FIGURES = (
    "claim_p50_ms",
    "claim_p95_ms",
    "bare_claim_p50_ms",
    "claim_ratio",
    "claim_api_writes",
)
POOL = 30
WARM_UP = 10
P50_MS, P95_MS, WRITES = 15.0, 25.0, 3.0


async def measure(quick: bool) -> list[Figure]:
    count = 30 if quick else 150
    async with open_cluster() as lab:
        await lab.fill(POOL)
        (like, *_) = await lab.kube.pods(state=names.STATE_WARM)
        async with bare_claims(lab.server, like) as bare:
            await bare.prepare(WARM_UP + count)
            await _claims(lab, bare, range(WARM_UP))
            before, cpu, steps = lab.writes(), cpu_ns(lab.operator_pid), lab.steps()
            pairs = await _claims(lab, bare, range(WARM_UP, WARM_UP + count))
            after, cpu = lab.writes(), cpu_ns(lab.operator_pid) - cpu
            steps = {name: value - steps[name] for name, value in lab.steps().items()}
    took = [pair.subject for pair in pairs]
    bare_took = [pair.baseline for pair in pairs]
    detail: dict[str, float | str] = {
        "claims": count,
        "min ms": min(took),
        "max ms": max(took),
        "operator cpu ms each": cpu / 1e6 / count,
    }
    detail |= {f"{name} ms each": seconds * 1000 / count for name, seconds in steps.items()}
    limit: dict[str, float | str] = {"min ms": min(bare_took), "max ms": max(bare_took)}
    return [
        Figure("claim_p50_ms", percentile(took, 0.5), P50_MS, detail),
        Figure("claim_p95_ms", percentile(took, 0.95), P95_MS, detail),
        Figure("bare_claim_p50_ms", percentile(bare_took, 0.5), None, limit),
        Figure("claim_ratio", median_ratio(pairs)),
        _writes(before, after, count),
    ]


async def _claims(lab: ClusterLab, bare: BareClaims, numbers: range) -> list[Pair]:
    """Milliseconds of each. Raises when one did not come warm: that measures something else."""
    took = []
    for number in numbers:
        await lab.full(POOL)
        limit = await bare.claim(number)
        seconds, start = await lab.claim(f"one-{number}")
        if start != "warm":
            raise RuntimeError(f"claim {number} came {start}")
        took.append(Pair(limit * 1000, seconds * 1000))
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

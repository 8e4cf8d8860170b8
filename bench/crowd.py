"""Many sessions at once: 20 for the time that each waits, 300 for how many a second are bound.

Beside the 300, as many bare claims: the same calls by one client, without an operator.
"""

from __future__ import annotations

import asyncio
from statistics import median

from bench.bare_claim import bare_claims
from bench.cluster_lab import ClusterLab, open_cluster
from bench.figures import Figure
from bench.meter import cpu_ns
from bench.stats import percentile
from csp_crds import names

FIGURES = ("claim_20_p50_ms", "claim_20_p95_ms", "claims_per_s", "bare_claims_per_s")
CROWD, FLOOD = 20, 300
TOGETHER = 8
P50_MS, P95_MS, PER_S = 200.0, 300.0, 150.0


async def measure(quick: bool) -> list[Figure]:
    rounds, floods = (3, 1) if quick else (10, 3)
    async with open_cluster() as lab:
        await lab.fill(CROWD)
        took: list[float] = []
        for number in range(rounds + 1):
            times = await _at_once(lab, f"crowd-{number}", CROWD, CROWD)
            took += times if number else []  # the first round warms up
        await lab.resize(FLOOD)
        before = cpu_ns(lab.operator_pid)
        loop = asyncio.get_running_loop()
        rates = []
        for number in range(floods):
            await lab.full(FLOOD)
            begun = loop.time()
            await _at_once(lab, f"flood-{number}", FLOOD, FLOOD)
            rates.append(FLOOD / (loop.time() - begun))
        await lab.full(FLOOD)
        cpu_ms = (cpu_ns(lab.operator_pid) - before) / 1e6 / (floods * FLOOD)
        limit = await _bare(lab)
    return [
        Figure("claim_20_p50_ms", percentile(took, 0.5), P50_MS, {"rounds": rounds}),
        Figure("claim_20_p95_ms", percentile(took, 0.95), P95_MS, {"rounds": rounds}),
        Figure(
            "claims_per_s",
            median(rates),
            PER_S,
            {"floods": floods, "operator cpu ms each": cpu_ms},
            more_is_better=True,
        ),
        Figure("bare_claims_per_s", limit, None, {"together": TOGETHER}),
    ]


async def _bare(lab: ClusterLab) -> float:
    """How many a second there are without an operator."""
    (like, *_) = await lab.kube.pods(state=names.STATE_WARM)
    loop = asyncio.get_running_loop()
    async with bare_claims(lab.server, like) as bare:
        await bare.prepare(FLOOD)
        slots = asyncio.Semaphore(TOGETHER)

        async def one(number: int) -> None:
            async with slots:
                await bare.claim(number)

        begun = loop.time()
        await asyncio.gather(*map(one, range(FLOOD)))
        return FLOOD / (loop.time() - begun)


async def _at_once(lab: ClusterLab, prefix: str, count: int, pool: int) -> list[float]:
    """Milliseconds until each was bound. Raises when one did not come warm."""
    await lab.full(pool)
    claims = await asyncio.gather(*(lab.claim(f"{prefix}-{number}") for number in range(count)))
    if cold := sum(1 for _, start in claims if start != "warm"):
        raise RuntimeError(f"{cold} of {count} did not come warm")
    return [seconds * 1000 for seconds, _ in claims]

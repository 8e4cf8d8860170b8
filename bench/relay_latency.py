"""How much later an event arrives through the gateway than through a bare relay.

Every event carries the moment at which its message was handed over, right before the write; its
age is read when the client's socket delivers it. Each session has 50 previews a second. A message
to the gateway joins what comes within 33 ms, as a worker's does; the bare relay has one event to a
write. Windows of the bare relay and of the gateway take turns, and the medians of neighbouring
windows are compared.

A fact is shown after its commit, so what a commit takes is measured in the same windows, with the
same function on a session of its own, and taken off.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from statistics import median

from bench.figures import Figure
from bench.lab import Lab, Watched
from bench.logs import OwnLog
from bench.stats import Pair, median_ratio, percentile

PREVIEWS_PER_S = 50.0
FACTS_PER_S = {1: 50.0, 100: 2.0}
"""For each number of sessions. 100 times 50 single commits a second are more than PostgreSQL takes
on a small machine, with or without a gateway; 2 a second is a busy agent."""

COMMITS_PER_S = 20.0
BOUNDS = {1: 2.5, 100: 2.0}


async def measure(lab: Lab, quick: bool) -> list[Figure]:
    """relay_p50_ratio_1, relay_p50_ratio_100 and the same for facts."""
    seconds, rounds = (1.0, 3) if quick else (3.0, 7)
    watched = await lab.watched_sessions(max(BOUNDS))
    bare = await lab.bare_clients(max(BOUNDS))
    log = await OwnLog.create(lab.db)
    figures = []
    for count, bound in BOUNDS.items():
        few = watched[:count]
        await _ages(lab, few, "previews", PREVIEWS_PER_S, 0.5)
        pairs = []
        for _ in range(rounds):
            baseline = await _bare_ages(lab, count, seconds)
            ages = await _ages(lab, few, "previews", PREVIEWS_PER_S, seconds)
            pairs.append((baseline, ages))
        figures.append(_figure(f"relay_p50_ratio_{count}", bound, pairs))
        facts = []
        for _ in range(rounds):
            baseline = await _bare_ages(lab, count, seconds)
            async with _commits(log) as commits:
                ages = await _ages(lab, few, "facts", FACTS_PER_S[count], seconds)
            facts.append((baseline, ages, percentile(commits, 0.5)))
        figures.append(_facts_figure(f"relay_facts_p50_ratio_{count}", bound, facts))
    for client in [one.client for one in watched] + bare:
        client.close()
    return figures


def _figure(name: str, bound: float, rounds: list[tuple[list[float], list[float]]]) -> Figure:
    pairs = [Pair(percentile(bare, 0.5), percentile(ages, 0.5)) for bare, ages in rounds]
    detail = {
        "gateway p50 ms": median([pair.subject for pair in pairs]),
        "gateway p99 ms": median([percentile(ages, 0.99) for _, ages in rounds]),
        "bare p50 ms": median([pair.baseline for pair in pairs]),
        "bare p99 ms": median([percentile(bare, 0.99) for bare, _ in rounds]),
        "pairs": float(len(pairs)),
    }
    return Figure(name, median_ratio(pairs), bound, detail)


def _facts_figure(
    name: str, bound: float, rounds: list[tuple[list[float], list[float], float]]
) -> Figure:
    pairs = [
        Pair(percentile(bare, 0.5), max(0.0, percentile(ages, 0.5) - commit))
        for bare, ages, commit in rounds
    ]
    detail = {
        "gateway p50 ms": median([percentile(ages, 0.5) for _, ages, _ in rounds]),
        "commit p50 ms": median([commit for _, _, commit in rounds]),
        "bare p50 ms": median([pair.baseline for pair in pairs]),
        "pairs": float(len(pairs)),
    }
    return Figure(name, median_ratio(pairs), bound, detail)


async def _ages(
    lab: Lab, watched: list[Watched], what: str, rate: float, seconds: float
) -> list[float]:
    lab.tally.reset(timed=True)
    await lab.play(watched, what, seconds=seconds, rate=rate)
    return [age / 1e6 for age in lab.tally.ages_ns]


async def _bare_ages(lab: Lab, connections: int, seconds: float) -> list[float]:
    lab.tally.reset(timed=True)
    await lab.play_bare(connections, seconds=seconds, rate=PREVIEWS_PER_S)
    return [age / 1e6 for age in lab.tally.ages_ns]


@asynccontextmanager
async def _commits(log: OwnLog) -> AsyncIterator[list[float]]:
    """Milliseconds that appends of one fact take while the body runs."""
    taken: list[float] = []

    async def run() -> None:
        while True:
            begin = time.perf_counter()
            await log.append()
            taken.append((time.perf_counter() - begin) * 1000)
            await asyncio.sleep(1 / COMMITS_PER_S)

    task = asyncio.create_task(run(), name="commits")
    try:
        yield taken
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

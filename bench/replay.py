"""What it takes to show a session to somebody new, and whether long sessions cost more.

The replay is timed from the connection's first packet until the message that says that everything
has been sent, sign-in and session look-up included. Its baseline is one SELECT of the same rows by
the same driver in the same process, under the same role and row level security.
"""

from __future__ import annotations

import time
from itertools import pairwise
from statistics import median
from typing import Any

import asyncpg

from bench.figures import Figure
from bench.lab import OWNER_TENANT, START_S, Lab, Watched
from bench.meter import cpu_ns
from bench.sink import Tally
from bench.stats import Pair, median_ratio, per_event

SIZES = (100, 1_000, 10_000)
BATCH = 100
GROWTH_FACTS = 512
SELECT = (
    "select seq, id, type, payload::text from events "
    "where session_id = $1 and month = (select month from sessions where id = $1) order by seq"
)


async def measure(lab: Lab, quick: bool) -> list[Figure]:
    """replay_ratio, replay_growth and append_growth."""
    rounds = 5 if quick else 15
    filled = {size: await _filled(lab, size) for size in SIZES}
    largest = filled[SIZES[-1]]
    connection = await asyncpg.connect(lab.database_url, server_settings={"role": "csp_app"})
    try:
        figures = [await _ratio(lab, largest, connection, rounds)]
    finally:
        await connection.close()
    figures.append(await _replay_growth(lab, filled, rounds))
    figures.append(await _append_growth(lab, largest, rounds))
    for one in filled.values():
        one.client.close()
    return figures


async def _filled(lab: Lab, size: int) -> Watched:
    """A session with so many facts, which its worker wrote through the gateway."""
    lab.tally.reset()
    watched = await lab.watch(await lab.new_session())
    lab.tally.reset()
    await lab.play([watched], "facts", seconds=0, batch=BATCH, count=size)
    return watched


async def _ratio(lab: Lab, watched: Watched, connection: Any, rounds: int) -> Figure:
    pairs = []
    await _replay_ms(lab, watched)
    for _ in range(rounds):
        baseline = await _select_ms(connection, watched.session_id)
        pairs.append(Pair(baseline, await _replay_ms(lab, watched)))
    detail = {
        "replay ms": median([pair.subject for pair in pairs]),
        "select ms": median([pair.baseline for pair in pairs]),
        "events": float(SIZES[-1]),
        "pairs": float(rounds),
    }
    return Figure("replay_ratio", median_ratio(pairs), 3.0, detail)


async def _replay_growth(lab: Lab, filled: dict[int, Watched], rounds: int) -> Figure:
    """What one replayed event costs in a session ten times as long: the worst step of SIZES.

    Connecting is not counted.
    """
    costs: dict[int, list[float]] = {size: [] for size in SIZES}
    for _ in range(rounds):
        for size, watched in filled.items():
            fixed = await _replay_ms(lab, watched, "?tail=1")
            costs[size].append(per_event(await _replay_ms(lab, watched), fixed, size) * 1000)
    medians = {size: median(values) for size, values in costs.items()}
    detail = {f"us/event at {size}": cost for size, cost in medians.items()}
    steps = [medians[large] / medians[small] for small, large in pairwise(SIZES)]
    return Figure("replay_growth", max(steps), 1.3, detail)


async def _append_growth(lab: Lab, grown: Watched, rounds: int) -> Figure:
    """What a new fact costs the gateway in a session of 10,000 events against a new session."""
    pairs = []
    for _ in range(rounds):
        fresh = await lab.watch(await lab.new_session())
        baseline = await _append_us(lab, fresh)
        pairs.append(Pair(baseline, await _append_us(lab, grown)))
        fresh.client.close()
    detail = {
        f"us/fact at {SIZES[-1]}": median([pair.subject for pair in pairs]),
        "us/fact at 0": median([pair.baseline for pair in pairs]),
    }
    return Figure("append_growth", median_ratio(pairs), 1.3, detail)


async def _append_us(lab: Lab, watched: Watched) -> float:
    lab.tally.reset()
    before = cpu_ns(lab.gateway.pid)
    sent = await lab.play([watched], "facts", seconds=0, batch=16, count=GROWTH_FACTS)
    return (cpu_ns(lab.gateway.pid) - before) / 1000 / sent


async def _replay_ms(lab: Lab, watched: Watched, query: str = "?after=0") -> float:
    tally = Tally()
    begin = time.monotonic_ns()
    replayed = await lab.watch(watched.session_id, query, tally)
    end = replayed.client.caught_up.result()
    replayed.client.close()
    return (end - begin) / 1e6


async def _select_ms(connection: Any, session_id: str) -> float:
    begin = time.monotonic_ns()
    async with connection.transaction():
        await connection.execute("select set_config('csp.tenant', $1, true)", OWNER_TENANT)
        rows = await connection.fetch(SELECT, session_id, timeout=START_S)
    taken = (time.monotonic_ns() - begin) / 1e6
    if len(rows) < SIZES[-1]:
        raise RuntimeError(f"the log of {session_id} has {len(rows)} events only")
    return taken

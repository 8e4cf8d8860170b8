"""How much processor time the gateway spends on one event at saturation, against a bare relay.

16 sessions stream at once as fast as they are read, in batches of 16. A window of the bare relay
and a window of the gateway take turns. Processor time is the process's own, all threads, from
before the first event is handed over to after the last one has arrived.
"""

from __future__ import annotations

from statistics import median

from bench.figures import Figure
from bench.lab import Lab, Watched
from bench.meter import cpu_ns
from bench.stats import Pair, median_ratio

STREAMS = 16
BATCH = 16
FACTS = 4096
"""Facts of each stream in one window."""


async def measure(lab: Lab, quick: bool) -> list[Figure]:
    """relay_cpu_ratio and relay_facts_cpu_ratio."""
    seconds, rounds = (1.0, 3) if quick else (2.0, 9)
    watched = await lab.watched_sessions(STREAMS)
    bare = await lab.bare_clients(STREAMS)
    figures = []
    for name, what, bound in (
        ("relay_cpu_ratio", "previews", 3.0),
        ("relay_facts_cpu_ratio", "facts", 6.0),
    ):
        await _gateway_us(lab, watched, what, 0.5)  # the first window pays for what is made once
        await _bare_us(lab, 0.5)
        pairs = []
        for _ in range(rounds):
            baseline = await _bare_us(lab, seconds)
            pairs.append(Pair(baseline, await _gateway_us(lab, watched, what, seconds)))
        detail = {
            "gateway us/event": median([pair.subject for pair in pairs]),
            "bare us/event": median([pair.baseline for pair in pairs]),
            "pairs": float(rounds),
        }
        figures.append(Figure(name, median_ratio(pairs), bound, detail))
    for one in watched:
        one.client.close()
    for client in bare:
        client.close()
    return figures


async def _gateway_us(lab: Lab, watched: list[Watched], what: str, seconds: float) -> float:
    lab.tally.reset()
    before = cpu_ns(lab.gateway.pid)
    sent = await lab.play(watched, what, seconds=seconds, batch=BATCH, count=FACTS)
    return (cpu_ns(lab.gateway.pid) - before) / 1000 / sent


async def _bare_us(lab: Lab, seconds: float) -> float:
    lab.tally.reset()
    before = cpu_ns(lab.bare_relay.pid)
    sent = await lab.play_bare(STREAMS, seconds=seconds, batch=BATCH)
    return (cpu_ns(lab.bare_relay.pid) - before) / 1000 / sent

"""What the durable write path costs over the bare statement that it comes down to.

The baseline is an INSERT ... SELECT unnest into the same table, by a superuser, to whom row level
security does not apply: no session row that is advanced, no epoch, no fold, no transcript. Both
sides write the same events in batches of the same size, with as many connections.

Under a flood through the whole gateway events per second are compared. At a steady 50 events a
second in each of 100 sessions it is how old an event is when it is committed: there the product's
committers run in this process, beside the baseline, because on a small machine the processes that
make and receive such a load would be what is measured (relay_latency has the way through the
gateway). What comes while a commit runs is joined into the next one, on both sides.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, date, datetime
from statistics import median
from typing import Any, Self

import asyncpg

from bench import events
from bench.figures import Figure
from bench.lab import OWNER_TENANT, Lab, Watched
from bench.logs import OwnLog
from bench.stats import Pair, median_ratio, percentile
from csp_controlplane.attach.committer import Batch, Committer
from csp_controlplane.attach.core import Core
from csp_controlplane.attach.settings import CoreSettings
from csp_controlplane.domain.events import EventFactory
from csp_controlplane.domain.ids import new_id
from csp_controlplane.live.hub import Hub
from csp_controlplane.store import sessions
from csp_controlplane.store.appending import Appends
from csp_controlplane.store.database import Database
from csp_controlplane.store.objects import DatabaseObjects
from csp_proto import worker_pb2 as pb
from support.gateways import Metrics

RATIO_BOUND = 0.5
P50_BOUND = 2.0
FLOODED = 8
SESSIONS = 100
PER_S = 50.0
CONNECTIONS = 10
"""As many as a gateway has."""

INSERT = (
    "insert into events (month, session_id, seq, tenant, epoch, n, id, type, payload) "
    "select $1, $2, $3 + e.o, $4, 0, $3 + e.o, e.id, 'agent.message', e.payload::json "
    "from unnest($5::text[], $6::text[]) with ordinality as e(id, payload, o)"
)


class BareLog:
    """Appends to one log that no session belongs to."""

    def __init__(self, pool: asyncpg.Pool, month: date, name: str) -> None:
        self._pool = pool
        self._month = month
        self._name = name
        self._seq = 0

    def make(self, count: int) -> tuple[int, list[str], list[str]]:
        """The next so many events: the seq before them, their ids and payloads."""
        ids = [events.event_id(self._name, self._seq + place) for place in range(count)]
        seq, self._seq = self._seq, self._seq + count
        return seq, ids, [events.fact(id_).decode() for id_ in ids]

    async def write(self, made: tuple[int, list[str], list[str]]) -> None:
        """All of them in one statement, committed."""
        seq, ids, payloads = made
        await self._pool.execute(INSERT, self._month, self._name, seq, OWNER_TENANT, ids, payloads)

    async def append(self, count: int) -> None:
        """So many new events."""
        await self.write(self.make(count))


async def measure(lab: Lab, quick: bool) -> list[Figure]:
    """append_ratio and append_p50_ratio."""
    rounds, count, seconds = (3, 6_000, 1.5) if quick else (7, 20_000, 3.0)
    pool = await asyncpg.create_pool(lab.database_url, min_size=CONNECTIONS, max_size=CONNECTIONS)
    try:
        watched = await lab.watched_sessions(FLOODED)
        month: date = await pool.fetchval("select max(month) from sessions")
        return [
            await _ratio(lab, pool, month, watched, rounds, count),
            await _p50(lab, pool, month, rounds, seconds),
        ]
    finally:
        await pool.close()


async def _ratio(
    lab: Lab, pool: asyncpg.Pool, month: date, watched: Sequence[Watched], rounds: int, count: int
) -> Figure:
    pairs, sizes = [], []
    for number in range(rounds):
        per_s, batch = await _flood(lab, pool, watched, count)
        bare = await _bare_flood(pool, month, f"flood-{number}", count, batch)
        pairs.append(Pair(bare, per_s))
        sizes.append(batch)
    detail = {
        "gateway events/s": median([pair.subject for pair in pairs]),
        "bare events/s": median([pair.baseline for pair in pairs]),
        "events in a batch": float(median(sizes)),
        "pairs": float(rounds),
    }
    return Figure("append_ratio", median_ratio(pairs), RATIO_BOUND, detail, more_is_better=True)


async def _flood(
    lab: Lab, pool: asyncpg.Pool, watched: Sequence[Watched], count: int
) -> tuple[float, int]:
    """Events per second between the first commit and the last, and the size of a batch."""
    ids = [one.session_id for one in watched]
    since = await pool.fetchval("select clock_timestamp()")
    lab.tally.reset()
    await lab.play(watched, "facts", seconds=0, batch=16, count=count // len(watched))
    row = await pool.fetchrow(
        "select count(*) as events, count(distinct (session_id, created_at)) as commits, "
        "extract(epoch from max(created_at) - min(created_at))::float8 as seconds "
        "from events where session_id = any($1) and created_at > $2",
        ids,
        since,
    )
    assert row is not None  # an aggregate has one
    return row["events"] / row["seconds"], max(1, round(row["events"] / row["commits"]))


async def _bare_flood(pool: asyncpg.Pool, month: date, name: str, count: int, batch: int) -> float:
    async def write(log: BareLog) -> None:
        for made in batches[log]:
            await log.write(made)

    logs = [BareLog(pool, month, f"bare-{name}-{place}") for place in range(FLOODED)]
    times = max(1, count // FLOODED // batch)
    batches = {log: [log.make(batch) for _ in range(times)] for log in logs}
    begin = time.perf_counter()
    await asyncio.gather(*map(write, logs))
    return times * batch * FLOODED / (time.perf_counter() - begin)


async def _p50(lab: Lab, pool: asyncpg.Pool, month: date, rounds: int, seconds: float) -> Figure:
    db = await Database.connect(lab.database_url, max_size=CONNECTIONS)
    try:
        core = _core(lab, db)
        writers = [await CommittedLog.create(core) for _ in range(SESSIONS)]
        pairs = []
        for number in range(rounds):
            bare = [BareLog(pool, month, f"p50-{number}-{n}") for n in range(SESSIONS)]
            baseline = await _ages([one.append for one in bare], seconds)
            subject = await _ages([one.append for one in writers], seconds)
            pairs.append(Pair(percentile(baseline, 0.5), percentile(subject, 0.5)))
    finally:
        await db.close()
    detail = {
        "committer p50 ms": median([pair.subject for pair in pairs]),
        "bare p50 ms": median([pair.baseline for pair in pairs]),
        "pairs": float(rounds),
    }
    return Figure("append_p50_ratio", median_ratio(pairs), P50_BOUND, detail)


class CommittedLog:
    """A session whose facts the product's committer writes."""

    def __init__(self, committer: Committer, name: str) -> None:
        self._committer = committer
        self._name = name
        self._n = 0

    @classmethod
    async def create(cls, core: Core) -> Self:
        log = await OwnLog.create(core.db)
        row = await sessions.load(core.db, OWNER_TENANT, log.session_id)
        if row is None:
            raise LookupError(log.session_id)
        hub = Hub(core.db, row.tenant, row.id, row.month, row.last_seq)
        return cls(Committer(core, hub, row.epoch), row.id)

    async def append(self, count: int) -> None:
        first = self._n + 1
        self._n += count
        ids = [events.event_id(self._name, n) for n in range(first, first + count)]
        facts = [pb.Fact(id=i, type="agent.message", payload=events.fact(i)) for i in ids]
        await self._committer.commit(Batch(first, facts, []))


def _core(lab: Lab, db: Database) -> Core:
    runtime: Any = None
    tokens: Any = None  # nobody is called
    return Core(
        db=db, redis=None, runtime=runtime, tokens=tokens,
        make=EventFactory(now=lambda: datetime.now(UTC), new_id=new_id), metrics=Metrics(),
        settings=CoreSettings(), holder="bench", objects=DatabaseObjects(db),
        appends=Appends(db),
    )  # fmt: skip


async def _ages(appends: Sequence[Callable[[int], Awaitable[None]]], seconds: float) -> list[float]:
    """Milliseconds from an event's birth to its commit."""
    ages: list[float] = []

    async def write(place: int, append: Callable[[int], Awaitable[None]]) -> None:
        born = time.perf_counter() + place / SESSIONS / PER_S
        end = born + seconds
        while born < end:
            await asyncio.sleep(max(0.0, born - time.perf_counter()))
            due = []
            while born < end and born <= time.perf_counter():
                due.append(born)
                born += 1 / PER_S
            if due:
                await append(len(due))
            now = time.perf_counter()
            ages.extend((now - one) * 1000 for one in due)

    await asyncio.gather(*(write(place, append) for place, append in enumerate(appends)))
    return ages

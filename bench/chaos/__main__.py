"""`python -m bench.chaos`: kills everything, over and over, and counts what was lost by it.

`make chaos` is the long run; `--quick` the one of CI; `--share 2/5` the second fifth of a run, for
machines that allow no long ones. The last lines are the product of this folder: what was struck how
often, what was compared, and `0 lost 0 doubled 0 reordered 0 unmarked` with the seed.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

# The servers are those of the tests.
sys.path.append(str(Path(__file__).parents[2] / "tests"))

import asyncpg

from bench.chaos import schedule
from bench.chaos.case import Case, Epoch, Findings, Journal, Row, View
from bench.chaos.checker import check
from bench.chaos.crowd import Crowd
from bench.chaos.ground import Ground
from bench.chaos.havoc import Havoc
from bench.chaos.person import Person
from support.sim.planted import PLANTS

STILL_S = 120.0
"""A session in which nothing has happened for so long, and that is not at rest, never will be."""

STILL_WITH_PLANT_S = 30.0
"""A mistake was put in, which may well be found in a session that never rests."""

PEACE_S = 1200.0
LOOK_S = 0.3
SHOWN_FINDINGS = 20
NO_JOURNAL = 0
"""Epochs whose worker may have written none: it is opened before the worker is."""


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when nothing was found and as much was struck as promised, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m bench.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    parser.add_argument("--quick", action="store_true", help="the short run")
    parser.add_argument("--share", default="1/1", metavar="K/N", help="the K-th of N parts")
    parser.add_argument("--sessions", type=int, help="default: 16, of a short run 4")
    parser.add_argument("--plant", choices=sorted(PLANTS), help="a mistake that must be found")
    parser.add_argument("--only", action="append", metavar="KIND", help="blows of this kind")
    options = parser.parse_args(arguments)
    quotas = schedule.QUICK if options.quick else schedule.FULL
    if options.only:
        quotas = {kind: count for kind, count in quotas.items() if kind in options.only}
    part, parts = map(int, options.share.split("/"))
    plan = schedule.make(options.seed, quotas, (part, parts))
    sessions = options.sessions or (4 if options.quick else 16)
    findings, havoc = asyncio.run(_run(plan, sessions, options.plant))
    short = [*schedule.shortfalls(plan, havoc.counts, havoc.impossible), *_unread(findings)]
    for kind in sorted(quotas):
        print(f"{havoc.counts[kind]:5} {kind}{_not_hit(havoc, kind)}")
    print("compared:", ", ".join(f"{n} {what}" for what, n in sorted(findings.compared.items())))
    print(f"seed {options.seed} part {options.share}: {findings.line()}")
    for heading, sentences in findings.by_heading.items():
        for sentence in sentences[:SHOWN_FINDINGS]:
            print(f"{heading}: {sentence}", file=sys.stderr)
    for sentence in short:
        print(f"too little: {sentence}", file=sys.stderr)
    return 0 if findings.clean and not short else 1


def _not_hit(havoc: Havoc, kind: str) -> str:
    if kind in havoc.impossible:
        return f" (not possible: {havoc.impossible[kind]})"
    return f" ({havoc.missed[kind]} found nothing to hit)" if havoc.missed[kind] else ""


def _unread(findings: Findings) -> list[str]:
    missing = findings.compared["journals missing"]
    if missing <= NO_JOURNAL:
        return []
    return [f"{missing} epochs have no journal of their worker, {NO_JOURNAL} may have none"]


async def _run(plan: schedule.Schedule, sessions: int, plant: str | None) -> tuple[Findings, Havoc]:
    task = asyncio.current_task()
    assert task is not None
    # Whoever ends a run early leaves no servers and no mounted disk behind.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with Ground(plant) as ground:
        crowd = Crowd(ground, plan.seed)
        havoc = Havoc(ground, crowd)
        try:
            await crowd.begin(sessions)
            await asyncio.gather(*(_strike(havoc, lane) for lane in plan.lanes()))
            await havoc.mended()
            peace = await _peace(ground, crowd, STILL_WITH_PLANT_S if plant else STILL_S)
        finally:
            await crowd.end()
        findings = await _judge(ground, crowd)
        # First of all: what is missing elsewhere follows from it.
        findings.by_heading["unmarked"][:0] = peace
        if not findings.clean:
            ground.keep_logs = True
            print(f"What every process wrote: {ground.directory}", file=sys.stderr)
        return findings, havoc


async def _strike(havoc: Havoc, blows: Sequence[schedule.Blow]) -> None:
    began = time.monotonic()
    for done, blow in enumerate(blows, start=1):
        await havoc.strike(blow)
        if done % 25 == 0:
            spent = time.monotonic() - began
            print(f"{done} of {len(blows)} blows in {spent:.0f} s", file=sys.stderr)


async def _peace(ground: Ground, crowd: Crowd, still_s: float) -> list[str]:
    """Lets everything come to rest; says what does not."""
    await crowd.fall_silent()
    clock = time.monotonic
    began = moved = clock()
    seen = crowd.state()
    while restless := [person for person in crowd.people if not await _rests(ground, person)]:
        if crowd.state() != seen:
            seen, moved = crowd.state(), clock()
        if clock() - moved > still_s or clock() - began > PEACE_S:
            break
        await asyncio.sleep(LOOK_S)
    if failed := crowd.failed():
        raise ExceptionGroup("people of the bench failed", failed)
    sessions = {person.session for person in restless}
    states = [state for state in crowd.state() if state["session"] in sessions]
    return [
        f"does not come to rest: {state} {await _row(ground, state['session'])}" for state in states
    ]


@asynccontextmanager
async def _database(ground: Ground) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(ground.database_url)
    try:
        yield connection
    finally:
        await connection.close()


async def _row(ground: Ground, session: str) -> dict[str, object]:
    """What the database has of a session that is stuck."""
    async with _database(ground) as connection:
        row = await connection.fetchrow(
            "select s.state, s.needs_worker, s.epoch, s.lease_holder, s.lease_until, now(), "
            "s.fold::text, b.worker_id, b.endpoint from sessions s "
            "left join bindings b on b.session_id = s.id and b.ended_at is null where s.id = $1",
            session,
        )
    return dict(row) if row else {}


async def _rests(ground: Ground, person: Person) -> bool:
    """Nothing is queued, nothing runs, and everybody has seen everything."""
    if person.problems:
        return True
    async with _database(ground) as connection:
        row = await connection.fetchrow(
            "select last_seq, needs_worker, state from sessions where id = $1", person.session
        )
    if row is None:
        return False
    shown = all(v.seq >= row["last_seq"] and not v.open for v in person.watchers)
    return bool(shown and not row["needs_worker"] and row["state"] == "active")


async def _judge(ground: Ground, crowd: Crowd) -> Findings:
    findings = Findings()
    async with _database(ground) as connection:
        for person in crowd.people:
            case = await _case(connection, ground, person)
            check(case, findings)
            # The database goes with the run.
            log = "".join(f"{row.seq} {row.epoch} {row.n} {row.payload}\n" for row in case.log)
            (ground.directory / f"{case.session}.events").write_text(log)
    return findings


async def _case(connection: asyncpg.Connection, ground: Ground, person: Person) -> Case:
    rows = await connection.fetch(
        "select seq, epoch, n, id, type, payload::text from events where session_id = $1 "
        "order by seq",
        person.session,
    )
    bindings = await connection.fetch(
        "select epoch, bound_seq, worker_id from bindings where session_id = $1 order by epoch",
        person.session,
    )
    epochs = [
        Epoch(row["epoch"], row["bound_seq"], _journal(ground.journals / row["worker_id"]))
        for row in bindings
    ]
    views = [
        View(watcher.facts, {i: bytes(t) for i, t in watcher.open.items()})
        for watcher in person.watchers
    ]
    views[0] = replace(views[0], problems=person.problems)
    log = [Row(*row) for row in rows]
    return Case(
        person.session, log, epochs, views, person.accepted, person.sent, frozenset(person.refused)
    )


def _journal(path: Path) -> Journal | None:
    try:
        return Journal.read(path.read_text())
    except FileNotFoundError:
        return None


if __name__ == "__main__":
    sys.exit(main())

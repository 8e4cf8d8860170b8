"""What must hold of a plane at every moment, and what must hold once it is left in peace."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import orjson

from support.sim.plane import TENANT, Plane


@dataclass(frozen=True)
class Row:
    """One event as the database has it."""

    seq: int
    epoch: int | None
    n: int | None
    id: str
    type: str
    payload: str

    @property
    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = orjson.loads(self.payload)
        return body


class Broken(AssertionError):
    """A promise of the protocol does not hold."""


def _must(holds: bool, promise: str, *details: object) -> None:
    if not holds:
        raise Broken(f"{promise}: {', '.join(map(str, details))}")


async def rows_of(plane: Plane) -> tuple[list[Row], dict[int, int]]:
    """The log, and for each epoch the seq at which it was opened."""
    async with plane.db.tenant(TENANT) as connection:
        found = await connection.fetch(
            "select seq, epoch, n, id, type, payload::text from events "
            "where month = $1 and session_id = $2 order by seq",
            plane.month,
            plane.session,
        )
        bound = await connection.fetch(
            "select epoch, bound_seq from bindings where session_id = $1", plane.session
        )
    return [Row(*record) for record in found], {r["epoch"]: r["bound_seq"] for r in bound}


async def always(plane: Plane) -> list[Row]:
    """Raises Broken. Returns the log."""
    log, bound = await rows_of(plane)
    _must([row.seq for row in log] == list(range(1, len(log) + 1)), "the log has no gap")
    for gateway in plane.gateways:
        for problem in gateway.problems() if gateway else ():
            raise Broken(f"a client or a task of {gateway.name}: {problem!r}") from problem  # type: ignore[union-attr]
    for viewer in plane.viewers:
        shown = [event["id"] for event in viewer.facts]
        _must(shown == [row.id for row in log[: len(shown)]], "shown means committed, in order")
    ids = {row.id for row in log}
    for client_id, event_id in plane.accepted.items():
        _must(event_id in ids, "accepted means committed", client_id)
    _epochs(plane, log, bound)
    _turns(plane, log)
    return log


def _epochs(plane: Plane, log: list[Row], bound: dict[int, int]) -> None:
    by_epoch: dict[int, list[Row]] = {}
    for row in log:
        if row.epoch is not None:
            by_epoch.setdefault(row.epoch, []).append(row)
    for epoch, rows in by_epoch.items():
        _must([row.n for row in rows] == list(range(1, len(rows) + 1)), "n is contiguous", epoch)
        later = [seq for other, seq in bound.items() if other > epoch]
        _must(not later or rows[-1].seq <= min(later), "a fenced epoch writes nothing", rows[-1])
    for worker in plane.workers.values():
        if worker.session is None:
            continue
        rows = by_epoch.get(worker.session.identity.epoch, [])
        said = [event.payload.decode() for event in worker.said]
        _must([row.payload for row in rows] == said[: len(rows)], "the log is what was said")
        acked = worker.session.journal.acked_n
        _must(acked <= len(rows), "acknowledged means committed", worker.id, acked, len(rows))


def _turns(plane: Plane, log: list[Row]) -> None:
    started = Counter(i for r in log if r.type == "span.turn_start" for i in r.body["message_ids"])
    ended = Counter(r.body["turn_start_id"] for r in log if r.type == "span.turn_end")
    _must(all(n == 1 for n in started.values()), "a message is at most one turn", started)
    _must(all(n == 1 for n in ended.values()), "a turn ends once", ended)
    given = Counter(r.body["tool_use_id"] for r in log if r.type == "user.tool_confirmation")
    _must(all(n == 1 for n in given.values()), "a question has one answer", given)
    starts = sum(row.type == "span.turn_start" for row in log)
    asked = sum(len(worker.engine.cli.admitted) for worker in plane.workers.values())
    _must(asked <= starts, "the model is asked only what the log has begun", asked, starts)


async def in_peace(plane: Plane) -> None:
    """Raises Broken. For a plane that has been left to finish."""
    log = await always(plane)
    said = [row.id for row in log if row.type == "user.message"]
    started = [i for r in log if r.type == "span.turn_start" for i in r.body["message_ids"]]
    _must(said == started, "each message has its turn, in order", said, started)
    starts = {row.id for row in log if row.type == "span.turn_start"}
    ends = {row.body["turn_start_id"] for row in log if row.type == "span.turn_end"}
    _must(starts == ends, "each turn has its end", starts ^ ends)
    for viewer in plane.viewers:
        _must(len(viewer.facts) == len(log), "everybody has seen everything")
        _must(viewer.open == {}, "no text stays announced", viewer.open)

"""Writes a worker's facts into the log, with what follows from them.

The committer is the writer's side of the protocol: it checks what the worker says, lets the domain
decide what the control plane adds, appends both in one statement and shows them only after the
commit. It refuses a worker whose epoch is over or whose numbers do not fit.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import orjson
import structlog

from csp_controlplane.attach.core import Core
from csp_controlplane.domain.decisions import Consequences, WorkerFact, follow
from csp_controlplane.domain.events import LoggedEvent
from csp_controlplane.domain.fold import Fold
from csp_controlplane.domain.vocabulary import (
    FOLDING_WORKER_TYPES,
    MAX_EVENT_BYTES,
    WORKER_TYPES,
)
from csp_controlplane.live.hub import Hub
from csp_controlplane.store import audit, sessions
from csp_controlplane.store.log import FoldChange, WorkerBatch, append_worker, facts_of_epoch
from csp_proto import worker_pb2 as pb

log = structlog.get_logger(__name__)

NONE = Consequences(Fold())


class Fenced(Exception):
    """The worker's epoch is over, or its numbers contradict the log: it may write no more."""


class BadFact(Exception):
    """The worker sent something that it may not send."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Contiguous facts with the transcript lines that commit with them."""

    first_n: int
    facts: Sequence[pb.Fact]
    transcript: Sequence[pb.TranscriptEntry]

    @property
    def last_n(self) -> int:
        return self.first_n + len(self.facts) - 1

    def beyond(self, n: int) -> Batch:
        """What is left when everything up to n is in the log already.

        Transcript lines stay: readers drop the ones that they have by their uuid.
        """
        return Batch(n + 1, self.facts[n + 1 - self.first_n :], self.transcript)


class Committer:
    """Commits for one session and one epoch."""

    def __init__(self, core: Core, hub: Hub, epoch: int) -> None:
        self._core = core
        self._hub = hub
        self._epoch = epoch
        self._fold: tuple[int, Fold] | None = None

    async def commit(self, batch: Batch) -> int:
        """The log's seq after the batch. Raises Fenced, BadFact, or the database's errors."""
        parsed = [check_fact(fact) for fact in batch.facts]
        while True:
            consequences, change = await self._decide(parsed)
            rows = _interleave(batch, consequences)
            started = time.perf_counter()
            base = await append_worker(
                self._core.db, self._hub.tenant, self._hub.session, self._row(batch, rows), change
            )
            if base is not None:
                break
            batch = await self._explain(batch)
            parsed = parsed[len(parsed) - len(batch.facts) :]
            if not batch.facts:
                return self._hub.shown
        self._core.metrics.events_appended("worker", len(rows), time.perf_counter() - started)
        if change is not None:
            self._fold = (change.version + 1, change.fold)
        await self._show(base, rows)
        if consequences.unconfirmed:
            await self._report_unconfirmed(consequences.unconfirmed)
        return base + len(rows)

    async def _decide(self, parsed: Sequence[WorkerFact]) -> tuple[Consequences, FoldChange | None]:
        if not any(fact.type in FOLDING_WORKER_TYPES for fact in parsed):
            return NONE, None
        version, fold = self._fold or await self._read_fold()
        consequences = follow(fold, parsed, self._core.make)
        if consequences.fold == fold:
            return consequences, None
        return consequences, FoldChange(version, consequences.fold)

    async def _read_fold(self) -> tuple[int, Fold]:
        row = await sessions.load(self._core.db, self._hub.tenant, self._hub.session)
        if row is None:
            raise Fenced("the session is gone")
        self._fold = (row.fold_version, row.fold)
        return self._fold

    def _row(self, batch: Batch, rows: Sequence[_Row]) -> WorkerBatch:
        return WorkerBatch(
            epoch=self._epoch,
            first_n=batch.first_n,
            ns=[row.n for row in rows],
            ids=[row.id for row in rows],
            types=[row.type for row in rows],
            payloads=[row.payload.decode() for row in rows],
            subpaths=[entry.subpath for entry in batch.transcript],
            entries=[entry.entry.decode("utf-8", "replace") for entry in batch.transcript],
        )

    async def _explain(self, batch: Batch) -> Batch:
        """Why an append did not match: returns what is left to write, or raises Fenced."""
        self._fold = None
        row = await sessions.load(self._core.db, self._hub.tenant, self._hub.session)
        if row is None:
            raise Fenced("the session is gone")
        if row.epoch != self._epoch or row.next_n == 0:
            raise Fenced(f"epoch {self._epoch} is over, the log is at {row.epoch}")
        if row.next_n < batch.first_n:
            raise Fenced(f"n jumps from {row.next_n} to {batch.first_n}")
        if row.next_n == batch.first_n:
            return batch
        known = min(batch.last_n, row.next_n - 1)
        stored = await facts_of_epoch(
            self._core.db,
            self._hub.tenant,
            self._hub.month,
            self._hub.session,
            self._epoch,
            batch.first_n,
            known,
        )
        for offset, fact in enumerate(batch.facts[: known + 1 - batch.first_n]):
            if stored.get(batch.first_n + offset) != fact.payload:
                raise Fenced(f"n {batch.first_n + offset} was sent twice with different bytes")
        await self._hub.catch_up(row.last_seq)
        return batch.beyond(known)

    async def _show(self, base: int, rows: Sequence[_Row]) -> None:
        events = [
            LoggedEvent(base + place, row.id, row.type, row.payload)
            for place, row in enumerate(rows, start=1)
        ]
        if not self._hub.committed(events):
            await self._hub.catch_up(base + len(rows))

    async def _report_unconfirmed(self, tool_uses: Sequence[str]) -> None:
        log.warning(
            "tool_without_confirmation", session_id=self._hub.session, tool_use_ids=list(tool_uses)
        )
        await audit.record(
            self._core.db,
            self._hub.tenant,
            actor="gateway",
            action="worker.tool_without_confirmation",
            target=self._hub.session,
            data={"tool_use_ids": list(tool_uses), "epoch": self._epoch},
        )


@dataclass(frozen=True, slots=True)
class _Row:
    n: int | None
    id: str
    type: str
    payload: bytes


def check_fact(fact: pb.Fact) -> WorkerFact:
    """The parsed fact. Raises BadFact for anything that a worker may not report."""
    if fact.type not in WORKER_TYPES:
        raise BadFact(f"{fact.type!r} is not a type that a worker may report")
    if len(fact.payload) > MAX_EVENT_BYTES:
        raise BadFact(f"{fact.type} of {len(fact.payload)} bytes, at most {MAX_EVENT_BYTES}")
    if not fact.payload.startswith(f'{{"id":"{fact.id}","type":"{fact.type}"'.encode()):
        raise BadFact(f"{fact.type} does not begin with its id and type")
    try:
        body = orjson.loads(fact.payload)
    except orjson.JSONDecodeError as error:
        raise BadFact(f"{fact.type} is not JSON: {error}") from None
    # Clients take the last of repeated keys, so the parsed values count, not the prefix.
    if body.get("type") != fact.type or body.get("id") != fact.id:
        raise BadFact(f"{fact.type} says twice what it is, differently")
    return WorkerFact(fact.id, fact.type, body)


def _interleave(batch: Batch, consequences: Consequences) -> list[_Row]:
    rows = [
        _Row(batch.first_n + place, fact.id, fact.type, fact.payload)
        for place, fact in enumerate(batch.facts)
    ]
    for place, event in reversed(consequences.after):
        rows.insert(place + 1, _Row(None, event.id, event.type, event.payload))
    return rows

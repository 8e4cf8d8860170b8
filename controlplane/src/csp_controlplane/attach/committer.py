"""Writes a worker's facts into the log, with what follows from them.

The committer is the writer's side of the protocol: it checks what the worker says, lets the domain
decide what the control plane adds, appends both in one statement and shows them only after the
commit. It refuses a worker whose epoch is over or whose numbers do not fit.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from operator import attrgetter
from typing import Any, NamedTuple

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
from csp_controlplane.store.log import FoldChange, WorkerBatch, facts_of_epoch
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

    async def commit(self, batch: Batch) -> int:
        """The log's seq after the batch. Raises Fenced, BadFact, or the database's errors."""
        parsed, raws = check_facts(batch.facts)
        while True:
            consequences, change = await self._decide(parsed)
            rows = _interleave(batch.first_n, parsed, raws, consequences)
            started = time.perf_counter()
            base = await self._core.appends.append(
                self._hub.tenant, self._hub.session, self._row(batch, rows), change
            )
            if base is not None:
                break
            batch = await self._explain(batch)
            known = len(parsed) - len(batch.facts)
            parsed, raws = parsed[known:], raws[known:]
            if not batch.facts:
                return self._hub.shown
        self._core.metrics.events_appended("worker", len(rows.ids), time.perf_counter() - started)
        if change is not None:
            self._hub.folded(change.version + 1, change.fold)
        await self._show(base, rows)
        if change is not None:
            self._core.observer.changed(self._hub.tenant, self._hub.session)
        if consequences.unconfirmed:
            await self._report_unconfirmed(consequences.unconfirmed)
        return base + len(rows.ids)

    async def _decide(self, parsed: Sequence[WorkerFact]) -> tuple[Consequences, FoldChange | None]:
        if not any(fact.type in FOLDING_WORKER_TYPES for fact in parsed):
            return NONE, None
        version, fold = self._hub.fold or await self._read_fold()
        consequences = follow(fold, parsed, self._core.make)
        if consequences.fold == fold:
            return consequences, None
        return consequences, FoldChange(version, consequences.fold)

    async def _read_fold(self) -> tuple[int, Fold]:
        row = await sessions.load(self._core.db, self._hub.tenant, self._hub.session)
        if row is None:
            raise Fenced("the session is gone")
        self._hub.folded(row.fold_version, row.fold)
        return row.fold_version, row.fold

    def _row(self, batch: Batch, rows: _Rows) -> WorkerBatch:
        return WorkerBatch(
            epoch=self._epoch,
            first_n=batch.first_n,
            ns=rows.ns,
            ids=rows.ids,
            types=rows.types,
            payloads=[raw.decode() for raw in rows.raws],
            subpaths=[entry.subpath for entry in batch.transcript],
            entries=[entry.entry.decode("utf-8", "replace") for entry in batch.transcript],
        )

    async def _explain(self, batch: Batch) -> Batch:
        """Why an append did not match: returns what is left to write, or raises Fenced."""
        self._hub.fold = None
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

    async def _show(self, base: int, rows: _Rows) -> None:
        numbered = zip(count(base + 1), rows.ids, rows.types, rows.raws, strict=False)
        events = list(map(LoggedEvent._make, numbered))
        if not self._hub.committed(events):
            await self._hub.catch_up(base + len(rows.ids))

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


class _Rows(NamedTuple):
    """What is appended, by column; n is None for the control plane's own events."""

    ns: list[int | None]
    ids: list[str]
    types: list[str]
    raws: list[bytes]


_envelope = attrgetter("id", "type", "payload")


def check_facts(facts: Sequence[pb.Fact]) -> tuple[list[WorkerFact], list[bytes]]:
    """The parsed facts and their bytes. Raises BadFact for what a worker may not report."""
    parsed, raws = [], []
    for id_, type_, payload in map(_envelope, facts):
        parsed.append(WorkerFact(id_, type_, _checked_body(id_, type_, payload)))
        raws.append(payload)
    return parsed, raws


def _checked_body(id_: str, type_: str, payload: bytes) -> dict[str, Any]:
    if type_ not in WORKER_TYPES:
        raise BadFact(f"{type_!r} is not a type that a worker may report")
    if len(payload) > MAX_EVENT_BYTES:
        raise BadFact(f"{type_} of {len(payload)} bytes, at most {MAX_EVENT_BYTES}")
    if not payload.startswith(f'{{"id":"{id_}","type":"{type_}"'.encode()):
        raise BadFact(f"{type_} does not begin with its id and type")
    try:
        body: dict[str, Any] = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise BadFact(f"{type_} is not JSON: {error}") from None
    # Clients take the last of repeated keys, so the parsed values count, not the prefix.
    if body.get("type") != type_ or body.get("id") != id_:
        raise BadFact(f"{type_} says twice what it is, differently")
    return body


def _interleave(
    first_n: int, parsed: Sequence[WorkerFact], raws: Sequence[bytes], consequences: Consequences
) -> _Rows:
    rows = _Rows(
        list(range(first_n, first_n + len(parsed))),
        [fact.id for fact in parsed],
        [fact.type for fact in parsed],
        list(raws),
    )
    for place, event in reversed(consequences.after):
        rows.ns.insert(place + 1, None)
        rows.ids.insert(place + 1, event.id)
        rows.types.insert(place + 1, event.type)
        rows.raws.insert(place + 1, event.payload)
    return rows

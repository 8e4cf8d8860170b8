"""Facts that the database does not have yet, numbered from 1, in the order in which they happened.

A batch is frozen when it is first sent: the database commits facts and transcript lines of one
batch together or not at all, so the same batch must be sent again and never a different cut of
it. Small backlogs stay in memory, larger ones go to a file; when that is full the journal says so
and still takes what a turn that is being stopped has left to say.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from csp_proto import worker_pb2 as pb
from csp_worker.event import Event
from csp_worker.spill import Slot, SpillFile

BATCH_BYTES = 512 * 1024


@dataclass(slots=True, eq=False)
class Batch:
    """Facts first_n .. last_n and the transcript lines that are committed with them."""

    first_n: int
    facts: list[Event] = field(default_factory=list)
    transcript: list[tuple[str, bytes]] = field(default_factory=list)
    size: int = 0
    last_n: int = 0
    slot: Slot | None = None

    def message(self) -> pb.Facts:
        """As it travels."""
        return pb.Facts(
            first_n=self.first_n,
            facts=[pb.Fact(id=f.id, type=f.type, payload=f.payload) for f in self.facts],
            transcript=[pb.TranscriptEntry(subpath=s, entry=e) for s, e in self.transcript],
        )


class Journal:
    """Belongs to one epoch. `on_full` is called once when the spill file can take no more."""

    def __init__(self, spill: SpillFile, memory_bytes: int, on_full: Callable[[], None]) -> None:
        self._spill = spill
        self._memory_limit = memory_bytes
        self._on_full = on_full
        self._open = Batch(first_n=1)
        self._frozen: deque[Batch] = deque()
        self._in_memory = 0
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self.last_n = 0
        self.acked_n = 0
        self.full = False

    def append(self, event: Event) -> int:
        """Returns the fact's number."""
        self.last_n += 1
        self._open.facts.append(event)
        self._open.last_n = self.last_n
        self._grow(len(event.payload))
        return self.last_n

    def add_transcript(self, subpath: str, entry: bytes) -> None:
        """A line that is committed with the next batch of facts."""
        self._open.transcript.append((subpath, entry))
        self._grow(len(entry))

    def freeze(self) -> None:
        """Ends the open batch, if it holds a fact, so that it may be sent."""
        batch = self._open
        if not batch.facts:
            return
        self._open = Batch(first_n=self.last_n + 1)
        self._frozen.append(batch)
        if self._in_memory > self._memory_limit:
            self._to_file(batch)

    def batches(self, after_n: int) -> Iterator[tuple[int, pb.Facts]]:
        """Frozen batches with facts beyond `after_n`: the last number of each, and its message."""
        for batch in self._frozen:
            if batch.last_n > after_n:
                yield batch.last_n, self._message(batch)

    def ack(self, n: int) -> bool:
        """Drops what is committed; False when that was known already."""
        if n <= self.acked_n or n > self.last_n:
            return False
        self.acked_n = n
        while self._frozen and self._frozen[0].last_n <= n:
            self._drop(self._frozen.popleft())
        if self._frozen and self._frozen[0].first_n <= n:
            self._trim(self._frozen[0], n)
        if self.full and not any(batch.slot for batch in self._frozen):
            self.full = False
        self._waiting, before = [], self._waiting
        for wanted, future in before:
            if wanted > n:
                self._waiting.append((wanted, future))
            elif not future.done():
                future.set_result(None)
        return True

    async def wait_acked(self, n: int) -> None:
        """Until fact n is committed."""
        if n <= self.acked_n:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((n, future))
        await future

    def _grow(self, size: int) -> None:
        self._open.size += size
        self._in_memory += size
        if self._open.size >= BATCH_BYTES:
            self.freeze()

    def _to_file(self, batch: Batch) -> None:
        slot = self._spill.put(batch.message().SerializeToString())
        if slot is not None:
            batch.slot = slot
            batch.facts, batch.transcript = [], []
            self._in_memory -= batch.size
        elif not self.full:
            self.full = True
            self._on_full()

    def _message(self, batch: Batch) -> pb.Facts:
        if batch.slot is None:
            return batch.message()
        return pb.Facts.FromString(self._spill.read(batch.slot))

    def _drop(self, batch: Batch) -> None:
        if batch.slot is None:
            self._in_memory -= batch.size
        else:
            self._spill.free(batch.slot)

    def _trim(self, batch: Batch, n: int) -> None:
        # Committed in part, which a gateway that commits whole batches does not do. What was
        # committed included the transcript lines.
        if batch.slot is None:
            batch.facts = batch.facts[n - batch.first_n + 1 :]
            batch.transcript = []
            batch.first_n = n + 1

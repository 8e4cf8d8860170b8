"""Workers' batches on their way into the log: alone while there is room, together otherwise.

A commit costs the same for one batch as for fifty. Each batch goes at once, in a statement of its
own, while fewer than AT_ONCE are being written; what comes after that waits for the first of them
to end and goes in one statement with all that waits beside it: group commit, as databases do it
with their own log. A batch answers for itself alone: one that does not match, cannot be written
or finds its session's row taken costs the others nothing. ADR 0033 has the reasons.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import asyncpg

from csp_controlplane.store.database import DATABASE_AWAY, Database
from csp_controlplane.store.log import FoldChange, WorkerBatch, append_worker, append_workers

AT_ONCE = 2
"""Statements at a time. More only make the groups smaller: see `python -m bench --only append`."""

MOST_BATCHES = 64
MOST_BYTES = 1_000_000
"""What one statement holds, but for its last batch."""

PATIENCE = timedelta(milliseconds=50)
"""How long a group waits for one session's row before each of its batches goes alone."""

SLOW_S = 0.1
"""A statement that takes longer no longer counts: it waits for a row, and nobody else shall."""


@dataclass(slots=True)
class _Waiting:
    tenant: str
    session: str
    batch: WorkerBatch
    change: FoldChange | None
    written: asyncio.Future[int | None]
    size: int

    def settle(self, base: int | None) -> None:
        if not self.written.done():
            self.written.set_result(base)

    def fail(self, error: Exception) -> None:
        if not self.written.done():
            self.written.set_exception(error)


class Appends:
    """The one way of workers' batches into the log of this process.

    A session may have one batch under way at a time, as its writer sees to anyway.
    """

    def __init__(self, db: Database, *, at_once: int = AT_ONCE) -> None:
        self._db = db
        self._at_once = at_once
        self._under_way = 0
        self._waiting: deque[_Waiting] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    async def append(
        self, tenant: str, session: str, batch: WorkerBatch, change: FoldChange | None
    ) -> int | None:
        """The seq before the batch, or None when epoch, n or fold version do not match.

        Raises the database's errors. Cancelled while it waits, the batch is not written; later it
        may have been.
        """
        if self._under_way < self._at_once and not self._waiting:
            with _Place(self):
                return await append_worker(self._db, tenant, session, batch, change)
        size = sum(map(len, batch.payloads)) + sum(map(len, batch.entries))
        written: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(tenant, session, batch, change, written, size))
        return await written

    def _next(self) -> None:
        """Writes what waits, as far as there is room."""
        while self._under_way < self._at_once and (group := self._next_group()):
            task = asyncio.create_task(self._write(group, _Place(self)), name="appends")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _next_group(self) -> list[_Waiting]:
        """What goes next: of one tenant, of each session once, in the order in which it came."""
        group: list[_Waiting] = []
        left: list[_Waiting] = []
        size = 0
        sessions: set[str] = set()
        while self._waiting and len(group) < MOST_BATCHES and size < MOST_BYTES:
            one = self._waiting.popleft()
            if one.written.done():  # cancelled
                continue
            if group and (one.tenant != group[0].tenant or one.session in sessions):
                left.append(one)
                continue
            group.append(one)
            sessions.add(one.session)
            size += one.size
        self._waiting.extendleft(reversed(left))
        return group

    async def _write(self, group: Sequence[_Waiting], place: _Place) -> None:
        with place:
            if len(group) == 1 or not await self._write_together(group):
                await asyncio.gather(*map(self._write_alone, group))

    async def _write_together(self, group: Sequence[_Waiting]) -> bool:
        """False: one of them cannot be written, or not now, and so nothing was."""
        batches = [(one.session, one.batch, one.change) for one in group]
        try:
            bases = await append_workers(self._db, group[0].tenant, batches, PATIENCE)
        except asyncpg.DataError:  # an InterfaceError as well
            return False
        except DATABASE_AWAY as error:
            for one in group:
                one.fail(error)
            return True
        except Exception:  # noqa: BLE001 -- whose it is shows when each goes alone
            return False
        for one, base in zip(group, bases, strict=True):
            one.settle(base)
        return True

    async def _write_alone(self, one: _Waiting) -> None:
        if one.written.done():
            return
        try:
            base = await append_worker(self._db, one.tenant, one.session, one.batch, one.change)
        except Exception as error:  # noqa: BLE001 -- goes to whoever waits for it
            one.fail(error)
        else:
            one.settle(base)


class _Place:
    """A statement's place among those that are under way, given up early when it takes long."""

    def __init__(self, appends: Appends) -> None:
        self._appends = appends
        self._taken = True
        appends._under_way += 1
        self._slow = asyncio.get_running_loop().call_later(SLOW_S, self._give_up)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._slow.cancel()
        self._give_up()

    def _give_up(self) -> None:
        if self._taken:
            self._taken = False
            self._appends._under_way -= 1
            self._appends._next()

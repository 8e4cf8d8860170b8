"""The real log, with a stop before and after each statement that writes what the protocol is about.

A gateway that dies at the stop before the statement may have sent it or not: see
`support.sim.plane`. One that dies at the stop behind it has committed and told nobody.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from csp_controlplane.store.database import Database
from support.sim.clock import VirtualLoop
from support.sim.steps import Steps

WRITES = {
    "select append_worker": "append facts",
    "select outcome, base from append_control": "append control events",
    "select open_epoch": "open the epoch",
    "update sessions set next_n = 0": "end the epoch",
}


def _write(statement: str) -> str | None:
    return next((name for text, name in WRITES.items() if statement.startswith(text)), None)


class _Connection:
    """A connection whose writes wait to be chosen."""

    def __init__(self, inner: Any, log: GatedDatabase) -> None:
        self._inner = inner
        self._log = log
        self.wrote: str | None = None

    async def fetchval(self, statement: str, *values: Any) -> Any:
        return await self._call(self._inner.fetchval, statement, values)

    async def fetchrow(self, statement: str, *values: Any) -> Any:
        return await self._call(self._inner.fetchrow, statement, values)

    async def fetch(self, statement: str, *values: Any) -> Any:
        return await self._call(self._inner.fetch, statement, values)

    async def execute(self, statement: str, *values: Any) -> Any:
        return await self._call(self._inner.execute, statement, values)

    async def _call(self, call: Any, statement: str, values: tuple[Any, ...]) -> Any:
        name = _write(statement)
        if name is not None and self._log.steps is not None:
            await self._log.steps.point(self._log.actor, f"before: {name}")
            self.wrote = name
        with self._log.loop.real():
            return await call(statement, *values)


class GatedDatabase(Database):
    """One gateway's way to the log; without steps, that of the test, which waits nowhere."""

    def __init__(
        self, inner: Database, loop: VirtualLoop, steps: Steps | None = None, actor: str = ""
    ) -> None:
        self._inner = inner
        self.loop = loop
        self.steps = steps
        self.actor = actor

    @asynccontextmanager
    async def tenant(self, tenant: str) -> AsyncIterator[Any]:
        async with self._opened(self._inner.tenant(tenant)) as connection:
            yield connection

    @asynccontextmanager
    async def untenanted(self) -> AsyncIterator[Any]:
        async with self._opened(self._inner.untenanted()) as connection:
            yield connection

    @asynccontextmanager
    async def _opened(self, opening: Any) -> AsyncIterator[_Connection]:
        with self.loop.real():
            inner = await opening.__aenter__()
        connection = _Connection(inner, self)
        try:
            yield connection
        except BaseException as error:
            with self.loop.real():
                await opening.__aexit__(type(error), error, error.__traceback__)
            raise
        with self.loop.real():
            await opening.__aexit__(None, None, None)
        if connection.wrote is not None and self.steps is not None:
            await self.steps.point(self.actor, f"after: {connection.wrote}")

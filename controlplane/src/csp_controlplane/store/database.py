"""The pool of database connections and the one way to a tenant's rows.

The application works as the role csp_app, to which row level security applies; a transaction sees
the tenant that it was opened for and nothing else. Stores take a connection or this object; they
never build SQL text from input.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

import asyncpg

DATABASE_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shutting down, starting up
    asyncpg.InsufficientResourcesError,  # disk full, out of memory, too many connections
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.IdleInTransactionSessionTimeoutError,  # this process was frozen for that long
    asyncpg.InternalClientError,  # as that, when the server's word for it is still unread
    asyncpg.InterfaceError,
)
"""What a database that is stopped, starting, full or read-only raises: wait and try again."""

FROZEN_S = 5.0
"""How long a transaction may wait for its own program. A process that is frozen, or cut off, in the
middle of one holds the session's row, and everybody else would wait for it."""


async def _nothing_to_reset(_connection: Any) -> None:
    """In place of asyncpg's RESET ALL, a round trip each time a connection is given back.

    Whatever is set here (the tenant) is set for one transaction only.
    """


class Database:
    """An asyncpg pool that hands out connections as csp_app."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    @classmethod
    async def connect(
        cls,
        url: str,
        *,
        max_size: int = 10,
        command_timeout: float = 10.0,
        frozen_s: float = FROZEN_S,
        application: str = "csp",
    ) -> Self:
        """Opens the pool. Raises OSError or asyncpg.PostgresError when the server is away."""
        pool = await asyncpg.create_pool(
            url,
            min_size=1,
            max_size=max_size,
            command_timeout=command_timeout,
            server_settings={
                "role": "csp_app",
                "application_name": application,
                "idle_in_transaction_session_timeout": str(round(frozen_s * 1000)),
            },
            reset=_nothing_to_reset,
        )
        return cls(pool)

    async def close(self) -> None:
        """Closes at once what is idle and, after 5 s, what is not."""
        try:
            await asyncio.wait_for(self._pool.close(), 5)
        except TimeoutError:
            self._pool.terminate()

    @asynccontextmanager
    async def tenant(self, tenant: str) -> AsyncIterator[Any]:
        """A transaction that sees this tenant's rows."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute("select set_config('csp.tenant', $1, true)", tenant)
            yield connection

    @asynccontextmanager
    async def untenanted(self) -> AsyncIterator[Any]:
        """A connection that sees no rows: for functions that set the tenant or look across."""
        async with self._pool.acquire() as connection:
            yield connection

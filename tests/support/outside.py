"""An installation whose database and Valkey are the test's own, so that it can take them away.

The gateways and the model proxy reach PostgreSQL through a choke, where a test holds back the
answer to a commit. (`csp up` would start its own servers again at once.)
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import asyncpg
import orjson

from support.choke import Choke
from support.postgres import PostgresServer
from support.stack import Stack
from support.valkey import ValkeyServer

_SOCKET = ".s.PGSQL.5432"


class Outside:
    """`stack` on `postgres` behind `choke`, and on `valkey`. A context manager."""

    def __init__(self, *options: str, environment: Mapping[str, str] | None = None) -> None:
        self.postgres = PostgresServer()
        self.valkey = ValkeyServer()
        self._options = options
        self._environment = dict(environment or {})

    def __enter__(self) -> Self:
        self.postgres.start()
        self.valkey.start()
        self.direct_url = self._fresh_database()
        near = self.postgres.directory / "near"
        near.mkdir()
        through = self.direct_url.replace(str(self.postgres.directory), str(near))
        self.choke = Choke(near / _SOCKET, self.postgres.directory / _SOCKET).start()
        self.stack = Stack(
            *self._options,
            environment={
                "CSP_DATABASE_URL": through,
                "CSP_REDIS_URL": self.valkey.url,
                **self._environment,
            },
        )
        self.stack.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.stack.close()
        finally:
            self.choke.close()
            self.valkey.close()
            self.postgres.close()

    def _fresh_database(self) -> str:
        self.postgres.sql("create database csp")
        return self.postgres.url("csp")

    async def stored(self, session_id: str) -> list[dict[str, Any]]:
        """The session's events as the database has them, whatever gateways know."""
        connection = await asyncpg.connect(self.direct_url)
        try:
            rows = await connection.fetch(
                "select payload::text from events where session_id = $1 order by seq", session_id
            )
        finally:
            await connection.close()
        return [orjson.loads(row[0]) for row in rows]

"""The migration as a program of its own: what the chart's Job runs."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

import asyncpg
import pytest

from support.postgres import PostgresServer
from support.processes import free_port

_COMMAND = [sys.executable, "-m", "csp_controlplane.store.migrate"]


@pytest.fixture
def empty(postgres: PostgresServer) -> Iterator[str]:
    """A database without any schema."""
    name = "not_migrated"
    postgres.sql(f"create database {name}")
    yield postgres.url(name)
    postgres.drop_database(postgres.url(name))


async def run(url: str, **environment: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *_COMMAND,
        env={"CSP_DATABASE_URL": url, "PATH": "/usr/bin:/bin", **environment},
        stderr=subprocess.PIPE,
    )
    async with asyncio.timeout(120):
        _, said = await process.communicate()
    return process.returncode or 0, said.decode()


async def tables(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        return int(
            await connection.fetchval(
                "select count(*) from information_schema.tables where table_name = 'sessions'"
            )
        )
    finally:
        await connection.close()


async def test_jobs_that_run_together_migrate_once(empty: str) -> None:
    ended = await asyncio.gather(*(run(empty) for _ in range(3)))
    assert [code for code, _ in ended] == [0, 0, 0], ended
    assert await tables(empty) == 1
    code, said = await run(empty)
    assert code == 0
    assert "schema_is_current" in said


async def test_the_first_admin_is_there_as_soon_as_the_schema_is(empty: str) -> None:
    for _ in range(2):
        code, said = await run(empty)
        assert code == 0, said
        assert "you@localhost" in said
    connection = await asyncpg.connect(empty)
    try:
        found = await connection.fetch("select tenant, email, role from users")
    finally:
        await connection.close()
    assert [tuple(row) for row in found] == [("local", "you@localhost", "admin")]


async def test_the_migration_uses_the_owners_address(empty: str) -> None:
    nowhere = f"postgresql://csp@127.0.0.1:{free_port()}/csp"
    code, _ = await run(nowhere, CSP_DATABASE_MIGRATION_URL=empty)
    assert code == 0
    assert await tables(empty) == 1


async def test_it_waits_for_a_database_that_starts_later() -> None:
    with closing(PostgresServer()) as server:
        waiting = asyncio.create_task(run(server.url()))
        await asyncio.to_thread(server.start)
        code, _ = await waiting
        assert code == 0


async def test_wrong_settings_and_a_refusal_are_said(empty: str) -> None:
    code, said = await run("mysql://nowhere")
    assert code == 2
    assert "CSP_DATABASE_URL" in said
    code, said = await run(empty.replace("not_migrated", "missing_database"))
    assert code == 1
    assert "CSP_DATABASE_MIGRATION_URL" in said

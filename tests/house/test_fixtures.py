"""The fixtures keep their promises: fresh data, real servers, nothing left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest
from redis.asyncio import Redis

from csp_controlplane.store.database import Database
from support.postgres import PostgresServer
from support.processes import ServerProcess, processes_of
from support.waiting import DeadlineExceeded, wait_until


async def test_a_database_is_migrated_and_enforces_row_level_security(db: Database) -> None:
    async with db.untenanted() as connection:
        assert await connection.fetchval("select current_user") == "csp_app"
        assert await connection.fetchval("select count(*) from sessions") == 0


async def test_two_databases_do_not_share_rows(postgres: PostgresServer, database_url: str) -> None:
    other = postgres.create_database()
    first = await asyncpg.connect(database_url)
    second = await asyncpg.connect(other)
    try:
        await first.execute("create table only_here (x int)")
        assert await second.fetchval("select to_regclass('only_here')") is None
    finally:
        await first.close()
        await second.close()
        postgres.drop_database(other)


async def test_a_killed_postgres_keeps_what_was_committed() -> None:
    server = PostgresServer()
    try:
        server.start()
        server.sql("create table kept (x int)")
        server.kill()
        server.start()
        server.sql("select x from kept")
    finally:
        server.close()
    assert processes_of(server.directory) == []


async def test_valkey_is_empty_for_each_test_and_answers(redis_url: str) -> None:
    client = Redis.from_url(redis_url)
    try:
        assert await client.dbsize() == 0
        await client.set("left", "behind")
    finally:
        await client.aclose()


async def test_a_wait_that_never_comes_true_says_what_it_waited_for() -> None:
    with pytest.raises(DeadlineExceeded, match="the moon"):
        await wait_until(lambda: False, deadline=0.05, what="the moon")


def test_processes_are_found_by_argument_and_by_environment(tmp_path: Path) -> None:
    sleep = [sys.executable, "-c", "import sys; sys.stdin.read(); import time; time.sleep(60)"]
    by_argument = ServerProcess([*sleep, tmp_path], log=tmp_path / "a.log")
    by_environment = ServerProcess(sleep, log=tmp_path / "b.log", environment={"M": str(tmp_path)})
    with by_argument, by_environment:
        found = {process.pid for process in processes_of(tmp_path)}
        assert found == {by_argument.pid, by_environment.pid}
    assert processes_of(tmp_path) == []


async def test_servers_end_with_a_killed_test_run(tmp_path: Path) -> None:
    program = """
import sys, time
from pathlib import Path
from support.processes import ServerProcess
ServerProcess([sys.executable, "-c", "import time; time.sleep(60)", sys.argv[1]], log=Path("log"))
time.sleep(60)
"""
    run = subprocess.Popen(
        [sys.executable, "-c", program, tmp_path],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    await wait_until(lambda: len(processes_of(tmp_path)) == 2, what="the run and its server")
    run.kill()
    run.wait()
    await wait_until(lambda: not processes_of(tmp_path), what="the end of the server")

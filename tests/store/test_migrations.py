"""Migrations of databases that hold something, by an owner of tables who is no superuser."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from alembic import command
from alembic.config import Config

from csp_controlplane.store import migrate
from support.postgres import PostgresServer

OLD = """
insert into tenants values ('t1', 'T');
insert into pieces (tenant, lineage, sha256, bytes) values ('t1', 'sesn_a', '\\x0a0b', 7);
"""


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """A server of its own, because the roles of the application are made by the first migration."""
    server = PostgresServer()
    try:
        server.start()
        server.sql("create role migrator login createrole")
        server.sql("create database old owner migrator")
        yield server
    finally:
        server.close()


async def test_objects_of_the_first_checkpoints_keep_their_names(server: PostgresServer) -> None:
    url = server.url("old").replace("postgres@", "migrator@", 1)
    config = Config()
    folder = Path(migrate.__file__).parent / "migrations"
    config.set_main_option("script_location", str(folder))
    config.attributes["url"] = url
    await asyncio.to_thread(command.upgrade, config, "0004")
    everything = await asyncpg.connect(server.url("old"))
    try:
        await everything.execute(OLD)
        await asyncio.to_thread(migrate.migrate, url)
        row = await everything.fetchrow("select key, bytes, doomed from pieces")
    finally:
        await everything.close()
    assert row is not None
    assert tuple(row) == ("sesn_a/0a0b", 7, False)

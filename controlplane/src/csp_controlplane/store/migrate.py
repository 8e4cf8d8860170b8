"""Brings a database to the newest schema. Forward only; safe to run from several replicas.

`python -m csp_controlplane.store.migrate` is the same as a program, for installations that change
the schema before any gateway of the new version starts. It also makes the first tenant with its
first admin where there is none, so that sessions that name an owner can be applied at once.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import asyncpg
import structlog
from pydantic import ValidationError

from csp_controlplane.logging_setup import configure_logging
from csp_controlplane.settings import DatabaseSettings
from csp_controlplane.store import users
from csp_controlplane.store.database import DATABASE_AWAY, Database

log = structlog.get_logger(__name__)

WAIT_S = 300.0
"""A database that is being installed beside this program takes its time."""
PAUSE_S = 1.0


def migrate(url: str) -> None:
    """Applies what is missing, under an advisory lock.

    Blocks; call it from a thread. `url` is the migration role's postgresql:// address: that role
    owns the tables and may create roles.
    """
    # A fifth of what a gateway takes to start, and most of them migrate nothing.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["url"] = url
    command.upgrade(config, "head")


def wait_for(url: str, deadline_s: float = WAIT_S) -> None:
    """Returns when the server takes connections. Raises what it last said when it does not."""
    end = time.monotonic() + deadline_s
    while True:
        try:
            asyncio.run(_greet(url))
        except DATABASE_AWAY as error:
            if time.monotonic() > end:
                raise
            log.info("database_not_there_yet", error=f"{type(error).__name__}: {error}")
            time.sleep(PAUSE_S)
        else:
            return


async def _greet(url: str) -> None:
    connection = await asyncpg.connect(url, timeout=10)
    await connection.close()


async def _first_start(url: str) -> str:
    """The address of the first admin."""
    db = await Database.connect(url, max_size=1, application="csp-migrate")
    try:
        return (await users.ensure_tenant(db)).email
    finally:
        await db.close()


def main() -> int:
    """0 when the schema is current, 1 when it could not be brought there, 2 for wrong settings."""
    configure_logging("migrate")
    try:
        url = DatabaseSettings().migrations()
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        log.error("settings_invalid", problems=problems)
        return 2
    try:
        wait_for(url)
    except (*DATABASE_AWAY, asyncpg.PostgresError) as error:
        log.error(
            "the database refuses: check CSP_DATABASE_MIGRATION_URL and that PostgreSQL runs",
            error=f"{type(error).__name__}: {error}",
        )
        return 1
    migrate(url)
    owner = asyncio.run(_first_start(url))
    log.info("schema_is_current", first_admin=owner)
    return 0


if __name__ == "__main__":
    sys.exit(main())

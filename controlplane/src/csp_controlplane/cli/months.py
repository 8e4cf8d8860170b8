"""`csp months`: what is kept, month by month, and the way to drop one."""

from __future__ import annotations

import asyncio
import os

import asyncpg
import orjson
import typer
from rich.console import Console
from rich.table import Table

from csp_controlplane.cli.instance import database_url
from csp_controlplane.store import months
from csp_controlplane.supervisor.errors import CommandError, ExitCode

AWAY = (OSError, asyncpg.PostgresConnectionError, asyncpg.InvalidAuthorizationSpecificationError)


def list_months(*, json_output: bool) -> None:
    """A table, or one JSON object a line."""
    try:
        found = asyncio.run(months.months(_url()))
    except AWAY as error:
        raise _away(error) from error
    if json_output:
        for month in found:
            typer.echo(orjson.dumps(month).decode())
        return
    table = Table("Month", "Sessions", "Deleted", "Size", box=None, pad_edge=False)
    for month in found:
        size = "dropped" if month.bytes == 0 else f"{month.bytes / 1024**2:.1f} MB"
        table.add_row(f"{month.month:%Y-%m}", str(month.sessions), str(month.deleted), size)
    Console(highlight=False, markup=False).print(table)


def drop_month(text: str, *, idle_days: int, yes: bool) -> None:
    """Asks, unless told not to; prints what went."""
    month = months.parse(text)
    if not yes:
        typer.confirm(
            f"All sessions that were begun in {text}, their logs and transcripts will be gone for "
            "good. Go on?",
            abort=True,
        )
    try:
        count = asyncio.run(months.drop(_url(), month, idle_days=idle_days))
    except asyncpg.LockNotAvailableError:
        raise CommandError(
            f"The logs are too busy: the tables of {text} were not free for {months.LOCK_WAIT_S} s."
            " Its sessions are deleted; run the command again to free the space.",
            ExitCode.DATABASE,
        ) from None
    except asyncpg.InsufficientPrivilegeError as error:
        raise CommandError(
            f"The database refuses ({error}): set CSP_DATABASE_MIGRATION_URL to the address of the "
            "user that owns the tables.",
            ExitCode.DATABASE,
        ) from None
    except AWAY as error:
        raise _away(error) from error
    typer.echo(
        f"Dropped {text}: {count} sessions. A running gateway removes their files every hour."
    )


def _url() -> str:
    return os.environ.get("CSP_DATABASE_MIGRATION_URL") or database_url()


def _away(error: BaseException) -> CommandError:
    return CommandError(
        f"The database does not answer ({error}): is `csp up` running, or CSP_DATABASE_URL right?",
        ExitCode.DATABASE,
    )

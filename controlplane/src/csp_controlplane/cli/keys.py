"""`csp keys`: API keys of programs, by whoever owns the data directory or the database."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import orjson
import typer

from csp_controlplane.cli import tables
from csp_controlplane.cli.instance import database_url
from csp_controlplane.store.keys import ApiKey
from csp_controlplane.supervisor.access import owner_access


def add(name: str, *, email: str | None, days: int | None) -> None:
    """The key alone on standard output, so that it can be piped; its id on standard error."""

    async def work() -> tuple[ApiKey, str]:
        async with owner_access(database_url()) as access:
            return await access.key(name, timedelta(days=days) if days else None, email)

    made, secret = asyncio.run(work())
    typer.echo(f"{made.id}: shown this once. `csp keys revoke {made.id}` ends it.", err=True)
    typer.echo(secret)


def list_all(*, json_output: bool) -> None:
    """A table, or one JSON object a line."""

    async def work() -> tuple[list[ApiKey], dict[str, str]]:
        async with owner_access(database_url()) as access:
            people = {user.id: user.email for user in await access.list_users()}
            return await access.list_keys(), people

    found, people = asyncio.run(work())
    if json_output:
        for key in found:
            typer.echo(orjson.dumps(_shown(key, people)).decode())
        return
    rows = tables.table("Id", "Name", "Of", "Key", "Since", "Ends", "Used")
    now = datetime.now(UTC)
    for key in found:
        rows.add_row(
            key.id,
            key.name,
            people.get(key.user_id, key.user_id),
            key.hint,
            _day(key.created_at),
            "ended" if key.expires_at and key.expires_at < now else _day(key.expires_at),
            _day(key.last_used_at),
        )
    tables.show(rows)


def revoke(key_id: str) -> None:
    """Raises NotFound."""

    async def work() -> None:
        async with owner_access(database_url()) as access:
            await access.revoke_key(key_id)

    asyncio.run(work())
    typer.echo(f"Revoked {key_id}.")


def _shown(key: ApiKey, people: dict[str, str]) -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "email": people.get(key.user_id),
        "hint": key.hint,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "last_used_at": key.last_used_at,
    }


def _day(when: datetime | None) -> str:
    return f"{when:%Y-%m-%d}" if when else "never"

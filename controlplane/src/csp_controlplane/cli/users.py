"""`csp users`: adding and listing people, by whoever owns the data directory or the database."""

from __future__ import annotations

import asyncio
import sys

import orjson
import typer

from csp_controlplane.cli import tables
from csp_controlplane.cli.instance import database_url, site
from csp_controlplane.store.users import User
from csp_controlplane.supervisor.access import owner_access
from csp_controlplane.supervisor.errors import CommandError, ExitCode


def add(email: str, *, name: str | None, admin: bool, password_stdin: bool) -> None:
    """Adds the user; prints how they sign in."""
    password = _password() if password_stdin else None
    where = site()

    async def work() -> tuple[User, str | None]:
        async with owner_access(database_url()) as access:
            user = await access.add_user(email, name, "admin" if admin else "member", password)
            link = None
            if password is None and where is not None:
                link = await access.sign_in_link(where.url, user.email)
            return user, link

    user, link = asyncio.run(work())
    typer.echo(f"Added {user.email} ({user.role}).")
    if link is not None:
        typer.echo("This link signs them in once, within 15 minutes:")
        typer.echo(link)
    elif password is None:
        typer.echo(f"They have no password: make a link with `csp login --email {user.email}`.")


def list_all(*, json_output: bool) -> None:
    """A table, or one JSON object a line."""

    async def work() -> list[User]:
        async with owner_access(database_url()) as access:
            return await access.list_users()

    users = asyncio.run(work())
    if json_output:
        for user in users:
            typer.echo(orjson.dumps(user).decode())
        return
    rows = tables.table("Email", "Name", "Role", "Password", "Since")
    for user in users:
        state = " (disabled)" if user.disabled_at else ""
        rows.add_row(
            user.email,
            user.name,
            user.role + state,
            "yes" if user.has_password else "no",
            f"{user.created_at:%Y-%m-%d}",
        )
    tables.show(rows)


def _password() -> str:
    text = sys.stdin.readline().rstrip("\n")
    if not text:
        raise CommandError(
            "No password came on standard input: pipe it in, as in `printf %s SECRET | csp users "
            "add ... --password-stdin`.",
            ExitCode.USAGE,
        )
    return text

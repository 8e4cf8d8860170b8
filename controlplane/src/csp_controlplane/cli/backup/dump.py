"""The database as one file, by PostgreSQL's own tools from the embedded wheel."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import asyncpg

from csp_controlplane.supervisor import postgres
from csp_controlplane.supervisor.errors import CommandError, ExitCode

_OWN_ROLES = {"csp_app", "csp_definer"}


async def dump(url: str, file: Path) -> None:
    """A consistent snapshot, taken while the database is in use. Raises CommandError."""
    await _tool("pg_dump", "--format=custom", f"--file={file}", f"--dbname={url}")


async def is_empty(url: str) -> bool:
    """Whether the database holds no tables of ours."""
    connection = await asyncpg.connect(url)
    try:
        return not await connection.fetchval("select to_regclass('public.sessions') is not null")
    finally:
        await connection.close()


async def load(url: str, file: Path) -> None:
    """Replaces what the public schema holds. Objects of the dump's owner become ours.

    The owner of the dumped tables may not exist here: it is made for the moment, because the two
    roles that the schema itself relies on must keep what they own.
    """
    listing = await _tool("pg_restore", "--list", str(file))
    owners = set(re.findall(r"^\d+; .* (\S+)$", listing, re.MULTILINE)) - {"-"}
    connection = await asyncpg.connect(url)
    try:
        us: str = await connection.fetchval("select current_user")
        made = [role for role in sorted(owners | _OWN_ROLES) if await _make(connection, role)]
        for role in _OWN_ROLES:
            await connection.execute(f"grant {role} to {_quoted(us)}")
        if not await is_empty(url):
            await connection.execute(
                "drop schema public cascade; create schema public authorization pg_database_owner;"
                " grant usage on schema public to public"
            )
        await _tool("pg_restore", "--exit-on-error", "--single-transaction", f"--dbname={url}",
                    str(file))  # fmt: skip
        for role in set(made) - _OWN_ROLES:
            await connection.execute(f"reassign owned by {_quoted(role)} to {_quoted(us)}")
            await connection.execute(f"drop owned by {_quoted(role)}")
            await connection.execute(f"drop role {_quoted(role)}")
    finally:
        await connection.close()


async def _make(connection: asyncpg.Connection, role: str) -> bool:
    if await connection.fetchval("select 1 from pg_roles where rolname = $1", role):
        return False
    await connection.execute(f"create role {_quoted(role)} nologin")
    return True


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


async def _tool(name: str, *arguments: str) -> str:
    """Standard output. Raises CommandError with what the tool said."""
    process = await asyncio.create_subprocess_exec(
        str(postgres.binaries() / name),
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    if process.returncode != 0:
        said = err.decode(errors="replace").strip()
        full = "No space left" in said
        hint = ""
        if "row-level security" in said:
            hint = " The user of CSP_DATABASE_URL needs the attribute BYPASSRLS for this."
        raise CommandError(
            f"{name} failed: {said.splitlines()[0] if said else process.returncode}.{hint}",
            ExitCode.DISK_FULL if full else ExitCode.DATABASE,
        )
    return out.decode(errors="replace")

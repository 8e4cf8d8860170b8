"""`csp users erase`: the right to be forgotten, from a terminal."""

from __future__ import annotations

import asyncio
from typing import Any

import typer

from csp_controlplane.cli.connection import gateway
from csp_controlplane.supervisor.errors import CommandError, ExitCode


def erase_person(email: str, *, yes: bool) -> None:
    """Asks, unless told not to; prints what went."""
    if not yes:
        typer.confirm(
            f"All sessions, files and keys of {email} and their name will be gone for good. Go on?",
            abort=True,
        )
    erased = asyncio.run(_erase(email))
    typer.echo(
        f"Erased {email}: {erased['sessions']} sessions, {erased['files']} files, "
        f"{erased['keys']} keys. The audit log keeps one line under the id {erased['id']}."
    )


async def _erase(email: str) -> dict[str, Any]:
    async with gateway("csp users erase") as target:
        people = (await target.call("GET", "/users"))["data"]
        found = [user["id"] for user in people if user["email"].lower() == email.lower()]
        if not found:
            raise CommandError(
                f"There is no user {email!r}: `csp users list` shows who there is.",
                ExitCode.REFUSED,
            )
        erased: dict[str, Any] = await target.call("POST", f"/users/{found[0]}/erase")
    return erased

"""`csp login`."""

from __future__ import annotations

import asyncio

import typer

from csp_controlplane.cli.instance import running
from csp_controlplane.supervisor.access import owner_access


def print_link(email: str | None) -> None:
    """The link alone on standard output, so that it can be piped."""
    instance = running()

    async def make() -> str:
        async with owner_access(instance.database_url) as access:
            return await access.sign_in_link(instance.url, email)

    link = asyncio.run(make())
    typer.echo(link)

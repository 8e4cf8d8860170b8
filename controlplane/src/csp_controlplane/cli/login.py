"""`csp login`."""

from __future__ import annotations

import asyncio

import typer

from csp_controlplane.cli.instance import Site, running, site
from csp_controlplane.supervisor.access import owner_access


def print_link(email: str | None) -> None:
    """The link alone on standard output, so that it can be piped."""
    where = site() or _nothing_runs()

    async def make() -> str:
        async with owner_access(where.database_url) as access:
            return await access.sign_in_link(where.url, email)

    link = asyncio.run(make())
    typer.echo(link)


def _nothing_runs() -> Site:
    """Raises CommandError that says what to do."""
    instance = running()
    return Site(instance.url, instance.database_url)

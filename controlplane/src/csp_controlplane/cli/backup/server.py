"""The database that is backed up or restored: a running one, or ours started for the moment."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from csp_controlplane.supervisor import lock, postgres
from csp_controlplane.supervisor.child import Family
from csp_controlplane.supervisor.environment import child_environment
from csp_controlplane.supervisor.layout import Layout
from csp_controlplane.supervisor.logs import ComponentLog, LogFile
from csp_controlplane.supervisor.service import Service


@asynccontextmanager
async def embedded_server(layout: Layout) -> AsyncIterator[str]:
    """Starts the embedded PostgreSQL on this data directory; the caller holds its lock."""
    environment = child_environment("server", dict(os.environ), {})
    user = await asyncio.to_thread(postgres.prepare, layout, environment)
    family = Family()
    log = ComponentLog("postgres", LogFile(layout.logs / "postgres.log"))
    service = Service(postgres.service(layout, user, environment), family, log, lambda _text: None)
    try:
        await service.start()
        yield postgres.url(layout)
    finally:
        await service.stop()
        family.kill_all()
        log.file.close()


@asynccontextmanager
async def readable_database(layout: Layout) -> AsyncIterator[str]:
    """The address of the installation's database, whether csp runs or not."""
    external = os.environ.get("CSP_DATABASE_URL")
    instance = lock.read_instance(layout) if lock.is_held(layout) else None
    if external:
        yield external
    elif instance is not None:
        yield instance.database_url
    else:
        layout.create()  # its run directory went with the last stop
        held = lock.acquire(layout)
        try:
            async with embedded_server(layout) as url:
                yield url
        finally:
            os.close(held)

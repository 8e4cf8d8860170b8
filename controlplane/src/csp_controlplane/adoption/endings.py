"""What the disappearance of a resource means for its session.

The deletion of that one resource ends the session: somebody wanted it. A resource that goes with
its namespace, its kind or its whole cluster was not meant, so the session is paused and keeps its
history; the next message brings it back under a new resource.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog

from csp_controlplane.attach.lifecycle import SessionGone
from csp_controlplane.runtime.kubernetes.runtime import KubernetesRuntime
from csp_controlplane.runtime.kubernetes.sight import Sight
from csp_controlplane.sessions.service import SessionService
from csp_controlplane.store import origins
from csp_controlplane.store.database import Database
from csp_controlplane.store.origins import Origin

log = structlog.get_logger(__name__)

LOOK_S = 0.5
ENDED = "The session has ended: its AgentSession was deleted."
UNINSTALLED = (
    "The session rests: its place in the cluster was removed. The conversation is kept; send a "
    "message to go on."
)


class Endings:
    """See the module."""

    def __init__(self, db: Database, service: SessionService, runtime: KubernetesRuntime) -> None:
        self._db = db
        self._service = service
        self._runtime = runtime

    async def of(self, origin: Origin, sight: Sight) -> None:
        """A resource was seen to vanish. Raises RuntimeUnavailable: nobody knows yet why."""
        if await self._superseded(origin, sight):
            return
        # What takes a namespace or a kind away shows it before it takes the first resource.
        await asyncio.sleep(LOOK_S)
        whole = not await self._runtime.api.takes_sessions(sight.namespace)
        log.info("resource_gone", session_id=origin.session, name=sight.name, with_its_place=whole)
        self._runtime.release(origin.session)
        with suppress(SessionGone):
            if whole:
                await self._service.resources.rest(origin.tenant, origin.session, UNINSTALLED)
            else:
                await self._service.resources.end(origin.tenant, origin.session, ENDED)

    async def vanished_while_away(self) -> None:
        """Sessions whose resource went while no gateway looked: nobody knows why, so they rest."""
        present = {resource["metadata"]["uid"] for _, resource in self._runtime.mirror.all()}
        for origin in await origins.sessions_on_resources(self._db):
            if origin.uid in present or self._runtime.resource_of(origin.session) is not None:
                continue
            log.info("resource_missing", session_id=origin.session)
            with suppress(SessionGone):
                await self._service.resources.rest(origin.tenant, origin.session, UNINSTALLED)

    async def _superseded(self, origin: Origin, sight: Sight) -> bool:
        """Whether the session lives on another resource by now, or was deleted itself."""
        found = await origins.sessions_of(self._db, [], [origin.session])
        if not found or found[0].deleted:
            return True
        if not sight.from_api:
            return found[0].uid != sight.uid
        return found[0].uid is not None and self._runtime.resource_of(origin.session) is not None

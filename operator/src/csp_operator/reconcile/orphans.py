"""Pods that belong to nobody: their session or pool is gone, or somebody changed what they say.

Absence is judged by the API server, never by the picture alone. Only pods that the operator made
are touched.
"""

from __future__ import annotations

from typing import Any

import structlog

from csp_operator.api.errors import NotFound
from csp_operator.api.resources import POOLS, SESSIONS, Resource
from csp_operator.reconcile.core import Core
from csp_operator.store import Name
from csp_operator.views import PodView

log = structlog.get_logger(__name__)


class OrphanReconciler:
    """`look` may raise ApiError; the queue then asks again."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def look(self, uid: str) -> None:
        pod = self._core.store.pods.get(uid)
        if pod is None or not pod.ours or pod.deleting:
            return
        if pod.session_uid is not None:
            lost = await self._session_is_gone(pod)
        elif pod.waits:
            lost = await self._pool_is_gone(pod)
        else:  # neither a session's nor a pool's: its labels or owner were changed by hand
            lost = True
        if lost:
            log.info("orphan_deleted", namespace=pod.namespace, pod=pod.name)
            await self._core.delete_pod(pod, "orphan")

    async def _session_is_gone(self, pod: PodView) -> bool:
        known = self._core.store.session_by_uid(pod.session_uid or "")
        if known is not None:
            self._core.look_at_session(known)
            return False
        found = await self._read(SESSIONS, pod, pod.session_name)
        if found is None or found["metadata"]["uid"] != pod.session_uid:
            return True
        self._core.store.put_session(found)
        session = self._core.store.session_by_uid(pod.session_uid or "")
        if session is not None:
            self._core.look_at_session(session)
        return False

    async def _pool_is_gone(self, pod: PodView) -> bool:
        pool = self._core.store.pools.get(Name(pod.namespace, pod.pool or ""))
        if pool is not None and pool.uid == pod.owner_uid:
            return False
        found = await self._read(POOLS, pod, pod.pool)
        if found is None or found["metadata"]["uid"] != pod.owner_uid:
            return True
        self._core.store.put_pool(found)
        return False

    async def _read(
        self, resource: Resource, pod: PodView, name: str | None
    ) -> dict[str, Any] | None:
        if not name:
            return None
        try:
            return await self._core.api.get(resource, pod.namespace, name)
        except NotFound:
            return None

"""Workers as pods that the operator claims: a SessionRuntime over AgentSession resources.

A session that was made through the API gets a resource here; one that somebody else wrote has one
already and is made known by whoever adopted it. Resting and waking are an annotation. This module
never touches a pod: it reads in the status where it is. The operator calls a session Bound when
its pod is Ready, and a pod is Ready when its worker's health service says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Self

import structlog

from csp_controlplane.runtime.kubernetes.api import Absent, Exists, KubernetesApi, Rejected
from csp_controlplane.runtime.kubernetes.mirror import Change, Key, Mirror
from csp_controlplane.runtime.kubernetes.settings import KubernetesSettings
from csp_controlplane.runtime.kubernetes.sight import (
    REPLACED,
    Rest,
    Sight,
    manifest,
    pool_report,
    session_of_name,
    sight_of,
)
from csp_controlplane.runtime.protocol import (
    NoCapacity,
    RuntimeUnavailable,
    WorkerGone,
    WorkerRef,
)
from csp_crds import names
from csp_crds.agent import AgentSpec

log = structlog.get_logger(__name__)

SYNC_S = 10.0
LOOK_AGAIN_S = 3.0
"""A watch may be silent: whoever waits for a pod also asks."""
REMOVAL_S = 10.0
BLINK_S = 1.0
"""What a watch that reconnects gets before whoever asks is told that it is away."""
MAX_ENDS = 1000
TRANSIENT = frozenset({"", "Claiming", "PodStarting", "Looking", "Paused", "Suspended"})
"""Reasons of an unbound session that say no more than that it takes a moment."""


class KubernetesRuntime:
    """See the module. `start` it inside the event loop; `close` it."""

    keeps_files = False
    has_pools = True
    pauses_idle = True
    answers = "The Kubernetes API server answers."
    away = "The AgentPool cannot be read: sessions that rest cannot wake. See the gateway's log."

    def __init__(
        self, api: KubernetesApi, settings: KubernetesSettings, *, idle_timeout_s: float
    ) -> None:
        self.api = api
        self.settings = settings
        self.mirror = Mirror(api, settings.namespaces, settings.watch_seconds)
        self._idle_timeout_s = idle_timeout_s
        self._adopted: dict[str, Key] = {}
        self._sessions: dict[Key, str] = {}
        self.watchers: set[asyncio.Queue[WorkerGone]] = set()

    @classmethod
    def from_environment(cls, settings: KubernetesSettings, *, idle_timeout_s: float) -> Self:
        """Raises RuntimeUnavailable when there is no API server to talk to."""
        return cls(KubernetesApi.from_environment(), settings, idle_timeout_s=idle_timeout_s)

    async def start(self) -> None:
        self.mirror.listen(self._on_change)
        self.mirror.start()

    async def close(self) -> None:
        await self.mirror.stop()
        await self.api.close()

    # ---- which resource is whose

    def adopt(self, session_id: str, key: Key) -> None:
        """This session's resource is one that the runtime did not write."""
        self._adopted[session_id] = key
        self._sessions[key] = session_id

    def release(self, session_id: str) -> None:
        """The session has no resource any more."""
        key = self._adopted.pop(session_id, None)
        if key is not None:
            self._sessions.pop(key, None)

    def session_at(self, key: Key) -> str | None:
        """The session whose resource this is, as far as it is known."""
        return self._sessions.get(key)

    def resource_of(self, session_id: str) -> dict[str, Any] | None:
        """The session's resource as it was last seen."""
        key = self._adopted.get(session_id)
        if key is not None:
            return self.mirror.get(key)
        name = names.resource_name(session_id)
        for namespace in self.settings.namespaces:
            if found := self.mirror.get((namespace, name)):
                return found
        return None

    def _sight(self, session_id: str) -> Sight | None:
        found = self.resource_of(session_id)
        return sight_of(found) if found is not None else None

    # ---- SessionRuntime

    async def create(
        self,
        session_id: str,
        tenant: str,
        spec: AgentSpec,
        *,
        owner: str = "",
        pool: str | None = None,
    ) -> None:
        """Writes the session's resource, or wakes it. Raises NoCapacity, RuntimeUnavailable."""
        await self.mirror.until_synced(SYNC_S)
        sight = self._sight(session_id)
        if sight is not None and (sight.finished or sight.deleting) and sight.from_api:
            await self._remove(sight)
            sight = None
        if sight is None:
            await self._write(session_id, tenant, spec, owner, pool or self.settings.pool)
        elif sight.rest == "suspended":
            raise NoCapacity("This session is suspended (spec.suspend of its AgentSession).")
        elif sight.rest == "idle":
            await self._annotate(sight, {names.PAUSED: None})

    async def wait_ready(self, session_id: str, deadline_s: float) -> WorkerRef:
        """Until its pod answers. Raises NoCapacity, TimeoutError, RuntimeUnavailable."""
        loop = asyncio.get_running_loop()
        end = loop.time() + deadline_s
        async with self.mirror.changes() as changed:
            while True:
                changed.clear()
                sight = self._expect(session_id)
                left = end - loop.time()
                if sight.worker is not None:
                    return sight.worker
                if left <= 0:
                    raise _late(sight, session_id, deadline_s)
                if not await _set_within(changed, min(left, LOOK_AGAIN_S)):
                    await self._look(sight)

    async def endpoint(self, session_id: str) -> WorkerRef | None:
        """The session's pod, when it is ready. Raises RuntimeUnavailable."""
        await self.mirror.until_synced(BLINK_S)
        sight = self._sight(session_id)
        return sight.worker if sight is not None else None

    async def delete(self, session_id: str) -> None:
        """The session rests: its pod is given back. Raises RuntimeUnavailable."""
        await self.mirror.until_synced(SYNC_S)
        sight = self._sight(session_id)
        if sight is None or sight.finished or sight.deleting:
            return
        wanted: dict[str, str | None] = {} if sight.rest else {names.PAUSED: "true"}
        if sight.worker is not None:
            wanted[names.RELEASE] = sight.worker.worker_id
        if wanted:
            await self._annotate(sight, wanted)

    async def discard(self, session_id: str, worker_id: str) -> None:
        """This pod is used up; the operator claims another one. Raises RuntimeUnavailable."""
        await self.mirror.until_synced(SYNC_S)
        sight = self._sight(session_id)
        if sight is not None and sight.worker is not None and sight.pod == worker_id:
            await self._annotate(sight, {names.RELEASE: worker_id})

    async def purge(self, session_id: str) -> None:
        """Deletes the session's resource, and its pod with it."""
        await self.mirror.until_synced(SYNC_S)
        sight = self._sight(session_id)
        self.release(session_id)
        if sight is not None:
            await self._remove(sight)

    async def resting(self, session_id: str) -> Rest | None:
        """Whether its resource says that the session rests, asked anew."""
        if (sight := self._sight(session_id)) is None:
            return None
        await self._look(sight)
        return seen.rest if (seen := self._sight(session_id)) is not None else None

    async def watch(self) -> AsyncIterator[WorkerGone]:
        """Ends of pods, for ever."""
        ends: asyncio.Queue[WorkerGone] = asyncio.Queue(MAX_ENDS)
        self.watchers.add(ends)
        try:
            while True:
                yield await ends.get()
        finally:
            self.watchers.discard(ends)

    async def pool(self) -> dict[str, Any]:
        """The pool's spares, for readiness and metrics. Raises RuntimeUnavailable."""
        name = self.settings.pool
        try:
            found = await self.api.pool(self.settings.namespace, name)
        except (Absent, Rejected) as error:
            raise RuntimeUnavailable(f"the AgentPool {name!r} cannot be read: {error}") from error
        return pool_report(name, found)

    # ---- below

    def _expect(self, session_id: str) -> Sight:
        sight = self._sight(session_id)
        if sight is None or sight.deleting:
            self.mirror.check(self.settings.namespace)
            raise NoCapacity("The session has no AgentSession resource, or it was deleted.")
        if sight.finished:
            raise NoCapacity(sight.finished)
        if sight.rest == "suspended":
            raise NoCapacity("This session is suspended (spec.suspend of its AgentSession).")
        return sight

    async def _look(self, sight: Sight) -> None:
        """Reads one resource past the watch."""
        with suppress(Absent, RuntimeUnavailable):
            self.mirror.put(await self.api.get(sight.namespace, sight.name))

    async def _write(
        self, session_id: str, tenant: str, spec: AgentSpec, owner: str, pool: str
    ) -> None:
        namespace = self.settings.namespace_of(tenant)
        body = manifest(
            session_id,
            tenant,
            owner,
            spec,
            namespace=namespace,
            pool=pool,
            idle_timeout_s=self._idle_timeout_s,
        )
        try:
            made = await self.api.create(body)
        except Exists:
            made = await self.api.get(namespace, names.resource_name(session_id))
        except (Rejected, Absent) as error:
            raise NoCapacity(f"The cluster did not take the session: {error}") from error
        self.mirror.put(made)

    async def _annotate(self, sight: Sight, annotations: dict[str, str | None]) -> None:
        try:
            changed = await self.api.annotate(sight.namespace, sight.name, annotations)
        except Absent:
            return
        except Rejected as error:
            raise RuntimeUnavailable(f"the AgentSession cannot be changed: {error}") from error
        self.mirror.put(changed)

    async def _remove(self, sight: Sight) -> None:
        """Deletes the resource, marked so that nobody takes it for a person's wish."""
        if not sight.deleting:
            await self._annotate(sight, {REPLACED: "true"})
            await self.api.delete(sight.namespace, sight.name)
        async with asyncio.timeout(REMOVAL_S), self.mirror.changes() as changed:
            while True:
                changed.clear()
                known = self.mirror.get((sight.namespace, sight.name))
                if known is None or known["metadata"]["uid"] != sight.uid:
                    return
                await changed.wait()

    def _on_change(self, change: Change) -> None:
        before = sight_of(change.before) if change.before else None
        after = sight_of(change.after) if change.after else None
        if before is None or before.worker is None:
            return
        gone = before.worker
        if (
            after is not None
            and after.worker is not None
            and after.worker.worker_id == gone.worker_id
        ):
            return
        known = session_of_name(before.name) if before.from_api else None
        session = self._sessions.get(change.key, known)
        asked = after is None or after.rest or after.deleting or after.pod == gone.worker_id
        told = (after.waiting if after is not None else None) or "The session's pod has ended."
        end = WorkerGone(gone.worker_id, session, "deleted" if asked else "lost", told)
        for ends in self.watchers:
            with suppress(asyncio.QueueFull):
                ends.put_nowait(end)


def _late(sight: Sight, session_id: str, deadline_s: float) -> Exception:
    if sight.waiting and sight.waiting_reason not in TRANSIENT:
        return NoCapacity(sight.waiting)
    return TimeoutError(f"the worker of {session_id} was not ready in {deadline_s:g} s")


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()

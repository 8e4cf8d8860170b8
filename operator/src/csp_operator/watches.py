"""Watches of pods and sessions: a list, then what changes, for ever.

Every claim is several events of these two kinds, and kopf's way from an event to a handler costs as
much as all the rest of a claim. Pools, which change rarely, come through kopf (`handlers.py`). A
watch that breaks, is too old or brings nothing for too long begins again with a list.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import structlog

from csp_crds import names
from csp_operator.api.client import KubeApi
from csp_operator.api.errors import ApiError
from csp_operator.api.resources import PODS, SESSIONS, Resource
from csp_operator.intake import Intake
from csp_operator.resync import Resync

log = structlog.get_logger(__name__)

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 3.0


class Watches:
    """`run` until cancelled, on every replica: who may have to act soon must know what is."""

    def __init__(self, api: KubeApi, resync: Resync, intake: Intake, silence_s: float) -> None:
        self._api = api
        self._silence_s = silence_s
        self._resync = resync
        self._deliver: dict[Resource, Callable[..., None]] = {
            PODS: intake.pod,
            SESSIONS: intake.session,
        }

    async def run(self, resource: Resource, namespace: str) -> None:
        pause = _FIRST_PAUSE_S
        while True:
            try:
                version = await self._resync.one(resource, namespace)
                pause = _FIRST_PAUSE_S
                while True:  # the server ends each watch after some minutes
                    version = await self._follow(resource, namespace, version)
            except ApiError as error:
                log.info("watch_begins_again", resource=resource.plural, reason=str(error))
                await asyncio.sleep(pause)
                pause = min(_LONGEST_PAUSE_S, pause * 2)

    async def _follow(self, resource: Resource, namespace: str, version: int) -> int:
        """Until the server ends the watch in peace; from which version to go on."""
        labels = names.POOL if resource is PODS else None
        deliver = self._deliver[resource]
        watch = self._api.watch(resource, namespace, version, self._silence_s, labels=labels)
        # A watch that is left in the middle would keep its connection until it is collected.
        async with aclosing(watch) as events:
            async for event in events:
                kind, item = event["type"], event["object"]
                if kind == "ERROR":
                    raise ApiError(item.get("message", "the watch failed"), item.get("code", 0))
                version = int(item["metadata"]["resourceVersion"])
                if kind != "BOOKMARK":
                    deliver(item, gone=kind == "DELETED")
        return version


def parts(watches: Watches, namespaces: tuple[str, ...]) -> dict[str, Any]:
    """One coroutine for each kind and namespace, by a name for its task."""
    return {
        f"watch-{resource.plural}-{namespace}": watches.run(resource, namespace)
        for namespace in namespaces
        for resource in (PODS, SESSIONS)
    }

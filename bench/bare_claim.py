"""The limit of a claim: the calls that no operator can do without, and nothing that decides.

One client makes them by itself, one after the other, in a namespace that no operator serves: POST
the session, hear of it by a watch, patch a pod, apply the status, hear of that by a watch. What a
claim takes beyond this is the operator's; what this takes is the API server's and the machine's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

from csp_crds import names
from support.apiserver import ApiServer
from support.kube import SESSIONS, Kube, bound, ready_status, session

AGENT = "csp-bench-bare"
_NOW = "2026-01-01T00:00:00Z"
_STATE = "/metadata/labels/" + names.STATE.replace("/", "~1")
_SESSION = "/metadata/labels/" + names.SESSION_UID.replace("/", "~1")


class BareClaims:
    """Claims pods that look like the operator's. Open it with `bare_claims`."""

    def __init__(self, kube: Kube, like: dict[str, Any]) -> None:
        self._kube = kube
        self._like = like
        self._pods: list[dict[str, Any]] = []
        self._seen: dict[tuple[str, bool], asyncio.Future[float]] = {}

    async def prepare(self, count: int) -> Self:
        """So many pods wait."""
        for number in range(len(self._pods), count):
            meta = self._like["metadata"]
            body = {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    "name": f"bare-{number}",
                    "labels": meta["labels"],
                    "annotations": meta["annotations"],
                    "ownerReferences": meta["ownerReferences"],
                },
                "spec": {**self._like["spec"], "nodeName": None},
            }
            await self._kube.create("pods", body)
            status = ready_status("10.8.0.1")
            self._pods.append(
                await self._kube.merge("pods", f"bare-{number}", status, sub="status")
            )
        return self

    async def claim(self, number: int) -> float:
        """Seconds from the POST until the watch says Bound."""
        loop = asyncio.get_running_loop()
        name, pod = f"bare-{number}", self._pods[number]
        made, done = (
            self._seen.setdefault((name, is_bound), loop.create_future())
            for is_bound in (False, True)
        )
        begun = loop.time()
        posting = asyncio.create_task(self._kube.create(SESSIONS, session(name)), name="bare-post")
        await made
        await self._kube.call(
            "PATCH", self._kube.url("pods", pod["metadata"]["name"]), _patch(pod),
            "application/json-patch+json",
        )  # fmt: skip
        await self._kube.apply_status(SESSIONS, name, names.OPERATOR_MANAGER, _status(pod))
        at = await done
        await posting
        return at - begun

    async def follow(self) -> None:
        """Reads the watch; runs beside the claims."""
        _, version = await self._kube.listing(SESSIONS)
        async with self._kube.watch(SESSIONS, version) as news:
            async for event in news:
                found = event["object"]
                seen = self._seen.get((found["metadata"]["name"], bool(bound(found))))
                if seen is not None and not seen.done():
                    seen.set_result(asyncio.get_running_loop().time())


@asynccontextmanager
async def bare_claims(server: ApiServer, like: dict[str, Any]) -> AsyncIterator[BareClaims]:
    """In a namespace of their own. `like`: a pod of the operator's."""
    namespace = await asyncio.to_thread(server.create_namespace)
    async with Kube(server, namespace, AGENT) as kube:
        claims = BareClaims(kube, like)
        following = asyncio.create_task(claims.follow(), name="bare-watch")
        try:
            yield claims
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


def _patch(pod: dict[str, Any]) -> list[dict[str, Any]]:
    """As much as the operator's, so that the server has as much to do."""
    uid = pod["metadata"]["uid"]
    return [
        {"op": "test", "path": "/metadata/uid", "value": uid},
        {"op": "test", "path": _STATE, "value": names.STATE_WARM},
        {"op": "replace", "path": _STATE, "value": names.STATE_CLAIMED},
        {"op": "add", "path": _SESSION, "value": uid},
    ]


def _status(pod: dict[str, Any]) -> dict[str, Any]:
    meta = pod["metadata"]
    says = {"Bound": "True", "Suspended": "False", "Finished": "False"}
    return {
        "phase": "Bound",
        "observedGeneration": 1,
        "rebinds": 0,
        "pod": {"name": meta["name"], "uid": meta["uid"], "ip": "10.8.0.1", "since": _NOW,
                "start": "warm"},
        "conditions": [
            {"type": kind, "status": status, "reason": "Claimed", "message": "",
             "lastTransitionTime": _NOW, "observedGeneration": 1}
            for kind, status in says.items()
        ],
    }  # fmt: skip
